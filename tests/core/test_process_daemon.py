"""A whole daemon with a device in a process of its own that crashes, hangs and floods: nothing else notices."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.core.process_rig import ask, children, runs
from tests.support.project import ROOT
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

GUN = ("gun-1", "code_serial", 'content = "public"')
BACK_S = 6.0
SOON_S = 2.0
LONG_S = 120


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: WindowUnderTest) -> Path:
    """Install a foreign driver for a process of its own; give the file that tells it what to do."""
    packages = tmp_path / "packages"
    info = packages / "acme_dolls-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-dolls\nVersion: 1.0\n", encoding="utf-8")
    points = "[hall_edge.drivers]\ndoll = tests.core.process_drivers:Doll\n"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(packages), str(ROOT)]))
    file = tmp_path / "asked"
    window.allow_drivers = '["acme-dolls"]'
    window.foreign("doll-1", "doll", "serial://" + str(_node(tmp_path)), f'asked = "{file}"')
    return file


def _node(folder: Path) -> Path:
    node = folder / "node"
    node.touch()
    return node


def doll(window: WindowUnderTest) -> int:
    """Return the id of the driver's process, once there is one that serves."""
    assert window.process is not None
    own = window.process.pid
    return wait_until(lambda: next((pid for pid in children(own) if runs(pid)), None), BACK_S, "a driver's process")


def size(window: WindowUnderTest) -> tuple[int, int, int]:
    """Return how many handles, threads and children the daemon has."""
    assert window.process is not None
    pid = window.process.pid
    handles = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
    threads = len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    return handles, threads, len(children(pid))


@pytest.mark.slow
@pytest.mark.timeout(LONG_S)
def test_no_other_device_notices(window: WindowUnderTest, asked: Path) -> None:
    window.device(*GUN)
    window.program = [sys.executable, "-m", "tests.whole.patient"]  # no pauses between one fault and the next
    window.start()
    assert window.process is not None
    before, own, number = size(window), window.process.pid, count(1)
    faults: dict[str, Callable[[], None]] = {
        "crashed": lambda: os.kill(doll(window), signal.SIGSEGV),
        "stopped": lambda: os.kill(doll(window), signal.SIGSTOP),
        "hung": lambda: ask(asked, "hang"),
        "hung with the interpreter": lambda: ask(asked, "hang_with_everything"),
        "lies": lambda: ask(asked, "noise"),
    }
    for fault, do in faults.items():
        window.wait_ready(BACK_S)
        pid = doll(window)
        do()
        while doll(window) == pid:
            _scan(window, next(number), fault)
        window.wait_ready(BACK_S)
    scans = next(number) - 1
    texts = [event["data"]["text"] for event in window.tap.wait_events("scanned", scans)]
    assert texts == [f"SIM-{at:06d}" for at in range(1, scans + 1)]
    assert scans > 20
    assert window.process.poll() is None
    assert window.process.pid == own
    wait_until(lambda: size(window)[1:] == before[1:] and size(window)[0] <= before[0], BACK_S, f"as before: {before}")


def _scan(window: WindowUnderTest, number: int, fault: str) -> None:
    """Scan, and wait for the event: nothing that happens to the other device may delay it."""
    began = time.monotonic()
    window.bench.do(f"gun-1 scan SIM-{number:06d}")  # public, so it need not be searched for
    window.tap.wait_events("scanned", number)
    assert time.monotonic() - began < SOON_S, fault


@pytest.mark.slow
@pytest.mark.timeout(LONG_S)
def test_a_flood_delays_nobody_for_long_and_the_daemon_ends_in_time(window: WindowUnderTest, asked: Path) -> None:
    window.device(*GUN)
    window.start()
    ask(asked, "flood")
    window.tap.wait_events("rated", 200)
    for number in range(1, 6):
        _scan(window, number, "flood")
    pid = doll(window)
    began = time.monotonic()
    assert window.stop() == 0
    assert time.monotonic() - began < 1.0 + SOON_S
    wait_until(lambda: not runs(pid), SOON_S, "the driver's process has ended too")


@pytest.mark.slow
def test_a_daemon_that_is_killed_leaves_no_process(window: WindowUnderTest, asked: Path) -> None:
    window.start()
    pid = doll(window)
    ask(asked, "hang_with_everything")
    wait_until(lambda: not asked.exists())
    window.kill()
    wait_until(lambda: not runs(pid), SOON_S, "the driver's process has ended too")
