"""What the store does when nobody asks: ends what has expired, empties the WAL, makes keys. In small pieces."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

from edge.store.retention import AgeClock, Expiry, Kept
from edge.store.room import NotTaken
from edge.store.row_keys import RowKeys
from edge.store.rows import Rows
from edge.store.tasks import ran_out

SWEEP_S = 60.0
"""So often expired rows are looked for."""
QUIET_S = 60.0
"""After so long without a write the WAL is emptied: what it repeats of rows that were deleted goes with it.

Not much sooner: a commit that makes an emptied WAL grow again takes twice as long as one in a WAL that is there.
"""
LONGEST_S = 600.0
"""And after so long in any case."""
_AGAIN_S = 5.0
"""So soon after it found the disk full a thing is tried again."""
_SOON_S = 1.0
"""So soon after a transaction did the WAL is emptied."""
_FORGET_S = 3600.0

Work = Callable[[sqlite3.Connection], None]


class Upkeep:
    """Used in the store's thread."""

    def __init__(
        self, rows: Rows, keys: RowKeys, age: AgeClock, kept: Kept, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rows, self._keys, self._age, self._clock = rows, keys, age, clock
        self._expiry = Expiry(kept)
        self._sweep_at = self._forget_at = clock()
        self._changes = 0
        self._quiet_at: float | None = None
        """When the WAL is to be emptied; ``None``: there is nothing in it."""
        self._full_from = 0.0
        self._busy = False
        self._keys_at = float("-inf")

    def rest_s(self, wait_s: float | None = None) -> float:
        """Return how long the store may wait for somebody to ask for something."""
        now = self._clock()
        times = [self._sweep_at]
        if self._quiet_at is not None:
            times.append(self._quiet_at)
        if self._keys.low:
            times.append(self._keys_at)
        return max(0.0, min(*times, now + (SWEEP_S if wait_s is None else wait_s)) - now)

    def wrote(self, db: sqlite3.Connection) -> None:
        """Hear of a transaction."""
        if db.total_changes != self._changes:
            self._changes = db.total_changes
            now = self._clock()
            if self._quiet_at is None:
                self._full_from = now
            self._quiet_at = min(now + QUIET_S, self._full_from + LONGEST_S)

    def due(self) -> Work | None:
        """Return what is to be done in a transaction of its own now."""
        if self._clock() < self._sweep_at:
            return None
        self._sweep_at = self._clock() + SWEEP_S
        return self._sweep_again

    def _sweep_again(self, db: sqlite3.Connection) -> None:
        if not self.sweep(db):
            self._sweep_at = self._clock()  # the next piece, behind whoever waits

    def sweep(self, db: sqlite3.Connection) -> bool:
        """Note the age, and end some of what has expired; return whether that is all for now."""
        if not self._busy and self._rows.figures.kept:
            self._age.keep(db)
        if self._clock() >= self._forget_at:
            self._forget_at = self._clock() + _FORGET_S
            self._rows.forget(db)
        self._busy = not self._rows.expire(db, self._expiry)
        return not self._busy

    def keep_for(self, kept: Kept) -> None:
        """Keep rows for as long as *kept* says from now on, also those that are there."""
        self._expiry = Expiry(kept)
        self._sweep_at = self._clock()

    def taken_back(self) -> None:
        """Hear that a transaction was taken back: perhaps it had a piece of work of ours in it."""
        self._expiry.restart()
        self._busy = False

    def short_of_room(self) -> None:
        """Hear that the disk is full: what the WAL holds may be room enough."""
        if self._quiet_at is not None:
            self._quiet_at = min(self._quiet_at, self._clock() + _SOON_S)

    def tidy(self, db: sqlite3.Connection) -> None:
        """Do what needs no transaction; raises ``sqlite3.Error`` or ``StoreError``."""
        try:
            if self._keys.low and self._clock() >= self._keys_at:
                self._keys_at = self._clock() + _AGAIN_S  # unless it works
                self._keys.refill()
                self._keys_at = self._clock()
            if self._quiet_at is not None and self._clock() >= self._quiet_at:
                self._quiet_at = None
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except NotTaken:
            pass  # a full disk: whoever needs a key is told
        except sqlite3.Error as error:
            if not ran_out(error):
                raise
            self._quiet_at = self._clock() + _AGAIN_S
