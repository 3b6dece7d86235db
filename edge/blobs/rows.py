"""The outbox's table of blobs: which there are, how far the broker has taken them, and when they may go."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from edge import logs
from edge.blobs.parts import TAG_BYTES
from edge.store.row_digest import row_digest

SCHEMA = """
CREATE TABLE blob (seq INTEGER PRIMARY KEY, event TEXT NOT NULL, id TEXT NOT NULL UNIQUE, media_type TEXT NOT NULL,
                   size INTEGER NOT NULL, sha256 TEXT NOT NULL, part_size INTEGER NOT NULL, parts INTEGER NOT NULL,
                   sealed INTEGER NOT NULL, taken INTEGER NOT NULL DEFAULT 0, parked TEXT, digest BLOB NOT NULL);
"""
_COLUMNS = "seq, event, id, media_type, size, sha256, part_size, parts, sealed, taken, parked"
_INSERT = "INSERT INTO blob VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, NULL, ?)"
_COLLECT = """DELETE FROM blob WHERE (taken >= parts OR parked IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM event WHERE event.seq = blob.seq) RETURNING id, parked"""
_EVERYTHING = f"SELECT {_COLUMNS}, digest FROM blob"  # noqa: S608  # constants
_COUNT = "SELECT count(*), coalesce(sum(taken < parts AND parked IS NULL), 0), count(parked) FROM blob"
_UNSENT = f"SELECT {_COLUMNS}, digest FROM blob WHERE seq > ? AND taken < parts AND parked IS NULL ORDER BY seq LIMIT ?"  # noqa: S608  # constants

Parked = Literal["refused", "lost"]
_log = logs.get("store")


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """One blob and its event. ``size`` and ``sha256`` are of the plain bytes, ``part_size`` too.

    ``taken``: so many parts, from the first on, the broker surely has. ``parked``: it is not sent any more.
    """

    seq: int
    event: str
    id: str
    media_type: str
    size: int
    sha256: str
    part_size: int
    parts: int
    sealed: bool
    taken: int = 0
    parked: Parked | None = None

    @property
    def stride(self) -> int:
        """The bytes of a full part as it is stored and sent."""
        return self.part_size + (TAG_BYTES if self.sealed else 0)

    @property
    def stored_bytes(self) -> int:
        """The size of its file."""
        return self.size + (self.parts * TAG_BYTES if self.sealed else 0)


class BlobTable:
    """The table inside the store's transactions. Used in the store's thread; others may read the numbers."""

    def __init__(self) -> None:
        self.count = self.waiting = self.parked = 0
        """How many blobs there are, how many the broker has not wholly taken, and how many are not sent any more."""
        self._news = False
        self._gone: list[str] = []

    def load(self, db: sqlite3.Connection) -> None:
        """Drop what is damaged, and count what is there."""
        for row in db.execute(_EVERYTHING).fetchall():
            if _blob(row) is None:
                _log.error("the entry of a blob is damaged: it is dropped", extra={"fields": {"seq": row[0]}})
                db.execute("DELETE FROM blob WHERE seq = ?", (row[0],))
        self.count, self.waiting, self.parked = db.execute(_COUNT).fetchone()

    def mark(self) -> Callable[[], None]:
        """Return what takes back everything that is counted from now on, when the transaction was rolled back."""
        counts, news, gone = (self.count, self.waiting, self.parked), self._news, len(self._gone)

        def back() -> None:
            (self.count, self.waiting, self.parked), self._news = counts, news
            del self._gone[gone:]

        return back

    def insert(self, db: sqlite3.Connection, blobs: Iterable[tuple[int, str, StoredBlob]]) -> None:
        """Add blobs, each with the ``seq`` and the id of its event."""
        for seq, event, blob in blobs:
            plain = (blob.id, blob.media_type, blob.size, blob.sha256, blob.part_size, blob.parts, int(blob.sealed))
            fixed = (seq, event, *plain)
            db.execute(_INSERT, (*fixed, blob_digest(fixed)))
            self.count += 1
            self.waiting += 1
            self._news = True

    def took(self, db: sqlite3.Connection, seq: int, parts: int) -> None:
        """Note that the broker has the first *parts* parts of the blob of the event *seq*."""
        query = "UPDATE blob SET taken = ? WHERE seq = ? AND taken < ? RETURNING taken >= parts"
        for (all_of_it,) in db.execute(query, (parts, seq, parts)).fetchall():
            self.waiting -= all_of_it
        self.collect(db)

    def park(self, db: sqlite3.Connection, seq: int, why: Parked) -> None:
        """Stop sending the blob of the event *seq*."""
        query = "UPDATE blob SET parked = ? WHERE seq = ? AND parked IS NULL RETURNING taken < parts"
        for (waited,) in db.execute(query, (why, seq)).fetchall():
            self.waiting -= waited
            self.parked += 1
        self.collect(db)

    def collect(self, db: sqlite3.Connection) -> None:
        """Delete what nobody needs any more: its event has left, and the broker has it all or will not take it."""
        if self.count:
            gone = db.execute(_COLLECT).fetchall()
            self._gone += [blob for blob, _ in gone]
            self.count -= len(gone)
            self.parked -= sum(parked is not None for _, parked in gone)
            self._news = self._news or bool(gone)

    def told(self) -> list[str] | None:
        """Return which blobs have gone when there is any news since the last call, else ``None``."""
        if not self._news:
            return None
        gone, self._gone, self._news = self._gone, [], False
        return gone


def blob_digest(row: tuple[Any, ...]) -> bytes:
    """Return the check value of a row of the table, over what never changes of it."""
    return row_digest("blob", row[:9])


def unsent(db: sqlite3.Connection, after: int, limit: int) -> list[StoredBlob]:
    """Return up to *limit* blobs that are still to be sent, of events behind *after*, in order."""
    return [blob for row in db.execute(_UNSENT, (after, limit)) if (blob := _blob(row))]


def find(db: sqlite3.Connection, blob: str) -> StoredBlob | None:
    """Return the blob with the id *blob*."""
    row = db.execute(f"{_EVERYTHING} WHERE id = ?", (blob,)).fetchone()
    return None if row is None else _blob(row)


def everything(db: sqlite3.Connection) -> list[StoredBlob]:
    """Return all blobs."""
    return [blob for row in db.execute(_EVERYTHING) if (blob := _blob(row))]


def _blob(row: tuple[Any, ...]) -> StoredBlob | None:
    """Return what *row* says; ``None``: it is damaged."""
    if row[11] != blob_digest(row):
        return None
    seq, event, id_, media_type, size, sha256, part_size, parts, sealed, taken, parked, _ = row
    return StoredBlob(seq, event, id_, media_type, size, sha256, part_size, parts, bool(sealed), taken, parked)
