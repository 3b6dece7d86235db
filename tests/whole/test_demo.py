"""``hall-edge demo``: every kind of event is seen, it ends cleanly, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.tools.demo.visits import EVERY_EVENT, SCENES
from tests.support.wait import wait_until

DEMO = [sys.executable, "-m", "edge", "demo", "--pause", "0"]


def processes_in(short_path: Path) -> list[str]:
    """Return the command lines of all processes that name *folder*."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(short_path) in line:
            found.append(line)
    return found


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("broker", ["mosquitto", "rumqttd"])
def test_all_visits_show_all_events_and_leave_nothing(tmp_path: Path, short_path: Path, broker: str) -> None:
    environ = os.environ | {"TMPDIR": str(short_path), "HALL_EDGE_DEMO_BROKER": broker}
    pictures = tmp_path / "pictures"
    demo = subprocess.run(
        [*DEMO, "--visits", str(len(SCENES)), "--pull", "pad-1", "--pictures", str(pictures)],
        env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert broker in demo.stdout
    for kind, types in EVERY_EVENT.items():
        for type_ in types.split():
            assert f" {kind}.{type_} " in demo.stdout
    assert "opened" in demo.stdout
    assert "SUB-" not in demo.stdout
    assert "gap" not in demo.stdout
    assert "pad-1 is absent" in demo.stdout
    assert "pad-1 is ready" in demo.stdout
    accepted = demo.stdout.partition("accepted ")[2].split()[0]
    assert f"confirmed {accepted}" in demo.stdout
    assert f"pages and pictures are in {pictures}" in demo.stdout
    kept = [path.stat().st_size for path in pictures.rglob("*") if path.is_file()]
    assert len(kept) >= 8  # a captured page, scanned pages
    assert min(kept) > 10_000
    assert list(short_path.iterdir()) == []
    assert processes_in(short_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_ends_with_its_children(short_path: Path, number: signal.Signals) -> None:
    environ = os.environ | {"TMPDIR": str(short_path)}
    with (short_path / "out").open("w+b") as out:
        demo = subprocess.Popen(DEMO, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait_until(lambda: b"id-card.read" in (short_path / "out").read_bytes(), 60, "the first card was read")
        demo.send_signal(number)
        assert demo.wait(15) == (0 if number == signal.SIGINT else -number)
    wait_until(lambda: not processes_in(short_path), 10, "no process of the demo is left")
    if number == signal.SIGINT:
        assert b"confirmed" in (short_path / "out").read_bytes()
        assert [path.name for path in short_path.iterdir()] == ["out"]
