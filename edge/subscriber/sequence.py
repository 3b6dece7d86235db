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
  event of the old one that comes after that is delivered as late;
* a store that went back (a restored disk) gives numbers a second time, to other events: what the window has
  not heard acknowledged is expected once more, and what comes with the id that it had is passed over.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable

from edge.subscriber.doubt import Doubt
from edge.subscriber.marks import EARLIER, Ack, Mark
from edge.subscriber.model import FIRST_SEQ, Delivery, Gap, Limits, NewStore, Output, View, WentBack
from edge.subscriber.ranges import Pair, Ranges
from edge.subscriber.series import Series

__all__ = ["Ack", "Mark", "WindowSequence"]

_SERIES = 16
"""So many stores of one window are told apart by what they delivered in this run."""


class WindowSequence:
    """One window as one subscriber sees it. *joins*: keys are held, so sealed views are wanted."""

    def __init__(self, window: str, limits: Limits, *, joins: bool, mark: Mark | None = None) -> None:
        self.window, self.limits, self.joins = window, limits, joins
        self.out: deque[Output] = deque()
        self.mark = mark
        self._unknown = mark is None
        self._current: Series | None = None
        self._earlier: dict[int, Series] = {}
        """The series of other epochs, by epoch; the one last left comes last."""
        self._doubt = Doubt(limits)
        self._acknowledged: tuple[int, int] | None = None
        self._head: tuple[int, int] | None = None
        if mark:
            self._current = self._behind(mark)

    @property
    def epoch(self) -> int | None:
        return self._current.epoch if self._current else None

    @property
    def duplicates(self) -> int:
        """Return how many views of the current epoch were dropped because they were here already."""
        return self._current.duplicates if self._current else 0

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(self._current.gaps) if self._current else ()

    def offer(self, view: View) -> None:
        """Take one view of one event."""
        if view.bad and view.epoch != self.epoch:
            return
        self.told_epoch(view.epoch)
        assert self._current is not None  # noqa: S101  told_epoch made it
        if view.epoch == self._current.epoch:
            self._current.offer(view)
            return
        if view.epoch not in self._earlier:
            known = self.mark.of(view.epoch) if self.mark else None
            series = self._behind(known) if known else self._series(view.epoch)
            series.close()
            self._leave(series)
        series = self._earlier[view.epoch]
        series.offer(view)
        if (twice := series.memory.conflict) is not None:  # it had gone back before it was put aside
            again = series.went_back(twice - 1)
            again.close()
            self._leave(again)
            again.offer(view)

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
            self._new_store(epoch)

    def told_head(self, epoch: int, seq: int, *, live: bool) -> None:
        """Learn the last accepted *seq*; *live*: from a message that was not retained."""
        self.told_epoch(epoch)
        current = self._current
        assert current is not None  # noqa: S101  told_epoch made it
        if live:
            self._head = (epoch, seq)
            self._doubt.heard(epoch, seq, behind=(epoch, seq) < (current.epoch, current.top()))
        if epoch == current.epoch:
            current.told_head(seq, live=live)

    def told_acknowledged(self, epoch: int, upto: int) -> None:
        """Learn up to where the window has nothing more for us. Only the first word of a new window counts."""
        self._acknowledged = (epoch, upto)
        if not self._unknown or self._current is None or epoch != self._current.epoch:
            return
        self._unknown = False
        for pair in self._current.reach_back(upto):
            if self.mark and self.mark.epoch == epoch:
                self.mark.missing.add(*pair)

    def tick(self, now: float) -> None:
        """Name gaps and end what has waited too long. Call several times a second while messages flow."""
        current = self._current
        if current is None:
            return
        word, twice = self._doubt.proved(now), current.memory.conflict
        if word is not None and word[0] < current.epoch:
            self._new_store(word[0])
        elif word is not None:
            self._go_back(word[1])
        elif twice is not None and self._doubt.may_look(now):
            self._go_back(twice - 1)
        assert self._current is not None  # noqa: S101  it was there
        if self._current is not current and self._head and self._head[0] == self._current.epoch:
            self._current.told_head(self._head[1], live=True)
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
        mark = self.mark
        if mark is None or mark.epoch != delivery.epoch:
            known = mark.of(delivery.epoch) if mark else None
            mark = known if known and delivery.epoch != self.epoch else self._begin_mark(delivery, known)
        if delivery.turn < mark.turn and delivery.seq >= self._base(delivery.epoch):
            return  # its number is given again
        mark.done(delivery)
        if mark is not self.mark:
            mark.missing.shorten(self.limits.max_lost_ranges)

    def _begin_mark(self, delivery: Delivery, known: Mark | None) -> Mark:
        """Begin the mark of another epoch: of the current one as the mark, of an older one among the earlier."""
        series = self._of(delivery.epoch)
        begin = min(series[0].base, delivery.seq) - 1 if series else 0
        new = known or Mark(delivery.epoch, begin, turn=series[0].turn if series else 0)
        if self.mark is None or delivery.epoch == self.epoch:
            self.mark = self.mark.before(new) if self.mark else new
            return self.mark
        self.mark = dataclasses.replace(self.mark, earlier=(new, *self.mark.earlier)[:EARLIER])
        return new

    def acknowledgement(self, saved: Mark | None, asked: Iterable[Pair]) -> Ack | None:
        """Return what to tell the window when *saved* is safe; ``None``: nothing yet.

        What is missing and not *asked* for just now stays above ``upto``, so that it is not deleted there.
        """
        current = self._current
        if current is None or current.next is None:
            return None
        asked = tuple(asked)
        if saved is None or saved.epoch != current.epoch:
            upto = min(current.base, current.next) - 1
            return Ack(current.epoch, max(upto, 0), asked) if asked else None
        if saved.turn < current.turn:
            saved = saved.upto_at_most(current.base - 1)
        unnamed = Ranges(saved.missing)
        for pair in asked:
            unnamed.remove(*pair)
        lowest = unnamed.lowest()
        upto = saved.upto if lowest is None else min(saved.upto, lowest - 1)
        return Ack(saved.epoch, max(upto, 0), asked, saved.upto_id if upto == saved.upto else "")

    def _new_store(self, epoch: int) -> None:
        """Go on with another store of the window."""
        if self._current and (twice := self._current.memory.conflict) is not None:
            self._go_back(twice - 1)  # what had that number the second time is lost with the store, and is named
        old = self._current
        assert old is not None  # noqa: S101  else it would not be another one
        last_seq = old.complete_upto()
        never = old.close()
        known = self.mark.of(epoch) if self.mark else None
        if epoch in self._earlier:
            new = self._earlier.pop(epoch)
            new.reopen()
        elif known:
            new = self._behind(known)
        else:
            new = self._series(epoch)
            new.begin(FIRST_SEQ)
        self._leave(old)
        self._current = new
        missing = tuple(never)[: self.limits.max_lost_ranges]
        self.out.append(
            NewStore(
                window=self.window, epoch=epoch, old_epoch=old.epoch, last_seq=max(last_seq, 0), missing=missing
            )
        )  # fmt: skip

    def _leave(self, series: Series) -> None:
        """Keep a closed series: what was delivered of it, and not processed yet, may come again."""
        self._earlier.pop(series.epoch, None)
        self._earlier[series.epoch] = series
        while len(self._earlier) > _SERIES:
            del self._earlier[next(iter(self._earlier))]

    def _go_back(self, head: int) -> None:
        """Go on with an older copy of the store: expect again what it has not heard acknowledged."""
        old = self._current
        assert old is not None  # noqa: S101  there is nothing to go back from
        epoch, top = old.epoch, old.top()
        known, upto = self._acknowledged or (epoch, head)
        upto = max(min(head, upto if known == epoch else head), 0)
        self._current = old.went_back(upto)
        if self.mark and self.mark.epoch == epoch:
            self.mark = self.mark.upto_at_most(upto)
            self.mark.turn = self._current.turn
        self.out.append(WentBack(window=self.window, epoch=epoch, head=head, last_seq=top))

    def _behind(self, mark: Mark) -> Series:
        """Return a series that goes on behind *mark*."""
        series = self._series(mark.epoch)
        series.go_on(mark.upto, mark.missing)
        if mark.upto_id:
            series.memory.keep_id(mark.upto, mark.upto_id)
        return series

    def _base(self, epoch: int) -> int:
        """Return where *epoch* began for this subscriber: nothing below was ever expected."""
        return self._of(epoch)[0].base

    def _of(self, epoch: int) -> list[Series]:
        series = self._current if epoch == self.epoch else self._earlier.get(epoch)
        return [series] if series else []

    def _series(self, epoch: int) -> Series:
        return Series(self.window, epoch, self.limits, joins=self.joins, out=self.out)
