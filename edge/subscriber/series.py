"""The sequence of one window in one epoch: order, duplicates, gaps, joined views. No I/O, no clock.

Three kinds of sequence numbers below ``next`` can still be delivered: those *lost* (passed over, still asked
for), and those *before* the beginning (never asked for; the window sends them of itself when nobody has
acknowledged them). Both come as *late*. Everything else below ``next`` is a duplicate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from edge.subscriber.model import LAST_SEQ, Entry, Limits, OpenGap, Output, View
from edge.subscriber.ranges import Pair, Ranges, covers, cut


class Series:
    """Puts the events of one epoch in order. What is ready or to be told goes to *out*."""

    def __init__(self, window: str, epoch: int, limits: Limits, *, joins: bool, out: deque[Output]) -> None:
        self.window, self.epoch, self.limits, self.joins, self.out = window, epoch, limits, joins, out
        self.next: int | None = None
        self.base = 0
        self.lost = Ranges()
        self.before = Ranges()
        self.duplicates = 0
        self.gaps: list[OpenGap] = []
        self._buffer: dict[int, Entry] = {}
        self._highest = -1
        self._head = -1
        self._first_head: int | None = None
        self._blocked_since: float | None = None
        self._hole: int | None = None
        self._hole_since = 0.0
        self._ask_at: float | None = None
        self._asks = 0
        self._asked: list[Pair] = []
        self._answered = False

    def begin(self, seq: int) -> None:
        """Expect *seq* first; lower ones are delivered if they come, but not missed."""
        self.next = self.base = seq
        self.before.add(0, seq - 1)

    def go_on(self, upto: int, missing: Iterable[Pair]) -> None:
        """Expect what follows *upto*; everything up to it was processed, except *missing*."""
        self.next = self.base = upto + 1
        self.lost = Ranges(missing)
        self._ask_at = 0.0 if self.lost else None

    def reach_back(self, upto: int) -> list[Pair]:
        """Want everything behind *upto*, although it began later; return what that adds as late."""
        if self.next is None:
            self.go_on(upto, ())
            return []
        added = self.before.within(upto + 1, self.base - 1)
        for pair in added:
            self.before.remove(*pair)
            self.lost.add(*pair)
            self._ask_at = self._ask_at or 0.0
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
        if not self._wanted(view.seq) or not entry.take(view):
            self.duplicates += 1
            return
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
        entry = self._buffer.get(seq)
        return entry is not None and entry.awaits_blob()

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
        if self._answered and self._ask_at is not None:
            self._asks, self._ask_at = 0, max(self._ask_at, now + self.limits.ask_every_s)
        self._answered = False
        if self.next is None or self.next > self._top():
            self._blocked_since = self._hole = None
            return
        if self._blocked_since is None:
            self._blocked_since = now
        self._look_at_hole(now)
        if now - self._blocked_since >= self.limits.gap_limit_s and self._pass_over():
            self._release()

    def _look_at_hole(self, now: float) -> None:
        """Name what is missing, and ask for it, when the first of it has been missing long enough."""
        hole = next(iter(self._holes()), (None, None))[0]
        if hole != self._hole:
            self._hole, self._hole_since = hole, now
        if hole is not None and now - self._hole_since >= self._grace_s(hole):
            self._name_gaps()
            if not covers(self._asked, hole):
                self._asks, self._ask_at = 0, now

    def resume(self, now: float) -> None:
        """Count waiting times anew: nothing could arrive for a while (no broker, slow consumer)."""
        self._blocked_since = self._hole = None
        self._asks = 0
        self._ask_at = now + self.limits.ask_after_s if self.gaps or self.lost else None

    def questions(self, now: float) -> list[Pair]:
        """Return what to ask the window for now; mostly nothing. What holds others back comes first."""
        if self._ask_at is None or now < self._ask_at:
            return []
        wanted = [pair for gap in self.gaps for pair in gap.missing] + list(self._lost_and_not_here())
        self._asked = sorted(cut(wanted, self.limits.ask_chunk))
        pause_s = self.limits.ask_every_s * 2 ** min(self._asks, 16)
        self._asks += 1
        self._ask_at = now + min(pause_s, self.limits.ask_pause_s) if self._asked or self.lost else None
        return self._asked

    def close(self) -> None:
        """End the epoch: deliver what is here, in order; what comes later is delivered as late."""
        if self.next is None:
            self.begin(LAST_SEQ)
        for seq in sorted(self._buffer):
            if seq >= (self.next or 0):
                self.lost.add(self.next or 0, seq - 1)
                self.next = seq + 1
                self._deliver(seq, late=False)
        self.out.extend(gap.report(new_store=True) for gap in self.gaps)
        for pair in (*self.lost, (self.next or 0, LAST_SEQ)):
            self.before.add(*pair)
        self.gaps, self.lost, self.next, self._ask_at = [], Ranges(), LAST_SEQ + 1, None

    def complete_upto(self) -> int:
        """Return the number up to which everything was made ready or passed over."""
        return -1 if self.next is None else self.next - 1

    def _top(self) -> int:
        return max(self._highest, self._head)

    def _grace_s(self, seq: int) -> float:
        """Return how long *seq* may be missing before it is asked for."""
        if any(seq in gap.missing for gap in self.gaps):
            return 0.0
        return self.limits.ask_after_s if self._highest >= seq else self.limits.tail_grace_s

    def _wanted(self, seq: int) -> bool:
        return self.next is not None and (seq >= self.next or seq in self.lost or seq in self.before)

    def _complete(self, seq: int) -> bool:
        entry = self._buffer.get(seq)
        return entry is not None and entry.complete(joins=self.joins)

    def _release(self) -> None:
        """Hand over what is complete, in order."""
        while self.next is not None and self._complete(self.next):
            self._deliver(self.next, late=False)
            self.next += 1
            self._blocked_since = None

    def _deliver(self, seq: int, *, late: bool) -> None:
        delivery = self._buffer.pop(seq).delivery(self.window, seq, joins=self.joins, late=late)
        if delivery is None:  # only an unreadable sealed view: not even a name to show
            self.lost.add(seq, seq)
        else:
            self.out.append(delivery)

    def _arrived(self, seq: int, *, tombstone: bool) -> None:
        """Note that the event *seq* is here."""
        self._answered = self._answered or covers(self._asked, seq)
        for gap in self.gaps:
            gap.arrived(seq, tombstone=tombstone)
        self._end_gaps()

    def _deliver_late(self, seq: int) -> None:
        """Hand over *seq* if it is complete and others went before it."""
        if self.next is not None and seq < self.next and self._complete(seq):
            self._deliver(seq, late=True)
            self.lost.remove(seq)
            self.before.remove(seq)

    def _end_gaps(self) -> None:
        self.out.extend(gap.report() for gap in self.gaps if not gap.missing)
        self.gaps = [gap for gap in self.gaps if gap.missing]

    def _name_gaps(self, holes: Iterable[Pair] | None = None) -> None:
        """Report the holes that no open gap covers yet."""
        unnamed = Ranges(self._holes() if holes is None else holes)
        for gap in self.gaps:
            unnamed.remove(gap.first, gap.last)
        new = [OpenGap(self.window, self.epoch, first, last) for first, last in unnamed]
        self.gaps += new
        self.out.extend(gap.report() for gap in new)

    def _holes(self) -> list[Pair]:
        """Return the ranges from ``next`` to the last event known of what is not here."""
        found, at = [], self.next or 0
        for seq in sorted(seq for seq, entry in self._buffer.items() if entry.here(joins=self.joins)):
            if seq > at:
                found.append((at, seq - 1))
            at = max(at, seq + 1)
        return [*found, (at, self._top())] if at <= self._top() else found

    def _lost_and_not_here(self) -> Ranges:
        """Return what was passed over and must be sent again; what waits for its blob only is here."""
        wanted = Ranges(self.lost)
        for seq in [seq for seq in self._buffer if self.next is not None and seq < self.next]:
            if self._buffer[seq].here(joins=self.joins):
                wanted.remove(seq)
        return wanted

    def _pass_over(self) -> bool:
        """Go on behind the oldest gap, when something complete waits there."""
        behind = [seq for seq in self._buffer if self.next is not None and seq > self.next and self._complete(seq)]
        if self.next is None or not behind:
            return False
        self._name_gaps()
        go_on = min(behind)
        blobs = [(seq, seq) for seq in self._buffer if self.next <= seq < go_on and self.awaits_blob(seq)]
        self._name_gaps(blobs)  # what is here but for its blob is told too, now that others go before it
        self._missing_again(seq for seq, _ in blobs)
        self.lost.add(self.next, go_on - 1)
        self.lost.shorten(self.limits.max_lost_ranges)
        self._ask_at = self._ask_at or 0.0
        for gap in self.gaps:
            gap.passed(go_on - 1)
        self._end_gaps()
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
        self._missing_again([seq])

    def _missing_again(self, seqs: Iterable[int]) -> None:
        for seq in seqs:
            for gap in self.gaps:
                gap.missing_again(seq)
