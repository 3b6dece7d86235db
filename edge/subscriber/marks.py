"""What the consumer has processed of one window; no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from edge.subscriber.model import Delivery
from edge.subscriber.ranges import Pair, Ranges

EARLIER = 3


@dataclass(slots=True)
class Mark:
    """What the consumer has processed of one window: all of ``epoch`` up to ``upto``, except ``missing``."""

    epoch: int
    upto: int
    missing: Ranges = field(default_factory=Ranges)
    upto_id: str = ""
    """The id of the event ``upto``, when it is known: tells whether the number was given twice."""
    earlier: tuple[Mark, ...] = ()
    """The marks of the stores before this one, the last one first."""
    turn: int = field(default=0, compare=False)
    """How often the window's store had gone back; a former turn's mark counts only as far as this one's begins."""

    def copy(self) -> Mark:
        return replace(self, missing=Ranges(self.missing), earlier=tuple(mark.copy() for mark in self.earlier))

    def upto_at_most(self, upto: int) -> Mark:
        """Return the mark without what is behind *upto*."""
        if self.upto <= upto:
            return self.copy()
        return replace(self.copy(), upto=upto, upto_id="", missing=Ranges(self.missing.within(0, upto)))

    def done(self, delivery: Delivery) -> None:
        """Note that the consumer has processed *delivery*, which is of this epoch."""
        if delivery.seq > self.upto:
            self.missing.add(self.upto + 1, delivery.seq - 1)
            self.upto, self.upto_id = delivery.seq, delivery.id
        else:
            self.missing.remove(delivery.seq)

    def of(self, epoch: int) -> Mark | None:
        """Return the mark of *epoch*, this one or an earlier one."""
        return next((mark for mark in (self, *self.earlier) if mark.epoch == epoch), None)

    def before(self, new: Mark) -> Mark:
        """Return *new* with this one and what was before it as earlier marks."""
        rest = [mark for mark in (replace(self, earlier=()), *self.earlier) if mark.epoch != new.epoch]
        return replace(new, earlier=tuple(rest[:EARLIER]))


@dataclass(frozen=True, slots=True)
class Ack:
    """What to tell the window: all up to ``upto`` is processed except ``missing``, which is asked for."""

    epoch: int
    upto: int
    missing: tuple[Pair, ...] = ()
    upto_id: str = ""
