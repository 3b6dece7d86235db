"""One random schedule of what can happen to three parties, run to its end, and compared with the truth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.store.outbox import Row
from edge.subscriber.model import Delivery, NewStore
from tests.faults.ledger.steps import Step
from tests.faults.ledger.thin_store import Disk
from tests.faults.ledger.three import KEPT_S, Broker, Clock, Office, Window

FAIR_ROUNDS = 400


class Wrong(AssertionError):
    """The subscriber's state is not the truth."""


@dataclass
class World:
    """Three parties and the truth about them."""

    joins: bool = False
    epoch: int = 1
    accepted: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The id of every accepted event, with its epoch and seq."""
    rolled_back: set[str] = field(default_factory=set)
    """The ids of events that a restored disk does not know."""
    ended: set[int] = field(default_factory=set)
    restores: int = 0
    killed_since: bool = False

    def __post_init__(self) -> None:
        self.clock, self.broker = Clock(), Broker()
        self.disk = Disk(self.epoch, self.clock)
        self.window = Window(self.disk, self.broker, self.clock, self._accepted)
        self.office = Office(self.broker, self.clock, joins=self.joins)
        self._backup: tuple[bytes, int, set[str]] | None = None

    def close(self) -> None:
        self.disk.close()

    def _accepted(self, epoch: int, row: Row) -> None:
        self.accepted[row.id] = (epoch, row.seq)

    def do(self, step: Step) -> None:
        getattr(self, f"_{step[0]}")(step[1])

    # -- what usually happens -----------------------------------------------------------------------

    def _joins(self, n: int) -> None:
        self.office.joins = bool(n)
        self.office.sequence = self.office.begin()

    def _commit(self, n: int) -> None:
        self.window.commit([bool(n >> bit & 1) for bit in range(n % 3 + 1)])

    def _store(self, _n: int) -> None:
        self.window.outbox.work()

    def _partly_store(self, n: int) -> None:
        self.window.outbox.work(1 + n % 2)

    def _pump(self, _n: int) -> None:
        self.window.pump()

    def _hear(self, n: int) -> None:
        self.window.hear(1 + n % 8)

    def _settle(self, _n: int) -> None:
        self.window.settle()

    def _health(self, _n: int) -> None:
        self.window.tell()

    def _carry(self, n: int) -> None:
        for _ in range(min(1 + n % 8, len(self.broker.to_office))):
            self.office.take(self.broker.to_office.popleft())

    def _consume(self, n: int) -> None:
        self.office.consume(1 + n % 6)

    def _save(self, _n: int) -> None:
        self.office.save()

    def _tick(self, n: int) -> None:
        self.clock.now += (0.3, 0.7, 1.5, 4.0)[n % 4]
        self.office.tick()

    # -- faults -------------------------------------------------------------------------------------

    def _lose(self, n: int) -> None:
        for _ in range(min(1 + n % 5, len(self.broker.to_office))):
            self.broker.to_office.popleft()

    def _double(self, n: int) -> None:
        if queue := self.broker.to_office:
            queue.append(queue[n % len(queue)])

    def _mix(self, n: int) -> None:
        queue = list(self.broker.to_office)
        random.Random(n).shuffle(queue)
        self.broker.to_office.clear()
        self.broker.to_office.extend(queue)

    def _lose_acks(self, n: int) -> None:
        for _ in range(min(1 + n % 3, len(self.broker.to_window))):
            self.broker.to_window.popleft()

    def _forget(self, n: int) -> None:
        self.broker.forgetting = 1 + n % 4

    def _refuse(self, n: int) -> None:
        self.broker.refusing = 1 + n % 6

    def _cut(self, _n: int) -> None:
        self.window.connect()

    def _kill_window(self, _n: int) -> None:
        self.window.kill()

    def _kill_office(self, _n: int) -> None:
        self.office.kill()
        self.killed_since = self.killed_since or self.restores > 0

    def _broker_saves(self, _n: int) -> None:
        self.broker.save()

    def _kill_broker(self, _n: int) -> None:
        self.broker.kill()
        self.window.connect()
        if self.broker.health:
            self.office.take(self.broker.health)
        self.office.sequence.resume(self.clock.now)

    # -- rare ---------------------------------------------------------------------------------------

    def _expire(self, _n: int) -> None:
        self.clock.now += KEPT_S + 1
        self.window.outbox.work()
        self.office.sequence.resume(self.clock.now)

    def _new_store(self, _n: int) -> None:
        """Put the store aside: what was not confirmed is lost with it."""
        self.ended.add(self.epoch)
        self.epoch += 1
        self.disk.close()
        self.disk = self.window.disk = Disk(self.epoch, self.clock)
        self._backup = None
        self.window.kill()

    def _image(self, _n: int) -> None:
        self._backup = (self.disk.image(), self.epoch, set(self.accepted))

    def _restore(self, _n: int) -> None:
        """Put an old image of the disk in the place of the disk."""
        if self._backup is None:
            return
        image, self.epoch, known = self._backup
        self.rolled_back |= self.accepted.keys() - known
        self.restores += 1
        self.disk.restore(image)
        self.window.kill()

    # -- the end ------------------------------------------------------------------------------------

    def settle_down(self) -> None:
        """Let nothing go wrong any more until everything has arrived and was acknowledged."""
        self.broker.refusing = self.broker.forgetting = 0
        self.window.commit([False])  # the next citizen: something of every store that began is sent
        for number in range(FAIR_ROUNDS):
            self.window.outbox.work()
            self.window.pump()
            self.window.hear(1000)
            while self.window.outbox.waiting:
                self.window.outbox.work()
            if number % 3 == 0:
                self.window.settle()
                self.window.tell()
                self.window.outbox.work()
            self._carry_all()
            self.office.consume(1000)
            self.office.save()
            if self._at_rest():
                return
            self.clock.now += 1.0
            self.office.tick()
        raise Wrong(f"never at rest: {self.office.saved}, head {self.window.outbox.head}, {self._gaps()}")

    def _carry_all(self) -> None:
        while self.broker.to_office:
            self.office.take(self.broker.to_office.popleft())

    def _gaps(self) -> list[str]:
        return [str(gap) for gap in self.office.sequence.gaps]

    def _at_rest(self) -> bool:
        mark, outbox = self.office.saved, self.window.outbox
        return (
            mark is not None
            and (mark.epoch, mark.upto) == (outbox.epoch, outbox.head)
            and not mark.missing
            and not self.office.sequence.gaps
            and self.window.flights.brokered >= outbox.head
            and outbox.depth == 0
        )

    def check(self) -> None:
        """Compare what the consumer was shown with the truth; raises :class:`Wrong`."""
        shown = [item for life in self.office.lives for item in life]
        seen = {item.id for item in shown if item.id}
        tombs = {(item.epoch, item.seq): item for item in shown if item.tombstone}
        for name, place in self.accepted.items():
            if name in seen or self._unknowable(name, place) or self._named(*place):
                continue
            what = f"{name} (epoch {place[0]} seq {place[1]})"
            if place not in tombs:
                raise Wrong(f"{what} is neither here nor named")
            if "confirmed-and-deleted" in str(tombs[place].public):
                raise Wrong(f"{what} was deleted before it was processed")
        if seen - self.accepted.keys():
            raise Wrong("something was shown that nobody had accepted")
        if self.office.again and not self.killed_since:
            raise Wrong(f"shown again after it was processed and saved: {self.office.again}")
        for life in self.office.lives:
            self._check_life(life)

    def _unknowable(self, name: str, place: tuple[int, int]) -> bool:
        """Return whether the disk that held the event was taken away, and its number given before or again.

        Or it has a number that another event had before, a restored disk gave it again, and it never got as far as
        the subscriber: an acknowledgement proves by its id only the last of what it acknowledges.
        """
        if name in self.rolled_back:
            return True
        if self.restores == 0 or name in self.office.reached:
            return False
        return place[0] in self.ended or any(self.accepted[other] == place for other in self.rolled_back)

    def _check_life(self, life: list[Delivery]) -> None:
        """Each event once, in order, joined with its sealed half."""
        names = [item.id for item in life if item.id]
        if len(names) != len(set(names)):
            raise Wrong("an event was shown twice")
        in_order = [(item.turn, item.seq) for item in life if not item.late and item.epoch == life[0].epoch]
        if self.restores == 0 and in_order != sorted(in_order):
            raise Wrong(f"not in order: {in_order}")
        for item in life:
            bodies = {body for body in (item.public, item.sealed) if body is not None}
            if len(bodies) > 1:
                raise Wrong("two events were joined into one")

    def _named(self, epoch: int, seq: int) -> bool:
        """Return whether the subscriber said of this number that it is lost."""
        for notice in self.office.notices:
            if isinstance(notice, NewStore) and notice.old_epoch < epoch < notice.epoch:
                return True  # a store that came and went before anybody heard of it
            if isinstance(notice, NewStore) and notice.old_epoch == epoch and self._lost_with(notice, seq):
                return True
        return False

    @staticmethod
    def _lost_with(notice: NewStore, seq: int) -> bool:
        return seq > notice.last_seq or any(first <= seq <= last for first, last in notice.missing)


def run(steps: Sequence[Step]) -> None:
    """Run a schedule to its end; raises :class:`Wrong`, or whatever a part of it raises."""
    world = World()
    try:
        for step in steps:
            world.do(step)
        world.settle_down()
        world.check()
    finally:
        world.close()


def fails(steps: Sequence[Step]) -> bool:
    """Return whether a schedule fails."""
    try:
        run(steps)
    except Exception:  # noqa: BLE001  whatever it is, it is a failure
        return True
    return False
