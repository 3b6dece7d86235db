"""The outbox's file: damage, newer formats, epochs, a full disk, kill -9."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from pathlib import Path

import pytest

from edge.errors import StoreError
from edge.store.file import Damaged
from edge.store.outbox import Buried, Row
from edge.store.row_digest import row_digest
from tests.core.store_rig import Desk, child, opened

KILLS = 50
LEAF = 0x0D  # first byte of a page of rows (SQLite's file format)
WRITER = """
import sys
from pathlib import Path
from tests.core.store_rig import opened
with opened(Path(sys.argv[1])) as desk:
    while True:
        print(*desk.commit("a", "b", "c"), flush=True)
"""
FILLER = """
import json, resource, signal, sys, threading
from pathlib import Path
from edge.errors import StoreError
from edge.store.outbox import Buried, Row
from edge.store.row_digest import row_digest
from edge.store.file import Damaged
from tests.core.store_rig import Desk
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
desk = Desk(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
done, errors = [], []
def work():
    try:
        while True:
            done.append(desk.commit("x" * 3000, "y" * 3000))
    except StoreError as error:
        errors.append(error.code)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
try:
    desk.commit("late")
except StoreError as error:
    errors.append(error.code)
print(json.dumps({"done": done, "errors": errors, "failures": [str(error) for error in desk.failures]}))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def aside(path: Path) -> list[Path]:
    return [found for found in path.parent.glob("outbox.db.damaged-*") if found.suffix not in (".db-wal", ".db-shm")]


# --- kill and full disk --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_commit_that_returned_survives_kill_9(path: Path) -> None:
    moments = random.Random(7)
    known = 0
    for _ in range(KILLS):
        with child(WRITER, path) as writer:
            assert writer.stdout is not None
            for _ in range(moments.randrange(1, 30)):
                writer.stdout.readline()
            writer.kill()
            rest = writer.stdout.read()
        last = max([known, *(int(line.split()[2]) for line in rest.splitlines(keepends=True) if line.endswith("\n"))])
        with opened(path) as desk:
            assert desk.seqs() == list(range(1, desk.outbox.head + 1))
            assert desk.outbox.head >= last
            assert desk.outbox.head % 3 == 0  # three drafts in one commit: all or none
            known = desk.outbox.head
    assert known > KILLS


def test_a_full_disk_is_told_to_everybody_and_nothing_is_half(path: Path) -> None:
    with child(FILLER, path, 500_000) as filler:
        told, complaints = filler.communicate(timeout=30)
    assert not complaints
    outcome = json.loads(told)
    assert outcome["errors"] == ["STO-100"] * 9
    assert len(outcome["failures"]) == 1
    assert "SQLITE_" in outcome["failures"][0]
    with opened(path) as desk:
        kept = {row.seq: row.public[:1] for row in desk.outbox.between(1, 1 << 40).result()}
        assert len(outcome["done"]) > 10
        assert {seq for pair in outcome["done"] for seq in pair} <= kept.keys()
        assert list(kept) == list(range(1, len(kept) + 1))
        assert list(kept.values()) == [b"x", b"y"] * (len(kept) // 2)
        assert desk.commit("it goes on") == [len(kept) + 1]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="STO-101"):
        Desk(tmp_path / "nowhere" / "outbox.db")


# --- damage --------------------------------------------------------------------------------------


def test_a_file_that_is_no_store_is_put_aside(path: Path) -> None:
    path.write_bytes(b"this is no SQLite file" * 1000)
    with opened(path) as desk:
        assert desk.commit("a") == [1]
    assert [file.read_bytes()[:12] for file in aside(path)] == [b"this is no S"]


def test_the_epoch_grows_with_every_new_store_even_with_a_wrong_clock(path: Path) -> None:
    epochs = []
    for _ in range(3):
        with opened(path) as desk:
            epochs.append(desk.outbox.epoch)
        path.write_bytes(b"damaged" * 1000)
    assert epochs == sorted(set(epochs))
    path.with_name("epoch").write_text("2000000000", encoding="ascii")  # the clock was far ahead once
    with opened(path) as desk:
        assert desk.outbox.epoch == 2_000_000_001
    assert len(aside(path)) == 3


def test_the_epoch_stays_when_the_store_does(path: Path) -> None:
    with opened(path) as desk:
        epoch = desk.outbox.epoch
    assert epoch > (time.time() - 1_577_836_800) - 100
    path.with_name("epoch").unlink()
    with opened(path) as desk:
        assert desk.outbox.epoch == epoch
    assert path.with_name("epoch").read_text(encoding="ascii") == str(epoch)


def damaged(path: Path, *, leaves: bool) -> int:
    """Make a store, spoil its second half (its leaf pages, or what is too long for them), and return its epoch."""
    with opened(path, "office") as desk:
        desk.commit(*("x" * 30_000 for _ in range(50)))
        epoch = desk.outbox.epoch
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 8192 * 4096, len(data), 4096):
        if (data[place] == LEAF) == leaves:
            data[place : place + 4] = b"\xff" * 4
    path.write_bytes(data)
    return epoch


