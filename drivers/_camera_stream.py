"""The newest picture of a camera, how old it is, and whether the camera still looks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import median

from drivers import _camera_problems as problems
from drivers._camera_source import Frame, Source
from drivers._picture_checks import is_flat, reduced

FROZEN_S = 1.6
"""Equal pictures for so long: no real sensor is so quiet."""
LATE_S = 3.0
_FIRST = 3
_LIVE = 4  # so many pictures in a row had to be waited for: a busy PC may be slow with one that was there
_BUFFERED_S = 0.002
_REMEMBERED = 9
_USUAL_INTERVAL_S = 0.1


class Stream:
    """Reads a source in the driver's one thread, and keeps the newest picture alone."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.newest: Frame | None = None
        self._steps: deque[float] = deque(maxlen=_REMEMBERED)
        self._same_since: float | None = None
        self._flat = False

    @property
    def interval_s(self) -> float:
        """Return the usual time between two pictures: that, at most, a picture was exposed before it came."""
        return median(self._steps) if self._steps else _USUAL_INTERVAL_S

    @property
    def repeats(self) -> bool:
        """Whether the newest picture is the one before it, bit by bit, and shows something."""
        return self._same_since is not None and not self._flat

    def next(self, *, steady: bool = False) -> Frame:
        """Take the next picture; *steady*: none was left out since the last. Raises ``DeviceError``."""
        frame, before = self.source.next(), self.newest
        self.newest = frame
        if before is not None:
            if steady and frame.at > before.at:
                self._steps.append(frame.at - before.at)
            self._compare(before, frame)
        return frame

    def watch(self) -> bool:
        """Take the next picture; return whether it proves that the camera looks. Raises ``DeviceError``."""
        frame = self.next()
        if not self.repeats:
            return True
        same_s = frame.at - (self._same_since or frame.at)
        if same_s >= FROZEN_S:
            raise problems.frozen(same_s)
        return False

    def settle(self, seconds: float) -> None:
        """Let light and focus settle; raises ``DeviceTimeout`` when all pictures are one."""
        frame = self.next()
        end, count, differ = frame.at + seconds, 1, False
        while frame.at < end or count < _FIRST:
            frame = self.next(steady=True)
            count += 1
            differ |= not self.repeats
        if not differ:
            raise problems.frozen(seconds)

    def after(self, moment: float, check: Callable[[], None]) -> Frame:
        """Return a picture whose exposure began after *moment*; *check* may end it by an exception."""
        late_at = self.source.clock() + LATE_S
        live = 0
        while True:
            check()
            frame = self.next(steady=True)
            waited = frame.waited_s > max(_BUFFERED_S, 0.25 * self.interval_s)
            live = live + 1 if waited else 0
            if (frame.stamped or live >= _LIVE) and self.exposed_at(frame) >= moment:
                return frame
            if self.source.clock() > late_at + 2 * self.interval_s:
                raise problems.late(LATE_S)

    def exposed_at(self, frame: Frame) -> float:
        """Return the earliest moment at which the exposure of *frame* can have begun."""
        return frame.at - self.interval_s

    def close(self) -> None:
        """Let go of the camera."""
        self.source.close()
        self.newest = None

    def _compare(self, before: Frame, frame: Frame) -> None:
        if frame.jpeg != before.jpeg:
            self._same_since = None
        elif self._same_since is None:
            self._same_since = before.at
            small = reduced(frame.jpeg)
            self._flat = small is not None and is_flat(small)
