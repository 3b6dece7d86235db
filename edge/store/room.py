"""Whether there is room for another event: stop accepting before the disk is full, and go on when it is not.

The rest of the disk (``reserve_mb``) is for what must still work then: confirmations and deletions, the keys, the
log. Pages that the store has freed count as room, for its file does not shrink; but half of the reserve must be on
the disk itself: what an event needs first is room in the WAL, and emptying that makes the file grow.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import DeviceAttention, StoreError

if TYPE_CHECKING:
    from edge.config.tables import OutboxTable

_MEGABYTE = 1_000_000
_LOOK_S = 1.0
IDLE_LOOK_S = 4.0
"""So much less often while there is room and nobody asks: a disk that others fill is told before anybody tries."""
_LOOK_BYTES = 1_000_000
"""After so many bytes of events, or an eighth of the reserve, the disk is looked at again."""
_SLACK_BYTES = 1_000_000
"""So much more room than what is reserved lets events in again: else every freed page would be a yes and a no."""

CODES = {
    "STO-120": "there is no room for events: the disk is full",
    "STO-121": "there is no room for events: too many wait to be fetched",
}


class NotTaken(DeviceAttention):
    """An event is not taken: there is no room for it. Nothing accepted before is touched."""

    default_code = "STO-120"
    default_action = "free disk space; then it goes on by itself"


class Room:
    """Looks at the disk at most once a second, or after a megabyte of events. Used in the store's thread."""

    def __init__(
        self, folder: Path, limits: OutboxTable | None = None, *,
        statvfs: Callable[[Path], os.statvfs_result] = os.statvfs, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.trouble: NotTaken | None = None
        """Why nothing is taken now."""
        self._folder, self._statvfs, self._clock = folder, statvfs, clock
        self._since = 0
        self.limit(limits)

    def limit(self, limits: OutboxTable | None) -> None:
        """Use so much of the disk from now on; ``None``: all of it."""
        self._max_bytes = (limits.max_mb if limits else 1_000_000) * _MEGABYTE
        self._reserve_bytes = (limits.reserve_mb if limits else 0) * _MEGABYTE
        self._look_bytes = min(_LOOK_BYTES, self._reserve_bytes // 8) or _LOOK_BYTES
        self._look_at = float("-inf")

    def admit(self, db: sqlite3.Connection) -> None:
        """Raise :class:`NotTaken` when there is no room."""
        if self._since > self._look_bytes or self._clock() >= self._look_at:
            self.look(db)
        if self.trouble is not None:
            raise self.refusal()

    @property
    def due(self) -> bool:
        """Whether it is time to look: soon while there is no room, now and then while nobody commits anything."""
        return self._clock() >= self._look_at + (0 if self.trouble is not None else IDLE_LOOK_S)

    def took(self, size: int) -> None:
        """Count *size* bytes of events."""
        self._since += size

    def refusal(self) -> NotTaken:
        """Return the error of one event that is not taken."""
        trouble = self.trouble or NotTaken("there is no room for events: the disk is full")
        return NotTaken(trouble.message, code=trouble.code, action=trouble.action)

    def look(self, db: sqlite3.Connection) -> None:
        """See how much room there is; raises ``StoreError``."""
        self._look_at, self._since = self._clock() + _LOOK_S, 0
        page, pages, unused = (
            int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_size", "page_count", "freelist_count")
        )
        try:
            disk, owed = self._statvfs(self._folder), _owed_bytes(db, pages * page)
        except OSError as error:
            raise StoreError(f"the disk of {self._folder} does not answer ({error.strerror})") from error
        size = _SLACK_BYTES if self.trouble is not None else 0
        left = disk.f_bavail * disk.f_frsize - owed - size
        kept = (pages - unused) * page
        if left + unused * page < self._reserve_bytes or left < self._reserve_bytes // 2:
            self.trouble = NotTaken("there is no room for events: the rest of the disk is reserved")
        elif kept + size > self._max_bytes:
            self.trouble = NotTaken(
                f"there is no room for events: {kept // _MEGABYTE} MB wait to be fetched", code="STO-121",
                action="start the back office, and let it fetch what waits; then it goes on by itself",
            )  # fmt: skip
        else:
            self.trouble = None

    def ran_out(self) -> None:
        """Note that a write found the disk full."""
        self.trouble = NotTaken("there is no room for events: the disk is full")
        self._look_at = self._clock() + _LOOK_S


def _owed_bytes(db: sqlite3.Connection, size: int) -> int:
    """Return by how much the file of a store of *size* bytes grows when its WAL is emptied; 0 for one in memory."""
    with contextlib.suppress(FileNotFoundError):
        return max(0, size - Path(db.execute("PRAGMA database_list").fetchone()[2]).stat().st_size)
    return 0