def test_what_is_lost_with_its_pages_is_named_and_the_rest_is_kept(path: Path) -> None:
    epoch = damaged(path, leaves=False)  # what is too long for the leaves
    with opened(path, "office") as desk:
        assert desk.outbox.epoch == epoch
        known = desk.outbox.known(1, 50).result()
        assert sorted(known) == list(range(1, 51))
        lost = [seq for seq, one in known.items() if isinstance(one, Buried)]
        assert 10 < len(lost) < 40
        assert {one.reason for one in known.values() if isinstance(one, Buried)} == {"damaged"}
        assert desk.outbox.figures.damaged == len(lost)
        assert all(row.public == b"x" * 30_000 for row in known.values() if isinstance(row, Row))
        assert desk.commit("a") == [51]
    assert len(aside(path)) == 1


def test_rows_are_found_though_the_list_of_them_is_damaged(path: Path) -> None:
    epoch = damaged(path, leaves=True)
    with opened(path, "office") as desk:
        assert desk.outbox.epoch == epoch
        assert desk.seqs() == list(range(1, 51))
        assert desk.outbox.figures.damaged == 0
    assert len(aside(path)) == 1


def test_damage_found_at_work_ends_the_daemon_once_and_not_again(path: Path) -> None:
    """Else the daemon would start, find it, end, and start again for ever."""
    desk = Desk(path, ["office"])
    desk.commit("a", "b")
    epoch = desk.outbox.epoch
    with pytest.raises(StoreError, match="damaged: a test"):
        desk.outbox.call(_spoil).result()
    assert len(desk.failures) == 1
    desk.outbox.close()
    with opened(path, "office") as desk:
        assert len(aside(path)) == 1
        assert desk.outbox.epoch == epoch
        assert desk.seqs() == [1, 2]
    with opened(path, "office") as desk:
        assert len(aside(path)) == 1
        assert desk.commit("c") == [3]


def _spoil(_db: sqlite3.Connection) -> None:
    raise Damaged("a test")


def test_a_store_of_a_newer_version_is_refused_and_not_changed(path: Path) -> None:
    with opened(path) as desk:
        desk.commit("a")
    db = sqlite3.connect(path)
    db.execute("UPDATE meta SET value = 4, digest = ? WHERE key = 'format'", (row_digest("meta", ("format", 4)),))
    db.execute("PRAGMA user_version = 4")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"STO-103: .*format 4"):
        Desk(path)
    assert path.read_bytes() == before
    assert not aside(path)


def test_a_store_whose_making_was_cut_off_is_made(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    with opened(path) as desk:
        assert desk.outbox.epoch > 0
        assert desk.commit("a") == [1]


def test_the_file_is_written_as_promised(path: Path) -> None:
    with opened(path) as desk:
        modes = desk.outbox.call(
            lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
        )
        assert modes.result() == ["wal", 2]
        assert not path.with_name("outbox.db-shm").exists()
        assert not path.with_name("keys.bin").exists()  # nothing was sensitive
        files = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert files == {"outbox.db": 0o600, "outbox.db-wal": 0o600, "epoch": 0o600}
