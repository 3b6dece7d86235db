"""A device that comes and goes: a bad cable, a weak hub. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

LOSSES = 5
WITHIN_S = 60.0
"""So many losses within such a time are flapping; after as long without one it is over."""
_PAUSE_S = (1.0, 10.0)


class Flapping:
    """Counts how often one device went away lately."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lost: deque[float] = deque(maxlen=LOSSES)
        self._over_since = 0
        self.active = False

    def lost(self) -> None:
        """Note that the device went away."""
        now = self._clock()
        self.calm()
        self._lost.append(now)
        if self.active:
            self._over_since += 1
        elif len(self._lost) >= LOSSES and now - self._lost[-LOSSES] <= WITHIN_S:
            self.active, self._over_since = True, 0

    def calm(self) -> bool:
        """Note that time has passed; return whether that ended the flapping."""
        ended = self.active and self._clock() - self._lost[-1] > WITHIN_S
        self.active = self.active and not ended
        return ended

    @property
    def pause_s(self) -> float:
        """How long to leave a flapping device alone: 1 s, then twice as long each time, at most 10 s."""
        return min(_PAUSE_S[1], _PAUSE_S[0] * 2 ** min(self._over_since, 8)) if self.active else 0.0
