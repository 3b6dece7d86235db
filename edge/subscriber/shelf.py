"""What is here of events that cannot be delivered yet; no I/O, no clock."""

from __future__ import annotations

from edge.subscriber.model import Entry
from edge.subscriber.ranges import Pair


class Shelf(dict[int, Entry]):
    """What is here, by ``seq``. *joins*: sealed views are wanted."""

    def __init__(self, *, joins: bool) -> None:
        super().__init__()
        self._joins = joins

    def here(self, seq: int) -> bool:
        """Return whether the event itself is here, whatever becomes of its blob."""
        return seq in self and self[seq].here(joins=self._joins)

    def complete(self, seq: int) -> bool:
        """Return whether nothing more is to be expected of the event."""
        return seq in self and self[seq].complete(joins=self._joins)

    def awaits_blob(self, seq: int) -> bool:
        """Return whether the event is here but for its blob."""
        return seq in self and self[seq].awaits_blob()

    def holes(self, first: int, last: int) -> list[Pair]:
        """Return the ranges of *first* … *last* of what is not here."""
        found, at = [], first
        for seq in sorted(seq for seq in self if seq >= first and self.here(seq)):
            if seq > at:
                found.append((at, seq - 1))
            at = seq + 1
        return [*found, (at, last)] if at <= last else found
