"""Stores of older formats: they open, nothing in them is lost, and a kill at any point of that changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.blobs import rows as blob_rows
from edge.errors import StoreError
from edge.store import file as store
from edge.store.file import FORMAT, connect, open_file
from tests.core.store_rig import opened

EPOCH = 12_345
HEAD = 70
ONE = """
CREATE TABLE event (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, topic TEXT NOT NULL,
                    class INTEGER NOT NULL, accepted REAL NOT NULL, public BLOB NOT NULL, sealed BLOB,
                    refused INTEGER);
CREATE TABLE subscriber (name TEXT PRIMARY KEY, upto INTEGER NOT NULL, missing TEXT NOT NULL, acked REAL);
CREATE TABLE request (id TEXT PRIMARY KEY, received REAL NOT NULL, completion BLOB);
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
BLOBS = """
CREATE TABLE blob (seq INTEGER PRIMARY KEY, event TEXT NOT NULL, id TEXT NOT NULL UNIQUE, media_type TEXT NOT NULL,
                   size INTEGER NOT NULL, sha256 TEXT NOT NULL, part_size INTEGER NOT NULL, parts INTEGER NOT NULL,
                   sealed INTEGER NOT NULL, taken INTEGER NOT NULL DEFAULT 0, parked TEXT);
"""
BLOB = (30, "id-30", "blob-30", "image/jpeg", 100_000, "0" * 64, 65_536, 2, 1, 1, None)


def make_old(path: Path, version: int) -> None:
    """Write a store as an older version did, with events 11 to 60 of 70 still in it."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(ONE + (BLOBS if version > 1 else "") + f"PRAGMA user_version = {version}")
    for seq in (*range(11, 61), HEAD):
        sealed = (
            b"sealed" * 700 if seq % 5 == 0 else None
        )  # of class 3, as they were: sealed, without a key of their own
        row = (seq, f"id-{seq}", "id-card/id-1/read", 3 if sealed else 1, 1.7e9, b"body" * seq, sealed)
        db.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, 0x87 if seq == 20 else None))
    db.execute("DELETE FROM event WHERE seq = ?", (HEAD,))
    db.execute("INSERT INTO subscriber VALUES ('office', 15, '[[11, 12]]', 1700000000.0)")
    db.execute("INSERT INTO request VALUES ('asked', 1.7e9, x'7b7d')")
    db.execute("INSERT INTO meta VALUES ('epoch', ?), ('brokered', 60)", (EPOCH,))
    if version > 1:
        db.execute(f"INSERT INTO blob VALUES ({', '.join('?' * 11)})", BLOB)  # noqa: S608  # question marks
    db.close()


def check(path: Path, version: int) -> None:
    """Look at everything in the store at *path* that was in :func:`make_old`'s."""
    with opened(path, "office") as desk:
        outbox = desk.outbox
        assert (outbox.epoch, outbox.head, outbox.brokered) == (EPOCH, HEAD, 60)
        rows = outbox.between(0, 99).result()
        assert [row.seq for row in rows] == list(range(11, 61))
        for row in rows:
            sealed = b"sealed" * 700 if row.seq % 5 == 0 else None
            assert (row.id, row.topic, row.public, row.sealed) == (
                f"id-{row.seq}", "id-card/id-1/read", b"body" * row.seq, sealed,
            )  # fmt: skip
        assert [row.seq for row in rows if row.refused is not None] == [20]
        assert (outbox.depth, outbox.refused) == (50, 1)
        blobs = outbox.call(blob_rows.everything).result()
        assert [(blob.id, blob.taken, blob.sealed) for blob in blobs] == [("blob-30", 1, True)] * (version > 1)
        assert outbox.call(lambda db: db.execute("SELECT id, completion FROM request").fetchall()).result() == [
            ("asked", b"{}")
        ]
        outbox.confirm("office", 10, []).result()  # an old message: more is known of it
        assert desk.seqs() == [11, 12, *range(16, 61)]
        assert desk.commit("new") == [HEAD + 1]


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_store_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    path = tmp_path / "outbox.db"
    make_old(path, version)
    check(path, version)
    with opened(path, "office") as desk:
        assert desk.outbox.call(lambda db: db.execute("PRAGMA user_version").fetchone()[0]).result() == FORMAT
        assert desk.seqs() == [11, 12, *range(16, 61), HEAD + 1]
    assert not [*tmp_path.glob("*damaged*")]


@pytest.mark.parametrize("version", [1, 2])
def test_a_kill_at_any_statement_of_it_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    path = tmp_path / "outbox.db"
    make_old(path, version)
    taken: list[Path] = []

    def traced(file: Path) -> sqlite3.Connection:
        db = connect(file)
        db.execute("PRAGMA cache_size = 2")  # pages: so that much of the transaction is in the WAL before its end
        db.set_trace_callback(_photographer(path, tmp_path, taken))
        return db

    with monkeypatch.context() as patch:
        patch.setattr(store, "connect", traced)
        open_file(path).db.close()
    assert len(taken) > 60
    for copy in taken[:: max(1, len(taken) // 40)]:
        check(copy, version)


def _photographer(path: Path, folder: Path, taken: list[Path]) -> Callable[[str], None]:
    """Return what copies the files as a kill would leave them, before each statement."""

    def photograph(_statement: str) -> None:
        copy = folder / str(len(taken)) / path.name
        copy.parent.mkdir()
        for suffix in ("", "-wal"):
            if (file := path.with_name(path.name + suffix)).exists():
                copy.with_name(path.name + suffix).write_bytes(file.read_bytes())
        taken.append(copy)

    return photograph


@pytest.mark.parametrize("version", [-1, 4, 99])
def test_a_format_that_is_not_known_is_left_alone(tmp_path: Path, version: int) -> None:
    path = tmp_path / "outbox.db"
    make_old(path, 2)
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()
    if version < 0:  # no version of ours: damage, and nothing in it has a check value
        with opened(path) as desk:
            assert desk.outbox.epoch > EPOCH
        assert len([*tmp_path.glob("*damaged*")]) == 1
    else:
        with pytest.raises(StoreError, match="STO-103"), opened(path):
            pass
