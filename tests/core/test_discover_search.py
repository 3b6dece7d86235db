"""Searches of drivers: side by side, in processes of their own, with an end."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import pytest

from edge.plugging.plugged import Offer
from edge.registry import Registry
from edge.tools.discover import command, searching
from edge.tools.discover.searching import search, searchers
from edge.tools.discover.things import Note, Proposal

PACKAGE = "far-drivers"
DRIVER = """
import os, sys, time
from edge.driver import DeviceInfo, Driver, Settings
from edge.plugging.plugged import Offer

class Far(Driver):
    kind = "scanner"
    settings_type = Settings
    search_is_slow = {slow}

    def open(self):
        return DeviceInfo()

    def poll(self, wait_s):
        return []

    def close(self):
        pass

    @classmethod
    def search(cls, wait_s):
        {body}
"""
BODIES = {
    "good": 'print("a library says something"); return [Offer("tcp://192.0.2.9:1", f"Far {wait_s:g}", {"a": 1})]',
    "hung": "time.sleep(600)",
    "forked": "os.fork(); time.sleep(600)",
    "bug": 'raise ValueError("000000199001010006")',
    "dead": "os.kill(os.getpid(), 9)",
    "loud": 'os.write(2, b"x" * 5_000_000); return []',
    "many": 'return [Offer("tcp://192.0.2.9:1", "x")] * 1000',
    "slow": 'return [Offer("tcp://192.0.2.9:2", "slow")]',
}


@pytest.fixture(autouse=True)
def _far_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package of drivers that search."""
    info = tmp_path / "far_drivers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n")
    points = [f"far_{name} = far_{name}:Far" for name in BODIES]
    (info / "entry_points.txt").write_text("\n".join(["[hall_edge.drivers]", *points]) + "\n")
    for name, body in BODIES.items():
        (tmp_path / f"far_{name}.py").write_text(DRIVER.format(body=body, slow=name == "slow"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(searching, "GRACE_S", 2.0)


def test_only_drivers_that_search_are_asked_and_slow_ones_on_demand() -> None:
    registry = Registry([PACKAGE])
    drivers = {name: registry.load(name) for name in ("code_serial", "far_good", "far_slow")}
    assert searchers(drivers, network=False) == ["far_good"]
    assert searchers(drivers, network=True) == ["far_good", "far_slow"]


@pytest.mark.slow
async def test_what_hangs_or_fails_holds_up_nobody() -> None:
    began = time.monotonic()
    found, notes = await search([f"far_{name}" for name in BODIES], 0.5, [PACKAGE])
    assert time.monotonic() - began < 8
    assert found[0] == Proposal("far_good", Offer("tcp://192.0.2.9:1", "Far 0.5", {"a": 1}))
    assert [one.driver for one in found].count("far_many") == 64
    assert notes == [
        Note("search-hung", "far_hung", "2"),
        Note("search-hung", "far_forked", "2"),
        Note("search-failed", "far_bug"),
        Note("search-failed", "far_dead"),
    ]


def discover(*arguments: str) -> int:
    """Run the verb here, so that its patience is the test's."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(["--lang", "en", *arguments]))


@pytest.mark.slow
def test_the_command_marks_what_it_could_not_find_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "hall-edge.toml"
    config.write_text(
        f'[window]\nhall = "h"\nwindow = "w"\nallow_drivers = ["{PACKAGE}"]\n[mqtt]\nurl = "mqtt://localhost"\n'
        '[[device]]\nname = "far-1"\ndriver = "far_good"\naddress = "tcp://192.0.2.9:1"\n'
    )
    monkeypatch.setattr(command, "_WAIT_S", (0.5, 0.5))
    assert discover("--config", str(config)) == 0
    told = capsys.readouterr()
    assert "Far 0.5: configured as far-1" in told.out
    assert "[WARN] the search of driver far_hung did not end within 2 s" in told.out
    assert "searching: far_good" in told.err
    assert "far_slow" not in told.err
    assert "[SKIP] devices of driver far_slow were not searched for: add --network" in told.out
    assert "000000199001010006" not in told.out + told.err


@pytest.mark.parametrize("content", ["[window]\n", None])
def test_a_configuration_that_cannot_be_used_is_told_and_the_rest_is_listed(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "hall-edge.toml"
    if content is not None:
        config.write_text(content)
    monkeypatch.setattr(command, "searchers", lambda *_, **__: [])
    assert discover("--config", str(config)) == 5
    assert f"[WARN] {config} cannot be used (CFG-1" in capsys.readouterr().out


def test_json_is_one_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "searchers", lambda *_, **__: [])
    assert discover("--json") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "hall-edge.discover/1"
