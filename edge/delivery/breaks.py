"""What is told of a connection that breaks: loudly at first, rarely while it goes on, and what outlasts a break."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable

from edge import logs
from edge.delivery.link_errors import TransportError, taken_over

_QUIET_S = 60.0  # after so long without a break, the next one is news again
_FLAPS = 6  # so many connections lost within that time are no accident
_RIVAL_S = 600.0  # another client that took our place once is told of for so long
_LONGEST = 4  # the slow back-off grows to so many times its beginning


class Breaks:
    """Counts the breaks of one connection. For the connection's thread, but for :meth:`lasting`."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = logs.get(name), clock
        self._counts: Counter[str] = Counter()  # breaks by code, and connects, since it was quiet
        self._since: float | None = None  # when the connection was lost that is not back yet
        self._last: float | None = None
        self._lost: deque[float] = deque(maxlen=_FLAPS)
        self._rivals: deque[float] = deque(maxlen=_LONGEST)

    def up(self, **fields: object) -> None:
        """Note that there is a connection."""
        self._calm()
        self._counts["up"] += 1
        if self._since is not None:
            fields["away_s"] = round(self._clock() - self._since, 1)
        if logs.worth_a_line(self._counts["up"]):
            self._log.info("connected", extra={"fields": fields})
        self._since = None

    def down(self, error: TransportError, *, was_up: bool) -> None:
        """Note that a connection was lost, or not made."""
        self._calm()
        now = self._clock()
        self._last = now
        self._since = self._since if self._since is not None else now
        if was_up:
            self._lost.append(now)
        if error.code == taken_over().code:
            self._rivals.append(now)
        self._counts[error.code] += 1
        if logs.worth_a_line(count := self._counts[error.code]):
            self._log.warning(str(error), extra={"fields": {"code": error.code, "count": count}})

    def patience(self) -> int:
        """Return how many times longer than usual to leave the broker to another client with our name: 1, 2, 4."""
        recent = [at for at in self._rivals if self._clock() - at < _RIVAL_S]
        return min(1 << max(len(recent) - 1, 0), _LONGEST)

    def lasting(self) -> list[TransportError]:
        """Return what a person should know though the connection may be up again. Any thread."""
        now, told = self._clock(), []
        rivals, lost = list(self._rivals), list(self._lost)
        if rivals and now - rivals[-1] < _RIVAL_S:
            told.append(taken_over())
        if len(lost) == _FLAPS and now - lost[0] < _QUIET_S:
            told.append(TransportError(f"the connection broke {_FLAPS} times within a minute", code="MQT-119"))
        return told

    def _calm(self) -> None:
        """Make the next break news again, if the last one is long ago."""
        if self._last is not None and self._clock() - self._last > _QUIET_S and self._since is None:
            self._counts.clear()
