"""The sequence of one window in one epoch: order, duplicates, gaps, joined views. No I/O, no clock.

Three kinds of sequence numbers below ``next`` can still be delivered: those *lost* (passed over, still asked
for), and those *before* the beginning (never asked for; the window sends them of itself when nobody has
acknowledged them). Both come as *late*. Everything else below ``next`` is a duplicate, unless its id shows that the
window has given the number twice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from edge.subscriber.gaps import Gaps
from edge.subscriber.memory import Memory
from edge.subscriber.model import FIRST_SEQ, LAST_SEQ, Delivery, Entry, Limits, Output, View
from edge.subscriber.questions import Questions
from edge.subscriber.ranges import Pair, Ranges
from edge.subscriber.shelf import Shelf


class Series:
    """Puts the events of one epoch in order. What is ready or to be told goes to *out*."""

    def __init__(self, window: str, epoch: int, limits: Limits, *, joins: bool, out: deque[Output]) -> None:
        self.window, self.epoch, self.limits, self.joins, self.out = window, epoch, limits, joins, out
        self.next: int | None = None
        self.base = 0
        self.lost = Ranges()
        self.before = Ranges()
        self.duplicates = 0
        self.turn = 0
        self.gaps = Gaps(window, epoch, out)
        self.memory = Memory(limits.remembered_ids)
        self._buffer = Shelf(joins=joins)
        self._highest = -1
        self._head = -1
        self._first_head: int | None = None
        self._blocked_since: float | None = None
        self._hole: int | None = None
        self._hole_since = 0.0
        self._questions = Questions(limits)

    def begin(self, seq: int) -> None:
        """Expect *seq* first; lower ones are delivered if they come, but not missed."""
        self.next = self.base = seq
        self.before.add(0, seq - 1)

    def go_on(self, upto: int, missing: Iterable[Pair]) -> None:
        """Expect what follows *upto*; everything up to it was processed, except *missing*."""
        self.next = self.base = upto + 1
        self.lost = Ranges(missing)
        if self.lost:
            self._questions.soon()

    def reach_back(self, upto: int) -> list[Pair]:
        """Want everything behind *upto*, although it began later; return what that adds as late."""
        if self.next is None:
            self.go_on(upto, ())
            return []
        added = self.before.within(upto + 1, self.base - 1)
        for pair in added:
            self.before.remove(*pair)
            self.lost.add(*pair)
            self._questions.soon()
        self.base = min(self.base, upto + 1)
        return added

    def offer(self, view: View) -> None:
        """Take one view of one event."""
        if view.bad and view.seq > self._highest:
            return  # it proves nothing, not even that the event exists
        if self.next is None:
            floor = view.seq if self._first_head is None else self._first_head + 1
            self.begin(min(view.seq, floor))
        entry = self._buffer.get(view.seq) or Entry()
        was_here = entry.here(joins=self.joins)
        entry.passed = entry.passed or (entry.public is None and self.memory.knows(view))
        if not self._wanted(view.seq) or not entry.take(view):
            self.duplicates += 1
            self.memory.compare(view)
            return
        self.memory.keep(view)
        self._buffer[view.seq] = entry
        self._highest = max(self._highest, view.seq)
        if not was_here and entry.here(joins=self.joins):
            self._arrived(view.seq, tombstone=view.tombstone)
        self._deliver_late(view.seq)
        self._release()
        self._make_room()

    def told_blob(self, seq: int, outcome: object) -> None:
        """Learn what became of the blob of *seq*; nothing when nobody waits for it."""
        if self.awaits_blob(seq):
            self._buffer[seq].blob = outcome
            self._deliver_late(seq)
            self._release()

    def awaits_blob(self, seq: int) -> bool:
        """Return whether the event *seq* is here but for its blob."""
        return self._buffer.awaits_blob(seq)

    def blob_moves(self) -> None:
        """Learn that parts of blobs arrive: what waits for one is not lost."""
        if self.next is not None and self.awaits_blob(self.next):
            self._blocked_since = None

    def may_want(self, seq: int) -> bool:
        """Return whether the event *seq* may still be delivered."""
        return self.next is None or self._wanted(seq)

    def lacks_sealed(self, seq: int) -> bool:
        """Return whether a sealed view of *seq* would be new; a needless one counts as a duplicate."""
        entry = self._buffer.get(seq)
        lacks = self.next is None or (self._wanted(seq) and (entry is None or entry.sealed is None))
        self.duplicates += not lacks
        return lacks

    def told_head(self, seq: int, *, live: bool) -> None:
        """Learn the last accepted *seq* from the window's health; *live*: not a retained message."""
        if self.next is None and live:
            if self._first_head is None:
                self._first_head = seq
            elif seq > self._first_head:
                self.begin(self._first_head + 1)
        self._head = max(self._head, seq)

    def tick(self, now: float) -> None:
        """Name gaps and end what has waited too long. Call several times a second while messages flow."""
        self._questions.tick(now)
        if self.next is None or self.next > self.top():
            self._blocked_since = self._hole = None
            return
        if self._blocked_since is None:
            self._blocked_since = now
        self._look_at_hole(now)
        if now - self._blocked_since >= self.limits.gap_limit_s and self._pass_over():
            self._release()

    def _look_at_hole(self, now: float) -> None:
        """Name what is missing, and ask for it, when the first of it has been missing long enough."""
        hole = next(iter(self._buffer.holes(self.next or 0, self.top())), (None, None))[0]
        if hole != self._hole:
            self._hole, self._hole_since = hole, now
        if hole is not None and now - self._hole_since >= self._grace_s(hole):
            self.gaps.name(self._buffer.holes(self.next or 0, self.top()))
            self._questions.now(hole, now)

    def resume(self, now: float) -> None:
        """Count waiting times anew: nothing could arrive for a while (no broker, slow consumer)."""
        self._blocked_since = self._hole = None
        self._questions.after_break(now, wanted=bool(self.gaps or self.lost))

    def questions(self, now: float) -> list[Pair]:
        """Return what to ask the window for now; mostly nothing. What holds others back comes first."""
        if not self._questions.due(now):
            return []
        return self._questions.ask(now, [*self.gaps.missing(), *self._lost_and_not_here()], lost=bool(self.lost))

    def close(self) -> Ranges:
        """End the epoch: deliver what is here, in order; what comes later is delivered as late.

        Return what is known to exist and was not delivered.
        """
        if self.next is None:
            self.begin(LAST_SEQ)
        self.gaps.name(self._buffer.holes(self.next or 0, self.top()))
        for seq in sorted(self._buffer):
            if seq >= (self.next or 0):
                self.lost.add(self.next or 0, seq - 1)
                self.next = seq + 1
                self._deliver(seq, late=False)
        self.gaps.close("new-store")
        never = Ranges([*self.lost, (self.next or 0, self.top())])
        for pair in (*self.lost, (self.next or 0, LAST_SEQ)):
            self.before.add(*pair)
        self.lost, self.next = Ranges(), LAST_SEQ + 1
        self._questions.never()
        return never

    def reopen(self) -> None:
        """Go on after :meth:`close`: the window's store is this one after all. What was lost is asked for."""
        unseen, self.before = self.before, Ranges()
        ends = [first for first, last in unseen if last == LAST_SEQ]
        upto = max(ends[0] if ends else LAST_SEQ, FIRST_SEQ) - 1
        self.go_on(upto, unseen.within(FIRST_SEQ, upto))

    def went_back(self, upto: int) -> Series:
        """End, because the window's store is an older copy; return the series that goes on behind *upto*.

        What is complete here is delivered. In the new series its numbers are wanted once more, but what comes with
        the id that it had is passed.
        """
        delivered = Ranges([(upto + 1, (self.next or 0) - 1)])
        for pair in self.lost:
            delivered.remove(*pair)
        for seq in sorted(self._buffer):
            if self._buffer.complete(seq):
                self._deliver(seq, late=seq < (self.next or 0))
                delivered.add(seq, seq)
            else:
                self.memory.forget(seq)
        self.gaps.close("went-back")
        new = Series(self.window, self.epoch, self.limits, joins=self.joins, out=self.out)
        new.go_on(upto, self.lost.within(0, upto))
        new.before = Ranges(self.before.within(0, upto))
        new.memory = self.memory.doubted(upto, delivered)
        new.duplicates, new.turn = self.duplicates, self.turn + 1
        return new

    def complete_upto(self) -> int:
        """Return the number up to which everything was made ready or passed over."""
        return -1 if self.next is None else self.next - 1

    def top(self) -> int:
        """Return the last number known to exist."""
        return max(self._highest, self._head, (self.next or 0) - 1)

    def _grace_s(self, seq: int) -> float:
        """Return how long *seq* may be missing before it is asked for."""
        if self.gaps.named(seq):
            return 0.0
        return self.limits.ask_after_s if self._highest >= seq else self.limits.tail_grace_s

    def _wanted(self, seq: int) -> bool:
        return self.next is not None and (seq >= self.next or seq in self.lost or seq in self.before)

    def _release(self) -> None:
        """Hand over what is complete, in order."""
        while self.next is not None and self._buffer.complete(self.next):
            self._deliver(self.next, late=False)
            self.next += 1
            self._blocked_since = None

    def _deliver(self, seq: int, *, late: bool) -> None:
        place = Delivery(window=self.window, epoch=self.epoch, seq=seq, late=late, turn=self.turn)
        delivery = self._buffer.pop(seq).delivery(place, joins=self.joins)
        if delivery is None:  # only an unreadable sealed view: not even a name to show
            self.lost.add(seq, seq)
        else:
            self.out.append(delivery)

    def _arrived(self, seq: int, *, tombstone: bool) -> None:
        """Note that the event *seq* is here."""
        self._questions.arrived(seq)
        self.gaps.arrived(seq, tombstone=tombstone)

    def _deliver_late(self, seq: int) -> None:
        """Hand over *seq* if it is complete and others went before it."""
        if self.next is not None and seq < self.next and self._buffer.complete(seq):
            self._deliver(seq, late=True)
            self.lost.remove(seq)
            self.before.remove(seq)

    def _lost_and_not_here(self) -> Ranges:
        """Return what was passed over and must be sent again; what waits for its blob only is here."""
        wanted = Ranges(self.lost)
        for seq in [seq for seq in self._buffer if self.next is not None and seq < self.next]:
            if self._buffer.here(seq):
                wanted.remove(seq)
        return wanted

    def _pass_over(self) -> bool:
        """Go on behind the oldest gap, when something complete waits there."""
        behind = [
            seq for seq in self._buffer if self.next is not None and seq > self.next and self._buffer.complete(seq)
        ]
        if self.next is None or not behind or len(self.lost) >= self.limits.max_lost_ranges:
            return False
        self.gaps.name(self._buffer.holes(self.next or 0, self.top()))
        go_on = min(behind)
        blobs = [(seq, seq) for seq in self._buffer if self.next <= seq < go_on and self.awaits_blob(seq)]
        self.gaps.name(blobs)  # what is here but for its blob is told too, now that others go before it
        self.gaps.missing_again(seq for seq, _ in blobs)
        self.lost.add(self.next, go_on - 1)
        self._questions.soon()
        self.gaps.passed(go_on - 1)
        self.next = go_on
        return True

    def _make_room(self) -> None:
        """Keep the buffer bounded: first forget late halves, then pass over, last refuse the newest."""
        while len(self._buffer) > self.limits.max_buffered:
            halves = [seq for seq in self._buffer if seq < (self.next or 0)]
            if halves:
                self._drop(max(halves))  # the lowest are asked for first
            elif self._pass_over():
                self._release()
            else:
                self._drop(max(self._buffer))

    def _drop(self, seq: int) -> None:
        """Forget what is here of an event; it is asked for again."""
        del self._buffer[seq]
        if seq >= (self.next or 0):  # else it is lost already, and must not be asked for before what holds others back
            self.gaps.missing_again([seq])
