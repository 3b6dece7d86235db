"""A window, a broker and a consumer in one thread: random schedules for the sequence core."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from edge.subscriber.model import Delivery, Gap, Limits, View
from edge.subscriber.sequence import Mark, WindowSequence

PATIENT = Limits(ask_after_s=1, tail_grace_s=2, gap_limit_s=1e9, max_buffered=10_000, ask_chunk=7)
STEP_S = 0.5
FAIR_AFTER = 120
"""Steps after which nothing is lost any more, so that every schedule comes to an end."""
MOST_STEPS = 5_000


class World:
    """Runs one random schedule until everything is processed and acknowledged."""

    def __init__(
        self,
        rng: random.Random,
        *,
        joins: bool,
        loss: float,
        limits: Limits = PATIENT,
        crashes: float = 0.0,
    ) -> None:
        self.rng, self.joins, self.loss, self.limits, self.crashes = rng, joins, loss, limits, crashes
        self.count = rng.randint(1, 40)
        self._sealed = {seq for seq in range(1, self.count + 1) if rng.random() < 0.4}
        self._gone = {seq for seq in range(1, self.count + 1) if rng.random() < 0.1}
        self.sequence = WindowSequence("h/w", limits, joins=joins, mark=Mark(1, 0))
        self.saved = Mark(1, 0)
        self.delivered: list[Delivery] = []
        self.processed: list[int] = []
        self.open_gaps: set[tuple[int, int]] = set()
        self.named_lost: set[int] = set()
        self._way: list[Any] = []
        self._waiting: deque[Delivery] = deque()
        self._next = 1
        self._deleted: set[int] = set()

    def is_sealed(self, seq: int) -> bool:
        return seq in self._sealed

    def is_gone(self, seq: int) -> bool:
        """Whether the window answers a question for *seq* with a tombstone."""
        return seq in self._gone

    def run(self) -> None:
        for step in range(MOST_STEPS):
            fair = step > FAIR_AFTER
            self._publish()
            self._carry(fair=fair)
            self._housekeep(step * STEP_S, fair=fair)
            self._consume()
            if self.rng.random() < self.crashes and not fair:
                self._crash()
            if self.saved == Mark(1, self.count):
                return
        raise AssertionError(f"still at {self.saved} of {self.count}")

    def _views(self, seq: int) -> list[View]:
        views = [View(epoch=1, seq=seq, body=("p", seq), sealed=seq in self._sealed)]
        if seq in self._sealed and self.joins:
            views.append(View(epoch=1, seq=seq, body=("s", seq), branch="sealed", sealed=True))
        self.rng.shuffle(views)
        return views

    def _publish(self) -> None:
        for _ in range(self.rng.randint(0, 3)):
            if self._next <= self.count:
                self._way += self._views(self._next)
                self._next += 1

    def _carry(self, *, fair: bool) -> None:
        """Lose, double and mix what is on its way, and deliver some of it."""
        if self.rng.random() < 0.3:
            self.rng.shuffle(self._way)
        count = self.rng.randint(0, 9)
        arriving, self._way = self._way[:count], self._way[count:]
        for view in arriving:
            if fair or self.rng.random() >= self.loss:
                for _ in range(self.rng.choice([1, 1, 1, 2, 3])):
                    self._arrive(view)

    def _arrive(self, view: Any) -> None:
        self.sequence.offer(view)

    def _housekeep(self, now: float, *, fair: bool) -> None:
        if self.rng.random() < 0.3 or fair:
            self.sequence.told_head(1, self._next - 1, live=True)
        self.sequence.tick(now)
        asked = self.sequence.questions(now)
        ack = self.sequence.acknowledgement(self.saved, asked)
        if ack and (fair or self.rng.random() >= self.loss):
            self._acknowledged(ack.upto, ack.missing)

    def _acknowledged(self, upto: int, missing: tuple[tuple[int, int], ...]) -> None:
        """Do what the daemon does: delete what is complete, answer what is missing."""
        named = {seq for first, last in missing for seq in range(first, last + 1)}
        self._deleted |= set(range(1, upto + 1)) - named
        unprocessed = set(range(1, self.count + 1)) - set(self.processed)
        assert not self._deleted & unprocessed, "deleted before it was processed"
        for seq in sorted(named):
            assert seq < self._next, "asked for what does not exist"
            if seq in self._gone:
                self._way.append(View(epoch=1, seq=seq, body=("t", seq), tombstone=True))
            else:
                self._way += self._views(seq)

    def _consume(self) -> None:
        while self.sequence.out:
            item = self.sequence.out.popleft()
            if isinstance(item, Delivery):
                self._waiting.append(item)
                self.delivered.append(item)
            elif isinstance(item, Gap):
                self._note(item)
        for _ in range(self.rng.randint(0, 5)):
            if self._waiting:
                item = self._waiting.popleft()
                self.processed.append(item.seq)
                self.sequence.done(item)
        if self.rng.random() < 0.5 and self.sequence.mark:
            self.saved = self.sequence.mark.copy()

    def _note(self, gap: Gap) -> None:
        name = (gap.first, gap.last)
        if gap.state == "open":
            self.open_gaps.add(name)
        else:
            self.open_gaps.remove(name)
        if gap.state == "lost":
            self.named_lost |= set(range(gap.first, gap.last + 1))

    def _crash(self) -> None:
        """Forget everything but the saved position."""
        self._waiting.clear()
        self.open_gaps.clear()
        self.sequence = WindowSequence("h/w", self.limits, joins=self.joins, mark=self.saved.copy())
