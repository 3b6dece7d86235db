"""Which event a number was last given to, for as many numbers as a subscriber remembers; no I/O, no clock."""

from __future__ import annotations

from edge.subscriber.model import LAST_SEQ, View
from edge.subscriber.ranges import Ranges


class Memory:
    """Remembers the ids of the last *limit* events, as hashes of this process."""

    def __init__(self, limit: int) -> None:
        self.conflict: int | None = None
        """The lowest number that came with another id than before."""
        self._limit = limit
        self._ids: dict[int, int] = {}
        self._delivered: dict[int, int] = {}
        self._doubted = Ranges()

    def keep(self, view: View) -> None:
        """Remember the id of a view that was taken."""
        if view.id and not view.tombstone:
            self.keep_id(view.seq, view.id)

    def keep_id(self, seq: int, name: str) -> None:
        self._ids[seq] = hash(name)
        if len(self._ids) > self._limit:
            del self._ids[next(iter(self._ids))]

    def forget(self, seq: int) -> None:
        self._ids.pop(seq, None)

    def compare(self, view: View) -> None:
        """Look whether a view that was not taken is a copy, or another event under the same number."""
        known = self._ids.get(view.seq)
        if known is not None and view.id and not view.tombstone and known != hash(view.id):
            self.conflict = view.seq if self.conflict is None else min(self.conflict, view.seq)

    def knows(self, view: View) -> bool:
        """Return whether this event was delivered before the window's store went back, or stands for such a one."""
        if view.seq not in self._doubted:
            return False
        known = self._delivered.get(view.seq)
        if view.tombstone and (known is None or not view.id):
            return True
        return known == hash(view.id)

    def doubted(self, upto: int, delivered: Ranges) -> Memory:
        """Return the memory of a series in which all behind *upto* is given again; *delivered* of it were."""
        new = Memory(self._limit)
        new._ids = {seq: name for seq, name in self._ids.items() if seq <= upto}
        known = self._delivered | self._ids
        new._delivered = {seq: name for seq, name in known.items() if seq > upto}
        new._doubted = Ranges([*delivered, *self._doubted.within(upto + 1, LAST_SEQ)])
        return new
