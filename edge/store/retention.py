"""How long rows are kept, and the clock that counts it.

The rule. A row's age is counted by the *age clock*, which only grows:

* within one start of the PC by the kernel's boot clock, which nobody can set and which counts sleep;
* over the time the PC was off, by the wall clock, but only if a time service kept it both before and after
  (adjtimex(2)), and only up to 31 days. Whatever else the wall clock says counts for nothing.

So a clock that jumps forward ends nothing early, one that jumps back keeps nothing for ever, and where no time
service runs only the hours in which the PC is on count.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edge.clock import boot_s
from edge.store.file import get_meta, set_meta

if TYPE_CHECKING:
    from edge.config.tables import Retention

DAY_MS = 86_400_000
TOMBSTONE_MS = 365 * DAY_MS
_LONGEST_OFF_MS = 31 * DAY_MS
_SCAN_ROWS = 64
_KEPT_BY_CLASS = (30 * DAY_MS, 30 * DAY_MS, 7 * DAY_MS, DAY_MS)

_SCAN = "SELECT seq, class, born FROM event WHERE seq > ? ORDER BY seq LIMIT ?"


def boot_number() -> int:
    """Return a number that tells one start of the PC from another (48 bits of its boot id)."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    return int.from_bytes(hashlib.sha256(boot).digest()[:6], "big")


def _kept_by_a_service() -> Callable[[], bool]:
    from edge.envelope import ClockWatch  # that module imports the outbox

    return ClockWatch().synced


class AgeClock:
    """Counts milliseconds since the store was made. Used in the store's thread."""

    def __init__(
        self, *, steady: Callable[[], float] = boot_s, wall: Callable[[], float] = time.time,
        synced: Callable[[], bool] | None = None, boot: Callable[[], int] = boot_number,
    ) -> None:  # fmt: skip
        self._steady, self._wall = steady, wall
        self._synced = synced or _kept_by_a_service()
        self._boot = boot()
        self._base_ms = 0
        self._sure = (0, 0, 0)  # the last time that a service kept the clock: age in ms, Unix time in ms, boot

    def begin(self, db: sqlite3.Connection) -> None:
        """Go on from what the store knows."""
        age, at, boot = (get_meta(db, key) for key in ("age", "age_steady", "age_boot"))
        now = self._steady_ms()
        self._base_ms = age - now + (max(0, now - at) if boot == self._boot else 0)
        self._sure = (get_meta(db, "sure_age"), get_meta(db, "sure_wall"), get_meta(db, "sure_boot"))

    def now_ms(self) -> int:
        """Return the age of the store."""
        return self._base_ms + self._steady_ms()

    def at_least(self, age_ms: int) -> None:
        """Go on from *age_ms* where the store says less: a row was made after the last note, and then the power cut."""
        self._base_ms += max(0, age_ms - self.now_ms())

    def keep(self, db: sqlite3.Connection) -> None:
        """Look at the wall clock, and note in the store how far the age clock has come."""
        if self._synced():
            self._compare()
        kept = (self.now_ms(), self._steady_ms(), self._boot, *self._sure)
        names = ("age", "age_steady", "age_boot", "sure_age", "sure_wall", "sure_boot")
        for name, value in zip(names, kept, strict=True):
            set_meta(db, name, value)

    def _compare(self) -> None:
        """Count the time that the PC was off, once after its start, now that the wall clock can be believed."""
        now, wall = self.now_ms(), int(self._wall() * 1000)
        age, before, boot = self._sure
        if before and boot != self._boot:
            off = (wall - before) - (now - age)
            if 0 < off <= _LONGEST_OFF_MS:
                self._base_ms += off
        self._sure = (self.now_ms(), wall, self._boot)

    def _steady_ms(self) -> int:
        return int(self._steady() * 1000)


class Kept(NamedTuple):
    """How long the rows of each class are kept, in ms of the age clock."""

    by_class: tuple[int, int, int, int] = _KEPT_BY_CLASS

    @classmethod
    def of(cls, table: Retention) -> Kept:
        """Return what the configuration says."""
        public = table.public_days * DAY_MS
        return cls((public, public, table.personal_days * DAY_MS, table.sensitive_hours * DAY_MS // 24))


class Expiry:
    """Finds the rows whose time is over. Rows age in the order of their ``seq``, so each is looked at once a class."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept.by_class
        self.restart()

    def restart(self) -> None:
        """Look at every row again: what was found before was not carried out."""
        self._seen = [0] * len(self._kept)

    def over(self, class_: int, born: int, now_ms: int) -> bool:
        """Return whether the time of such a row is over."""
        return born <= now_ms - self._kept[min(class_, len(self._kept) - 1)]

    def due(self, db: sqlite3.Connection, now_ms: int) -> tuple[list[int], bool]:
        """Return some rows that have expired or look damaged, and whether that are all for now."""
        found: list[int] = []
        all_of_them = True
        for class_, kept_ms in enumerate(self._kept):
            rows = db.execute(_SCAN, (self._seen[class_], _SCAN_ROWS)).fetchall()
            for seq, own, born in rows:
                if isinstance(born, int) and now_ms - kept_ms < born <= now_ms:
                    break  # it, and whatever comes after it, has time left
                self._seen[class_] = seq
                if own == class_ or own not in range(len(self._kept)) or not isinstance(born, int) or born > now_ms:
                    found.append(seq)
            else:
                all_of_them = all_of_them and len(rows) < _SCAN_ROWS
        return found, all_of_them
