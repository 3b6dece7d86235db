"""Stores of older versions: they open with all that is in them, and a migration that is cut or killed loses nothing.

``golden/format-{n}`` was written by the version of that format: rows refused, confirmed, missing, personal, blobs,
requests; half of it still in the write-ahead log, as a process leaves it that was killed.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.store.file import set_meta
from tests.faults.disk.cuts import Before, Cuts, cut_everywhere
from tests.faults.disk.image import lay_out, taken
from tests.faults.disk.journal import records
from tests.faults.disk.migrating import FORMATS, golden, kept
from tests.faults.disk.rig import Store
from tests.faults.disk.shim import child, done, report_of
from tests.faults.disk.truth import problems
from tests.support.tiers import evidence, tiers


@pytest.mark.parametrize("format_", FORMATS)
def test_an_older_store_opens_with_all_that_is_in_it(tmp_path: Path, format_: int) -> None:
    image, truth = golden(format_)
    lay_out(image, tmp_path)
    assert len(truth.accepted) > 15
    assert problems(tmp_path, truth, more=kept) == []
    assert problems(tmp_path, golden(format_)[1]) == [f"seq {truth.head + 1} was never given"]  # the one just accepted


@pytest.mark.parametrize("cuts_in_all", tiers(short=200, long=1000, short_timeout_s=180))
def test_a_power_cut_in_a_migration_loses_nothing(disk_shim: Path, tmp_path: Path, cuts_in_all: int) -> None:
    cuts = Cuts()
    for format_ in FORMATS:
        folder = tmp_path / str(format_)
        shutil.copytree(Path(__file__).with_name("golden") / f"format-{format_}", folder / "state")
        with child(disk_shim, "migrating", folder) as process:
            done(process)
        image, truth = golden(format_)
        steps = records(folder / "log")
        cuts.add(
            cut_everywhere(steps, folder / "state", format_, cuts_in_all // len(FORMATS), Before(image, truth, kept))
        )
    evidence("cuts-in-migrations", trials=cuts.count, failures=len(cuts.failures))
    assert cuts.failures == []
    assert cuts.count == cuts_in_all


@pytest.mark.parametrize("kills", tiers(short=40, long=1000, timeout_s=600, short_timeout_s=300))
def test_a_kill_in_a_migration_loses_nothing(disk_shim: Path, memory_path: Path, kills: int) -> None:
    killed, wrong = 0, []
    for format_ in FORMATS:
        with child(disk_shim, "migrating", memory_path, format_, kills // len(FORMATS)) as process:
            report = report_of(process, 280)
        killed += report["kills"]
        wrong += report["wrong"]
    evidence("kills-in-migrations", trials=killed, failures=len(wrong))
    assert wrong == []
    assert killed == kills


def test_a_newer_store_is_refused_and_not_touched(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as db:
        set_meta(db, "format", 99)
        db.execute("PRAGMA user_version = 99")
        db.commit()
    before = taken(tmp_path)
    with pytest.raises(StoreError, match=r"STO-103: .*format 99"):
        Store(tmp_path)
    after = taken(tmp_path)
    before.pop("lock"), after.pop("lock")
    assert after == before
