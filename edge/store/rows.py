"""What the outbox keeps of an event: its row while it can be sent, afterwards a tombstone of the same ``seq``."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge import logs
from edge.blobs.rows import BlobTable, StoredBlob
from edge.store.file import get_meta, set_meta
from edge.store.retention import TOMBSTONE_MS, AgeClock, Expiry
from edge.store.row_digest import row_digest
from edge.store.row_keys import KeyLost, RowKeys
from edge.store.tally import SENSITIVE, Tally

Ranges = list[tuple[int, int]]
Reason = Literal["retention", "damaged", "quarantined"]

_COLUMNS = "seq, id, topic, class, born, slot, refused, digest, public, sealed"
_AFTER = f"SELECT {_COLUMNS} FROM event WHERE seq > ? AND refused IS NULL ORDER BY seq LIMIT ?"  # noqa: S608  # constants
_BETWEEN = f"SELECT {_COLUMNS} FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq"  # noqa: S608  # constants
_NEWEST = f"SELECT {_COLUMNS} FROM event ORDER BY seq DESC LIMIT 1"  # noqa: S608  # constants
_INSERT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, NULL, ?, ?, ?)"
_REFUSE = "UPDATE event SET refused = ?, digest = ? WHERE seq = ?"
_GONE = "refused, slot, seq, class >= 3"
_DELETE_TAKEN = f"DELETE FROM event WHERE seq BETWEEN ? AND ? AND refused IS NULL RETURNING {_GONE}"  # noqa: S608  # constants
_DELETE_BETWEEN = f"DELETE FROM event WHERE seq BETWEEN ? AND ? RETURNING {_GONE}"  # noqa: S608  # constants
_TOMBSTONES = "SELECT seq, reason, born, id, type, digest FROM tombstone WHERE seq BETWEEN ? AND ?"
_FORGET = (
    "DELETE FROM tombstone WHERE born <= ? AND seq < (SELECT max(seq) FROM tombstone)"  # the newest tells the head
)
_BURY = "INSERT OR REPLACE INTO tombstone VALUES (?, ?, ?, ?, ?, ?)"
_log = logs.get("store")

CODES = {"STO-122": "an event was damaged on the disk: the back office gets its number and no more"}


@dataclass(frozen=True, slots=True)
class Row:
    """One accepted event. ``topic`` is ``{kind}/{device}/{type}``; the views add their branch."""

    seq: int
    id: str
    topic: str
    class_: int
    public: bytes
    sealed: bytes | None = None
    refused: int | None = None
    """The PUBACK reason for which the broker refused it for good."""
    blob: StoredBlob | None = None
    """When it is new: the blob that is accepted with it."""

    @property
    def type(self) -> str:
        """The event's type as its envelope says, e.g. ``hall.id-card.read.v1``."""
        return _type(self.topic)


