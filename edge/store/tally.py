"""How much of people's data this PC has taken today, and keeps: figures, and nothing that says of whom."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from edge.store.file import get_meta, set_meta
from edge.store.retention import AgeClock

if TYPE_CHECKING:
    from edge.store.rows import Row

SENSITIVE = 3
"""The class of what says who somebody is."""
_READ = "/read"
_META, _DAY = "reads", 1_000_000
"""One number in the store: the day, and how many reads there were on it."""
_OLDEST = "SELECT seq, born FROM event WHERE seq >= ? AND class >= 3 ORDER BY seq LIMIT 1"


def _today() -> int:
    """Return the number of the day on the clock of this PC."""
    return datetime.now(UTC).astimezone().toordinal()


class Privacy(NamedTuple):
    """What a person may ask about this PC."""

    full_reads_today: int
    """Reads of a card or document that gave personal data."""
    sensitive_kept: int
    sensitive_oldest_s: float | None


class Tally:
    """Counts. Used in the store's thread, inside its transactions."""

    def __init__(self, age: AgeClock, today: Callable[[], int] = _today) -> None:
        self._age, self._today = age, today
        self._kept = 0
        self._day = self._reads = 0
        self._oldest = 0  # no sensitive row has a smaller number

    def load(self, db: sqlite3.Connection) -> None:
        """Count what is there."""
        self._kept = db.execute("SELECT count(*) FROM event WHERE class >= 3").fetchone()[0]
        self._day, self._reads = divmod(get_meta(db, _META), _DAY)

    def taken(self, db: sqlite3.Connection, rows: Sequence[Row]) -> None:
        """Count new *rows*."""
        sensitive = [row for row in rows if row.class_ >= SENSITIVE]
        self._kept += len(sensitive)
        if reads := sum(row.topic.endswith(_READ) for row in sensitive):
            self._turn()
            self._reads += reads
            set_meta(db, _META, self._day * _DAY + self._reads)

    def left(self, sensitive: int) -> None:
        """Hear that so many rows have been deleted."""
        self._kept -= sensitive

    def mark(self) -> Callable[[], None]:
        """Return what takes back everything from now on, when the transaction was rolled back."""
        kept, day, reads, oldest = self._kept, self._day, self._reads, self._oldest

        def back() -> None:
            self._kept, self._day, self._reads, self._oldest = kept, day, reads, oldest

        return back

    def privacy(self, db: sqlite3.Connection) -> Privacy:
        """Return the figures of now; looks at each row at most once, however often it is asked."""
        self._turn()
        found = db.execute(_OLDEST, (self._oldest,)).fetchone() if self._kept else None
        if found is None:
            return Privacy(self._reads, self._kept, None)
        self._oldest = found[0]
        return Privacy(self._reads, self._kept, round(max(0, self._age.now_ms() - int(found[1])) / 1000, 1))

    def _turn(self) -> None:
        """Begin to count anew on another day."""
        if (today := self._today()) != self._day:
            self._day, self._reads = today, 0
