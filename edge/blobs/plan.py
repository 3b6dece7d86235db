"""Which message of the bulk connection is which part of which blob. Pure book-keeping, no I/O.

Messages are numbered through: a blob's manifest, its parts, the next blob's manifest … So the watermark of
:class:`edge.delivery.flights.Flights` says how far the broker has taken each blob, over any number of connections.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge.blobs.rows import StoredBlob


@dataclass(slots=True)
class Outgoing:
    """A blob on its way: message ``first`` is its manifest, the rest are its parts behind those taken before."""

    blob: StoredBlob
    first: int
    noted: int
    """How many parts the store knows to be taken."""

    @property
    def last(self) -> int:
        """The number of its last message."""
        return self.first + self.blob.parts - self.blob.taken

    def part(self, number: int) -> int | None:
        """Return which part the message *number* is; ``None``: the manifest."""
        return None if number == self.first else self.blob.taken + number - self.first - 1

    def parts_upto(self, number: int) -> int:
        """Return how many of its parts are out when the message *number* is the last one."""
        return self.blob.taken + max(0, min(number, self.last) - self.first)


class Plan:
    """The blobs that are being sent, and those that come next."""

    def __init__(self) -> None:
        self.loaded_upto = 0
        """The event up to which blobs were added."""
        self._begun_upto = 0
        self._under_way: deque[Outgoing] = deque()
        self._waiting: deque[StoredBlob] = deque()

    def add(self, blobs: Iterable[StoredBlob]) -> None:
        """Take more blobs, in order of their events; those known already are left out."""
        for blob in blobs:
            if blob.seq > self.loaded_upto:
                self.loaded_upto = blob.seq
                self._waiting.append(blob)

    def at(self, number: int) -> Outgoing | None:
        """Return the blob that the message *number*, not sent yet, belongs to; ``None``: nothing waits."""
        for outgoing in self._under_way:
            if number <= outgoing.last:
                return outgoing
        if not self._waiting:
            return None
        blob = self._waiting.popleft()
        self._begun_upto = blob.seq
        self._under_way.append(Outgoing(blob, number, blob.taken))
        return self._under_way[-1]

    def holding(self, number: int) -> Outgoing | None:
        """Return the blob under way that the message *number* belongs to."""
        return next((found for found in self._under_way if found.first <= number <= found.last), None)

    def drop(self, outgoing: Outgoing) -> None:
        """Forget a blob that was given up."""
        self._under_way.remove(outgoing)

    def progress(self, brokered: int, step: int) -> Iterator[tuple[int, int]]:
        """Yield ``(seq, parts)`` worth noting: a blob is whole at the broker, or *step* parts more of it."""
        while self._under_way and self._under_way[0].last <= brokered:
            done = self._under_way.popleft()
            yield done.blob.seq, done.blob.parts
        for outgoing in list(self._under_way)[:1]:
            taken = outgoing.parts_upto(brokered)
            if taken >= outgoing.noted + step:
                outgoing.noted = taken
                yield outgoing.blob.seq, taken

    def handed(self, blob: StoredBlob, sent: int) -> int:
        """Return how many parts of *blob* were sent at least once when the message *sent* is the last one."""
        for outgoing in self._under_way:
            if outgoing.blob.id == blob.id:
                return outgoing.parts_upto(sent)
        return blob.parts if blob.seq <= self._begun_upto else blob.taken
