"""kill -9 of a process that writes: at every call that a commit makes, and at any time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.disk.shim import child, report_of
from tests.support.tiers import evidence, tiers

SCRIPT = 200


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("how", "least"),
    [
        pytest.param("boundaries", 500, id="short", marks=pytest.mark.slow),
        pytest.param("calls", 1500, id="long", marks=pytest.mark.long),
    ],
)
def test_a_kill_at_every_commit_boundary_loses_nothing(
    disk_shim: Path, memory_path: Path, how: str, least: int
) -> None:
    """Each of 200 events is killed on its way, is tried again, and is killed once it is accepted."""
    with child(disk_shim, "killing", memory_path, how, SCRIPT, 1) as process:
        report = report_of(process, 580)
    evidence("kills-at-commits", trials=report["kills"], failures=len(report["wrong"]), accepted=report["accepted"])
    assert report["wrong"] == []
    assert report["accepted"] >= SCRIPT
    assert report["kills"] > least


@pytest.mark.parametrize("kills", tiers(short=1000, long=10_000, short_timeout_s=600))
def test_a_kill_at_any_time_loses_nothing(disk_shim: Path, memory_path: Path, kills: int) -> None:
    with child(disk_shim, "killing", memory_path, "random", kills, kills) as process:
        report = report_of(process, kills * 0.35)
    evidence("kills-at-random", trials=report["kills"], failures=len(report["wrong"]), accepted=report["accepted"])
    assert report["wrong"] == []
    assert report["kills"] == kills
    assert report["accepted"] > kills
