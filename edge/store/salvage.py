"""How a damaged store is rebuilt: what can be read goes into a new file under the same epoch and the same ``seq``.

Every record is read by itself, straight from the pages, and counts when its check value is right. A ``seq`` that
was given out, is not confirmed and cannot be read becomes a tombstone. Only where nothing at all can be read a new
epoch begins. The damaged file is put aside, never deleted; a kill at any point leaves it, or the finished new one.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge import logs
from edge.blobs.rows import blob_digest
from edge.state_dir import sync_folder
from edge.store.file import (
    Store,
    connect,
    is_damage_at_start,
    kept_epoch,
    make,
    newest_seq,
    next_epoch,
    open_file,
    set_meta,
    why,
)
from edge.store.marks import read_marks
from edge.store.pages import Pages, Record, records
from edge.store.row_digest import row_digest
from edge.store.rows import bury

_MOST_TOMBSTONES = 100_000
_MASTER = ("table", "index")
_KEPT = ("brokered", "age", "expired", "damaged")
"""What the store knows of itself and is only ever raised: of two values that are found the larger one is right."""
_EVENT = """INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (seq) DO UPDATE SET refused = excluded.refused, digest = excluded.digest
    WHERE excluded.refused IS NOT NULL"""
_log = logs.get("store")


def open_store(path: Path, subscribers: Sequence[str] = ()) -> Store:
    """Return the store at *path*, made when there is none, rebuilt when it is damaged.

    Raises ``StoreError`` (written by a newer version), ``OSError`` or ``sqlite3.Error``.
    """
    _finish(path)
    try:
        if not _beside(path, "suspect").exists():
            return open_file(path)
        reason = "it was found at work"
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if not is_damage_at_start(error):
            raise
        reason = why(error)
    _log.error("the store is damaged: what can be read of it is saved", extra={"fields": {"why": reason}})
    _rebuild(path, subscribers)
    _finish(path)
    return open_file(path)


def suspect(path: Path) -> None:
    """Note that the store was found damaged: the next start rebuilds it, even if it cannot see why."""
    with contextlib.suppress(OSError):  # then the next start has to see it
        _beside(path, "suspect").touch()


def _beside(path: Path, name: str) -> Path:
    return path.with_name(f"{path.name}.{name}")


def _finish(path: Path) -> None:
    """Put a rebuilt store in its place."""
    rebuilt = _beside(path, "rebuilt")
    if rebuilt.exists():
        aside = f"{path.name}.damaged-{time.time_ns()}"
        for suffix in ("", "-wal", "-shm"):  # a WAL that stays would be taken for the new store's
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(path.with_name(aside + suffix))
        _beside(path, "suspect").unlink(missing_ok=True)
        sync_folder(path.parent)
        rebuilt.rename(path)
        sync_folder(path.parent)


def _rebuild(path: Path, subscribers: Sequence[str]) -> None:
    """Make the new file beside the damaged one."""
    new = _beside(path, "rebuilding")
    for suffix in ("", "-wal"):
        new.with_name(new.name + suffix).unlink(missing_ok=True)
    db = connect(new)
    try:
        make(db, 0)
        db.execute("BEGIN IMMEDIATE")
        found = _Found(db)
        with contextlib.closing(Pages(path)) as pages:
            records(pages, found.take)
        epoch = found.meta.get("epoch", kept_epoch(path)) if found.count else None
        set_meta(db, "epoch", next_epoch(path) if epoch is None else epoch)
        lost = found.finish(subscribers) if epoch is not None else 0
        db.execute("COMMIT")
    finally:
        db.close()  # which empties its WAL and deletes it
    _log.error("the store was rebuilt", extra={"fields": {"records": found.count, "lost": lost}})
    new.rename(_beside(path, "rebuilt"))
    sync_folder(path.parent)


class _Found:
    """Puts what is found into the new store, inside its transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.count = 0
        """How many records with a check value there are."""
        self.meta: dict[str, int] = {}
        self._db = db
        self._newest_born = 0
        self._sequence = 0
        self._uptos: dict[str, tuple[int, float]] = {}

    def take(self, record: Record, *, guessed: bool) -> bool:
        """Take *record* if it is a row of ours."""
        columns = record.columns
        with contextlib.suppress(TypeError, ValueError):
            if self._checked(record.rowid, columns):
                self.count += 1
                return True
            return not guessed and self._unchecked(columns)
        return False

    def _checked(self, rowid: int, columns: tuple[Any, ...]) -> bool:
        """Take a row that has a check value."""
        row = (rowid, *columns[1:])
        match len(columns):
            case 10 if columns[7] == row_digest("event", row[:7], *row[8:]):
                self._db.execute(_EVENT, row)
                self._newest_born = max(self._newest_born, row[4])
            case 6 if columns[5] == row_digest("tombstone", row[:5]):
                self._db.execute("INSERT OR REPLACE INTO tombstone VALUES (?, ?, ?, ?, ?, ?)", row)
            case 12 if columns[11] == blob_digest(row):
                self._db.execute(f"INSERT OR REPLACE INTO blob VALUES ({', '.join('?' * 12)})", row)  # noqa: S608
            case 5 if columns[4] == row_digest("subscriber", (*columns[:3], acked := _real(columns[3]))):
                self._mark(columns, acked)
            case 3 if columns[2] == row_digest("meta", columns[:2]):
                self.meta[columns[0]] = max(columns[1], self.meta.get(columns[0], 0))
            case _:
                return False
        return True

    def _mark(self, columns: tuple[Any, ...], acked: float | None) -> None:
        """Take what a subscriber has said; of two versions the later one."""
        said = (columns[1], acked or 0.0)
        if said >= self._uptos.get(columns[0], said):
            self._uptos[columns[0]] = said
            self._db.execute("INSERT OR REPLACE INTO subscriber VALUES (?, ?, ?, ?, ?)", columns)

    def _unchecked(self, columns: tuple[Any, ...]) -> bool:
        """Take a row that has no check value; return whether it looks like one of ours."""
        match columns:
            case ["event", int(seq)]:
                self._sequence = seq
            case [str(), int() | float()]:
                self._db.execute("INSERT OR IGNORE INTO nonce VALUES (?, ?)", columns)
            case [str(), int() | float(), None | bytes()]:
                self._db.execute("INSERT OR IGNORE INTO request VALUES (?, ?, ?)", columns)
            case [str(kind), str(), str(), int(), _] if kind in _MASTER:
                pass
            case _:
                return False
        return True

    def finish(self, subscribers: Sequence[str]) -> int:
        """Bury what should be there and is not, and say how far the store had come; return how much was lost."""
        db = self._db
        seen = db.execute("SELECT max(seq) FROM (SELECT seq FROM event UNION ALL SELECT seq FROM tombstone)")
        newest = seen.fetchone()[0] or 0
        uptos = [upto for upto, _ in self._uptos.values()]
        head = newest_seq(self._sequence, [newest, *uptos, self.meta.get("brokered", 0)])
        self.meta["age"] = max(self.meta.get("age", 0), self._newest_born)
        lost = self._lost(subscribers, head)
        for seq in lost:
            bury(db, seq, "damaged", self.meta["age"])
        db.execute("DELETE FROM sqlite_sequence")
        db.execute("INSERT INTO sqlite_sequence VALUES ('event', ?)", (head,))
        self.meta |= {"damaged": self.meta.get("damaged", 0) + len(lost)}
        for key in _KEPT:
            set_meta(db, key, self.meta.get(key, 0))
        return len(lost)

    def _lost(self, subscribers: Sequence[str], head: int) -> list[int]:
        """Return what was given out, is not known to have arrived, and is not there; the newest 100,000 of it."""
        db = self._db
        marks = read_marks(db)
        if subscribers:
            known = [marks[name] for name in subscribers if name in marks]
            upto = min((mark.upto for mark in known), default=0) if len(known) == len(subscribers) else 0
            wanted = [pair for mark in known for pair in mark.missing]
        else:
            upto, wanted = self.meta.get("brokered", 0), []
        there = {seq for (seq,) in db.execute("SELECT seq FROM event UNION SELECT seq FROM tombstone")}
        if not upto and there:
            upto = min(there) - 1  # rows leave in their order: what came before has most likely arrived
        gone = {seq for first, last in wanted for seq in range(max(1, first), min(last, upto) + 1)}
        gone.update(range(max(upto, head - _MOST_TOMBSTONES) + 1, head + 1))
        return sorted(gone - there)[-_MOST_TOMBSTONES:]


def _real(value: float | None) -> float | None:
    """Return what SQLite reads from a REAL column, which it stores as an integer where it is one."""
    return None if value is None else float(value)
