"""The wall clock is for people. What lasts is measured by the boot clock, which nobody can set."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

JUMP_S = 2.0
"""A time service that slews moves the clock by 0.5 ms a second; what is larger than this was set."""
TOLD_S = 900.0
"""So long a jump is told of."""


def boot_s() -> float:
    """Return the seconds since the kernel started, time asleep included (``time.monotonic`` leaves that out)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Jump(NamedTuple):
    """The wall clock was set: by so many seconds (forward is positive), at a time of the boot clock."""

    by_s: float
    at: float


class JumpWatch:
    """Notices that the wall clock was set. :meth:`look` is to be called every few seconds."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = boot_s) -> None:
        self._wall, self._steady = wall, steady
        self._offset_s = wall() - steady()
        self._last: Jump | None = None

    def look(self) -> Jump | None:
        """Return the last jump, as long as it is worth telling of."""
        now = self._steady()
        offset_s = self._wall() - now
        if abs(offset_s - self._offset_s) > JUMP_S:
            self._last = Jump(offset_s - self._offset_s, now)
        self._offset_s = offset_s
        if self._last is not None and now - self._last.at > TOLD_S:
            self._last = None
        return self._last
