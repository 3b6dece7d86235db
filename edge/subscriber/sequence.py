"""The sequence of one window over its epochs: everything a subscriber must remember and decide, without I/O.

Feed :meth:`WindowSequence.offer` with checked views, :meth:`~WindowSequence.told_head` with the window's
health, and :meth:`~WindowSequence.tick` with a clock; take deliveries and notices from ``out``. Each event is
delivered once, in the order of ``seq``, however the views were lost, doubled or mixed on their way. The only
exceptions are marked: an event that came after the others had stopped waiting for it is ``late``.

Where a sequence begins:

* with a durable position: behind it; what is missing is asked for;
* with a position file that does not know the window: behind what the window's ``health`` says that this
  subscriber has acknowledged, as far as the window still has it;
* else with the first event seen (or the first accepted after the window's first live ``health``). An older
  event that comes anyway is new to us, so it is delivered, as late; it is never asked for;
* a higher epoch is a new store: it begins with 1. What is buffered of the old one is delivered first; an
  event of the old one that comes after that is delivered as late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from edge.subscriber.model import Delivery, Gap, Limits, NewStore, Output, View
from edge.subscriber.ranges import Pair, Ranges
from edge.subscriber.series import Series

FIRST_SEQ = 1


@dataclass(slots=True)
class Mark:
    """What the consumer has processed of one window: all of ``epoch`` up to ``upto``, except ``missing``."""

    epoch: int
    upto: int
    missing: Ranges = field(default_factory=Ranges)

    def copy(self) -> Mark:
        return Mark(self.epoch, self.upto, Ranges(self.missing))


@dataclass(frozen=True, slots=True)
class Ack:
    """What to tell the window: all up to ``upto`` is processed except ``missing``, which is asked for."""

    epoch: int
    upto: int
    missing: tuple[Pair, ...] = ()


class WindowSequence:
    """One window as one subscriber sees it. *joins*: keys are held, so sealed views are wanted."""

    def __init__(self, window: str, limits: Limits, *, joins: bool, mark: Mark | None = None) -> None:
        self.window, self.limits, self.joins = window, limits, joins
        self.out: deque[Output] = deque()
        self.mark = mark
        self._unknown = mark is None
        self._current: Series | None = None
        self._previous: Series | None = None
        if mark:
            self._current = self._series(mark.epoch)
            self._current.go_on(mark.upto, mark.missing)

    @property
    def epoch(self) -> int | None:
        return self._current.epoch if self._current else None

    @property
    def duplicates(self) -> int:
        """Return how many views of the current epoch were dropped because they were here already."""
        return self._current.duplicates if self._current else 0

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(gap.report() for gap in self._current.gaps) if self._current else ()

    def offer(self, view: View) -> None:
        """Take one view of one event."""
        if view.bad and view.epoch != self.epoch:
            return
        self.told_epoch(view.epoch)
        assert self._current is not None  # noqa: S101  told_epoch made it
        if view.epoch == self._current.epoch:
            self._current.offer(view)
            return
        if self._previous is None or self._previous.epoch != view.epoch:
            self._previous = self._series(view.epoch)
            self._previous.close()
        self._previous.offer(view)

    def lacks_sealed(self, epoch: int, seq: int) -> bool:
        """Return whether a sealed view is worth opening; a needless one counts as a duplicate."""
        known = self._of(epoch)
        return not known or known[0].lacks_sealed(seq)

    def told_blob(self, epoch: int, seq: int, outcome: object) -> None:
        """Learn what became of an event's blob."""
        for series in self._of(epoch):
            series.told_blob(seq, outcome)

    def awaits_blob(self, epoch: int, seq: int) -> bool:
        """Return whether an event is here but for its blob."""
        return any(series.awaits_blob(seq) for series in self._of(epoch))

    def blob_moves(self) -> None:
        """Learn that parts of blobs arrive."""
        if self._current:
            self._current.blob_moves()

    def may_want(self, epoch: int, seq: int) -> bool:
        """Return whether an event may still be delivered; of what is not known yet it may."""
        if self._current is None or epoch > self._current.epoch:
            return True
        return any(series.may_want(seq) for series in self._of(epoch))

    def told_epoch(self, epoch: int) -> None:
        """Learn the window's epoch; a lower one than known is an old message."""
        if self._current is None:
            self._current = self._series(epoch)
        elif epoch > self._current.epoch:
            old = self._current
            last_seq = old.complete_upto()
            old.close()
            self._previous, self._current = old, self._series(epoch)
            self._current.begin(FIRST_SEQ)
            self.out.append(NewStore(window=self.window, epoch=epoch, old_epoch=old.epoch, last_seq=max(last_seq, 0)))

    def told_head(self, epoch: int, seq: int, *, live: bool) -> None:
        """Learn the last accepted *seq*; *live*: from a message that was not retained."""
        self.told_epoch(epoch)
        if self._current and epoch == self._current.epoch:
            self._current.told_head(seq, live=live)

    def told_acknowledged(self, epoch: int, upto: int) -> None:
        """Learn up to where the window has nothing more for us. Only the first word of a new window counts."""
        if not self._unknown or self._current is None or epoch != self._current.epoch:
            return
        self._unknown = False
        for pair in self._current.reach_back(upto):
            if self.mark and self.mark.epoch == epoch:
                self.mark.missing.add(*pair)

    def tick(self, now: float) -> None:
        """Name gaps and end what has waited too long. Call several times a second while messages flow."""
        if self._current:
            self._current.tick(now)

    def resume(self, now: float) -> None:
        """Count waiting times anew: nothing could arrive for a while (no broker, slow consumer)."""
        if self._current:
            self._current.resume(now)

    def questions(self, now: float) -> list[Pair]:
        """Return what to ask the window for now; mostly nothing."""
        return self._current.questions(now) if self._current else []

    def done(self, delivery: Delivery) -> None:
        """Note that the consumer has processed *delivery*."""
        if self.mark is None or delivery.epoch > self.mark.epoch:
            self.mark = Mark(delivery.epoch, self._base(delivery.epoch) - 1)
        mark = self.mark
        if delivery.epoch < mark.epoch:
            return
        if delivery.seq > mark.upto:
            mark.missing.add(mark.upto + 1, delivery.seq - 1)
            mark.missing.shorten(self.limits.max_lost_ranges)
            mark.upto = delivery.seq
        else:
            mark.missing.remove(delivery.seq)

    def acknowledgement(self, saved: Mark | None, asked: Iterable[Pair]) -> Ack | None:
        """Return what to tell the window when *saved* is safe; ``None``: nothing yet.

        What is missing and not *asked* for just now stays above ``upto``, so that it is not deleted there.
        """
        if self._current is None or self._current.next is None:
            return None
        asked = tuple(asked)
        if saved is None or saved.epoch != self._current.epoch:
            upto = min(self._current.base, self._current.next) - 1
            return Ack(self._current.epoch, max(upto, 0), asked) if asked else None
        unnamed = Ranges(saved.missing)
        for pair in asked:
            unnamed.remove(*pair)
        lowest = unnamed.lowest()
        upto = saved.upto if lowest is None else min(saved.upto, lowest - 1)
        return Ack(saved.epoch, max(upto, 0), asked)

    def _base(self, epoch: int) -> int:
        """Return where *epoch* began for this subscriber: nothing below was ever expected."""
        return self._of(epoch)[0].base

    def _of(self, epoch: int) -> list[Series]:
        return [series for series in (self._current, self._previous) if series and series.epoch == epoch]

    def _series(self, epoch: int) -> Series:
        return Series(self.window, epoch, self.limits, joins=self.joins, out=self.out)
