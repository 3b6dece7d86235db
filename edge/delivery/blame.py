"""Finds the message that the broker ends connections for: one at a time, and several times the same."""

from __future__ import annotations

from edge.delivery.flights import TRIES, Flights

_SILENT_BREAKS = 3
_MOST_TRIES = 24


class Blame:
    """Belongs to one :class:`~edge.delivery.flights.Flights`.

    A broker that says what it dislikes (a DISCONNECT with a reason) is believed at once. One that just hangs up may
    also have died, or its network: only when three connections in a row brought nothing further is a message looked
    for. A broker that ends connections over every event would have all of them given up: so each verdict that does
    not help makes the next one take twice as many breaks.
    """

    def __init__(self, flights: Flights) -> None:
        self._flights = flights
        self._narrow_upto = self._narrow_taken = 0
        self._times: dict[int | str, int] = {}
        self._tries = TRIES
        self._judged_at = -1  # how much the broker had taken at the last verdict
        self._brokered = -1
        self._silent = 0

    def narrowed(self, window: int) -> int:
        """Return how many messages may be in flight: one, until everything suspected is through."""
        flights = self._flights
        return 1 if flights.brokered < self._narrow_upto or flights.taken < self._narrow_taken else window

    def convict(self, *, told: bool) -> int | None:
        """Look at what is under way now that the broker ended the connection; return the event to give up."""
        if not told and not self._stuck():
            return None
        flights = self._flights
        suspects = flights.flying()
        self._narrow_upto = flights.sent
        self._narrow_taken = flights.taken + len(suspects)
        if not suspects or len(suspects) > 1:
            return None
        key = suspects[0].key
        if key is None:
            flights.restart()  # a reply is not worth another break
            return None
        if flights.events > self._judged_at:
            self._tries = TRIES
        self._times[key] = self._times.get(key, 0) + 1
        if self._times[key] < self._tries:
            return None
        self._times.clear()
        self._tries = min(self._tries * 2, _MOST_TRIES)
        self._judged_at = flights.events
        if isinstance(key, str):
            flights.mute(key)
            return None
        return key

    def _stuck(self) -> bool:
        """Return whether so many connections in a row brought nothing further."""
        if self._flights.brokered > self._brokered or not self._flights.flying():
            self._brokered, self._silent = self._flights.brokered, 0
        self._silent += 1
        return self._silent > _SILENT_BREAKS