@dataclass(frozen=True, slots=True)
class Buried:
    """What is left of an event that can no longer be sent; of a damaged one not even its id is sure."""

    seq: int
    reason: Reason
    id: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in order: all there is from behind ``after`` up to ``upto``."""

    after: int
    rows: list[Row]
    upto: int


@dataclass(slots=True)
class Figures:
    """How many rows there are, how many of them the broker has refused for good, and how many tombstones.

    ``expired`` and ``damaged`` count for as long as the store lives.
    """

    depth: int = 0
    refused: int = 0
    tombstones: int = 0
    expired: int = 0
    damaged: int = 0

    @property
    def kept(self) -> int:
        """How many rows and tombstones there are."""
        return self.depth + self.tombstones


class Rows:
    """Rows and tombstones inside the store's transactions. Used in the store's thread; others may read the figures."""

    def __init__(self, keys: RowKeys, age: AgeClock, blobs: BlobTable) -> None:
        self.figures = Figures()
        self._keys, self._age, self._blobs = keys, age, blobs
        self.tally = Tally(age)

    def load(self, db: sqlite3.Connection) -> None:
        """Count what is there, and destroy the keys that nothing there needs."""
        depth, refused = db.execute("SELECT count(*), count(refused) FROM event").fetchone()
        tombstones = db.execute("SELECT count(*) FROM tombstone").fetchone()[0]
        self.figures = Figures(depth, refused, tombstones, get_meta(db, "expired"), get_meta(db, "damaged"))
        self.tally.load(db)
        self._keys.begin(db.execute("SELECT slot, seq FROM event WHERE slot IS NOT NULL"))
        for row in db.execute(_NEWEST).fetchall():
            if self._good(db, [row]):
                self._age.at_least(row[4])

    def insert(self, db: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """Add *rows*; what is sensitive is stored under a key of its own."""
        born = self._age.now_ms()
        values = []
        for row in rows:
            slot, sealed = None, row.sealed
            if row.class_ >= SENSITIVE and sealed is not None:
                slot, sealed = self._keys.seal(row.seq, row.id, sealed)
            small = (row.seq, row.id, row.topic, row.class_, born, slot)
            values.append((*small, row_digest("event", (*small, None), row.public, sealed), row.public, sealed))
        db.executemany(_INSERT, values)
        self.figures.depth += len(values)
        self.tally.taken(db, rows)
        self._blobs.insert(db, [(row.seq, row.id, row.blob) for row in rows if row.blob is not None])

    def after(self, db: sqlite3.Connection, seq: int, limit: int, head: int) -> Page:
        """Return up to *limit* rows after *seq* that the broker has not refused for good."""
        found = db.execute(_AFTER, (seq, limit)).fetchall()
        return Page(seq, self._good(db, found), found[-1][0] if len(found) == limit else head)

    def between(self, db: sqlite3.Connection, first: int, last: int) -> list[Row]:
        """Return the rows *first* to *last* that are still there, refused ones too."""
        return self._good(db, db.execute(_BETWEEN, (first, last)).fetchall())

    def buried(self, db: sqlite3.Connection, first: int, last: int) -> list[Buried]:
        """Return the tombstones *first* to *last*."""
        return [
            Buried(seq, reason, id_, type_)
            if digest == row_digest("tombstone", (seq, reason, born, id_, type_))
            else Buried(seq, "damaged")
            for seq, reason, born, id_, type_, digest in db.execute(_TOMBSTONES, (first, last))
        ]

    def refuse(self, db: sqlite3.Connection, seq: int, reason: int) -> None:
        """Park the row *seq*."""
        for found in db.execute(_BETWEEN, (seq, seq)).fetchall():
            if self._good(db, [found]) and found[6] is None:
                digest = row_digest("event", (*found[:6], reason), *found[8:])
                db.execute(_REFUSE, (reason, digest, seq))
                self.figures.refused += 1

    def delete(self, db: sqlite3.Connection, first: int, last: int, *, refused_too: bool = True) -> None:
        """Delete rows and tombstones: whoever counts has them, or knows of them."""
        if first > last:
            return
        gone = db.execute(_DELETE_BETWEEN if refused_too else _DELETE_TAKEN, (first, last)).fetchall()
        self._left(db, gone)
        if self.figures.tombstones:
            done = db.execute("DELETE FROM tombstone WHERE seq BETWEEN ? AND ?", (first, last))
            self.figures.tombstones -= done.rowcount

    def expire(self, db: sqlite3.Connection, expiry: Expiry) -> bool:
        """Put tombstones in the place of some rows whose time is over; return whether there are no more for now."""
        now = self._age.now_ms()
        found, all_of_them = expiry.due(db, now)
        for seq in found:
            for row in db.execute(_BETWEEN, (seq, seq)).fetchall():
                if self._good(db, [row]) and expiry.over(row[3], row[4], now):
                    self._bury(db, row, "retention" if row[6] is None else "quarantined")
        return all_of_them

    def forget(self, db: sqlite3.Connection) -> None:
        """Delete tombstones that nobody has asked for in a year."""
        if self.figures.tombstones:
            done = db.execute(_FORGET, (self._age.now_ms() - TOMBSTONE_MS,))
            self.figures.tombstones -= done.rowcount

    def mark(self) -> Callable[[], None]:
        """Return what takes back everything that is counted from now on, when the transaction was rolled back."""
        figures, blobs, keys, tally = self._copied(), self._blobs.mark(), self._keys.mark(), self.tally.mark()

        def back() -> None:
            self.figures = figures
            blobs()
            tally()
            self._keys.rolled_back(keys)

        return back

    def _copied(self) -> Figures:
        now = self.figures  # dataclasses.replace takes 4 us, and every transaction begins with it
        return Figures(now.depth, now.refused, now.tombstones, now.expired, now.damaged)

    def _good(self, db: sqlite3.Connection, found: Iterable[tuple[Any, ...]]) -> list[Row]:
        """Return those of *found* that are what was written, opened; what is damaged gets a tombstone."""
        rows = []
        for columns in found:
            seq, id_, topic, class_, _, slot, refused, digest, public, sealed = columns
            try:
                if digest != row_digest("event", columns[:7], public, sealed):
                    raise KeyLost("the row is damaged")
                opened = sealed if slot is None else self._keys.opened(slot, seq, id_, sealed)
            except (KeyLost, TypeError) as error:  # TypeError: what should be bytes is a number now
                what = str(error) if isinstance(error, KeyLost) else "the row is damaged"
                _log.error(what, extra={"fields": {"seq": seq, "code": "STO-122"}})
                self._bury(db, columns, "damaged")
            else:
                rows.append(Row(seq, id_, topic, class_, public, opened, refused))
        return rows

    def _bury(self, db: sqlite3.Connection, row: tuple[Any, ...], reason: Reason) -> None:
        """Put a tombstone in the place of *row*."""
        seq = row[0]
        self._left(db, db.execute(_DELETE_BETWEEN, (seq, seq)).fetchall())
        known = (None, None) if reason == "damaged" else (row[1], _type(row[2]))
        bury(db, seq, reason, self._age.now_ms(), *known)
        self.figures.tombstones += 1
        if reason == "damaged":
            self.figures.damaged += 1
            set_meta(db, "damaged", self.figures.damaged)
        else:
            self.figures.expired += 1
            set_meta(db, "expired", self.figures.expired)
        self._blobs.park(db, seq, "lost")

    def _left(self, db: sqlite3.Connection, gone: Sequence[tuple[int | None, int | None, int, int]]) -> None:
        """Count rows that have been deleted, and what hangs on them."""
        if gone:
            self.figures.depth -= len(gone)
            self.figures.refused -= sum(refused is not None for refused, *_ in gone)
            self._keys.release((slot, seq) for _, slot, seq, _ in gone)
            self.tally.left(sum(sensitive for *_, sensitive in gone))
            self._blobs.collect(db)


def _type(topic: str) -> str:
    kind, _, event = topic.split("/")
    return f"hall.{kind}.{event}.v1"


def bury(
    db: sqlite3.Connection, seq: int, reason: Reason, born: int, id_: str | None = None, type_: str | None = None
) -> None:
    """Write a tombstone."""
    small = (seq, reason, born, id_, type_)
    db.execute(_BURY, (*small, row_digest("tombstone", small)))
