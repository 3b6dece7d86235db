"""Power cuts at every point of what a window does to its disk: nothing accepted is lost, nothing needs repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.disk.cuts import Cuts, cut_everywhere
from tests.faults.disk.journal import records
from tests.faults.disk.shim import child, done
from tests.support.tiers import evidence, tiers

CUTS_A_SCRIPT = 1000
STEPS = 60
"""They make 700 to 1,000 steps of the disk's log: each of them is a cut, and some are more than one."""
CHECKPOINTS = (20, 5, 100, 1000)
"""Pages after which SQLite copies its log into the file; 1000 is what runs in a hall."""


def worked(library: Path, folder: Path, seed: int, *, steps: int = STEPS, lax: str = "no") -> None:
    """Let the workload run in ``folder/{seed}``."""
    checkpoint = CHECKPOINTS[seed % len(CHECKPOINTS)]
    with child(library, "workload", folder, steps, checkpoint, lax, seed) as process:
        done(process)


def cut(folder: Path, seed: int, most: int) -> Cuts:
    return cut_everywhere(records(folder / str(seed) / "log"), folder / str(seed) / "state", seed, most)


@pytest.mark.parametrize("trials", tiers(short=1000, long=10_000, short_timeout_s=180))
def test_no_power_cut_loses_anything(disk_shim: Path, tmp_path: Path, trials: int) -> None:
    """The model of a disk and what it leaves out stand in ``image.py``."""
    cuts, scripts = Cuts(), trials // CUTS_A_SCRIPT
    for seed in range(scripts):
        worked(disk_shim, tmp_path, seed)
        cuts.add(cut(tmp_path, seed, CUTS_A_SCRIPT))
    evidence("power-cuts", trials=cuts.count, failures=len(cuts.failures), scripts=scripts, accepted=cuts.accepted)
    assert cuts.failures == []
    assert cuts.count == trials
    assert cuts.accepted > 40 * scripts


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("lax", "what"), [("commits", "is lost"), ("names", "blob of seq")], ids=["a lax SQLite", "folders never synced"]
)
def test_the_bench_finds_what_a_careless_store_loses(disk_shim: Path, tmp_path: Path, lax: str, what: str) -> None:
    worked(disk_shim, tmp_path, 3, steps=15, lax=lax)
    failures = cut(tmp_path, 3, 40).failures
    assert len(failures) > 2
    assert any(what in failure for failure in failures)
