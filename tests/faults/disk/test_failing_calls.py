"""Every call of a store to its disk fails once: no space, broken, read-only, half written, not synced.

Never a silent loss (a commit has raised, or its event is there), never a crash, never an answer that does not come;
after a sync that failed no success is told that a power cut could take back; and where there was only no room, events
are taken again without a new start once there is.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.disk.shim import Calls, child, report_of
from tests.faults.disk.troubles import TROUBLES
from tests.support.tiers import evidence

LEAST_CALLS, LEAST_SYNCS = 50, 8
MOST_OPENINGS = 15
"""So many of the calls at most belong to opening the store: without room it does not open, and says so."""


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", TROUBLES)
def test_no_failing_call_loses_anything(disk_shim: Path, memory_path: Path, name: str) -> None:
    with child(disk_shim, "failing", memory_path, name) as process:
        report = report_of(process, 170)
    evidence(f"disk-{name}", trials=report["runs"], failures=len(report["wrong"]), cuts_behind_it=report["cuts"])
    trouble = TROUBLES[name]
    assert report["wrong"] == []
    assert report["runs"] >= (LEAST_SYNCS if trouble.calls == Calls.SYNC else LEAST_CALLS)
    if trouble.calls == Calls.SYNC:
        assert report["cuts"] > 10 * LEAST_SYNCS
    if trouble.passes:
        assert report["runs"] - report["survived"] <= MOST_OPENINGS
