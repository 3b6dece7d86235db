"""The three parties of a schedule: a window of real parts, a broker that may forget, a subscriber of real parts.

Nothing here waits, and no clock runs but :attr:`Clock.now`: a schedule is the same at every run.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from edge.delivery.feed import Feed
from edge.delivery.flights import Flight, Flights
from edge.delivery.replays import EVENT_TYPE, SEALED_TYPE, Replays
from edge.delivery.topics import Topics
from edge.delivery.transport import Message
from edge.events import StandsFor
from edge.store.outbox import Row
from edge.store.retention import Kept
from edge.subscriber.marks import Mark
from edge.subscriber.model import Delivery, Gap, Limits, NewStore, View, WentBack
from edge.subscriber.sequence import WindowSequence
from tests.faults.ledger.thin_store import Disk, ThinOutbox

OFFICE = "case-system"
TOPICS = Topics("hall", "w")
KEPT_S = 1000
KEPT = Kept((KEPT_S * 1000,) * 4)
WINDOW = 4
LIMITS = Limits(ask_after_s=1, tail_grace_s=2, ask_every_s=2, ask_pause_s=8, ask_chunk=5, gap_limit_s=20,
                max_buffered=8, went_back_after_s=5, remembered_ids=1000)  # fmt: skip
HEALTH = "health"
REFUSED = 0x87


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Wire:
    """A message as it waits at the broker. Of a health, *payload* is not used."""

    topic: str
    payload: bytes = b""
    sealed: bool = False
    health: tuple[int, int, int] | None = None
    """Epoch, head, and what the subscriber has acknowledged."""
    retained: bool = False


class Broker:
    """Queues for both sides. What it loses, doubles, mixes or refuses is the schedule's choice."""

    def __init__(self) -> None:
        self.to_office: deque[Wire] = deque()
        self.to_window: deque[bytes] = deque()
        self.pubacks: list[tuple[int, int]] = []
        self.health: Wire | None = None
        self.saved: tuple[list[Wire], Wire | None] = ([], None)
        self.refusing = 0
        self.forgetting = 0

    def publish(self, mid: int, message: Message) -> None:
        """Take a message of the window, refuse it, or take it and forget it."""
        if self.refusing and message.topic.startswith(TOPICS.event("")):
            self.refusing -= 1
            self.pubacks.append((mid, REFUSED))
            return
        self.pubacks.append((mid, 0))
        if self.forgetting:
            self.forgetting -= 1
            return
        self.to_office.append(Wire(message.topic, message.payload, message.content_type == SEALED_TYPE))

    def tell_health(self, health: tuple[int, int, int]) -> None:
        self.to_office.append(Wire(HEALTH, health=health))
        self.health = Wire(HEALTH, health=health, retained=True)

    def save(self) -> None:
        self.saved = (list(self.to_office), self.health)

    def kill(self) -> None:
        """End as by kill -9: what is there then is what was saved some time before."""
        queue, self.health = self.saved
        self.to_office = deque(queue)
        self.to_window.clear()
        self.pubacks.clear()
        self.refusing = self.forgetting = 0


class Window:
    """What is between a commit and the broker, of the daemon's own parts; :meth:`kill` leaves only the disk."""

    def __init__(self, disk: Disk, broker: Broker, clock: Clock, accepted: Callable[[int, Row], None]) -> None:
        self.disk, self.broker, self.clock, self._note = disk, broker, clock, accepted
        self._mid = 0
        self.connected = False
        self.boot()

    def boot(self) -> None:
        """Start as the daemon does."""
        self.flights = Flights(self.clock)
        self.feed = Feed(self.flights, lambda: None)
        self.views: deque[Flight] = deque()
        self.outbox = ThinOutbox(self.disk, render, self._accepted, [OFFICE], KEPT)
        self.outbox.open()
        self.outbox.at_once = True  # Replays asks, and waits, once
        self.replays = Replays(self.outbox, TOPICS, [OFFICE], tombstone_of(self.outbox), lambda: None)
        self.outbox.at_once = False
        self.flights.sent = self.flights.brokered = self.outbox.brokered
        self.connect()

    def connect(self) -> None:
        """Begin a new connection: what was under way goes out again."""
        self.broker.pubacks.clear()
        for message in self.flights.restart():
            self.views.append(Flight(message))
        self.feed.restart()
        self.views = deque(flight for flight in self.views if not flight.seq)
        self.connected = True
        self.tell()

    def tell(self) -> None:
        if self.connected:
            self.broker.tell_health((self.outbox.epoch, self.outbox.head, self.replays.acks[OFFICE].upto))

    def commit(self, sealed: list[bool]) -> None:
        self.outbox.commit_soon(sealed)

    def pump(self) -> None:
        """Fill the window as the publisher does: refused ones that are due, events, replays."""
        while self.connected and len(self.flights) < WINDOW and (flight := self._next()) is not None:
            self._mid += 1
            self.flights.took_off(self._mid, flight)
            self.broker.publish(self._mid, flight.message)

    def _next(self) -> Flight | None:
        if (due := self.flights.due()) is not None:
            return due
        while True:
            while self.views:
                if not (flight := self.views.popleft()).seq or self.flights.wanted(flight):
                    return flight
            if (row := self.feed.next_row(self.outbox)) is None:
                break
            views = [Message(TOPICS.event(row.topic), row.public, content_type=EVENT_TYPE)]
            if row.sealed is not None:
                views.append(Message(TOPICS.sealed(row.topic), row.sealed, content_type=SEALED_TYPE))
            self.flights.begin(row.seq, len(views))
            self.views.extend(Flight(view, row.seq) for view in views)
        again = self.replays.next_message()
        return Flight(again) if again else None

    def hear(self, count: int) -> None:
        """Take PUBACKs and acknowledgements that have arrived."""
        came, self.broker.pubacks = self.broker.pubacks[:count], self.broker.pubacks[count:]
        for mid, reason in came:
            flight = self.flights.acknowledged(mid, reason)
            if not flight or not reason or not self.flights.wanted(flight) or self.flights.try_again(flight, reason):
                continue
            if flight.seq and self.flights.give_up(flight.seq):
                self.outbox.refuse(flight.seq, reason)
        for _ in range(min(count, len(self.broker.to_window))):
            self.replays.heard("ack", OFFICE, self.broker.to_window.popleft())
        if self.flights.overdue():
            self.connect()

    def settle(self) -> None:
        self.outbox.settle(self.flights.brokered)

    def kill(self) -> None:
        """End as by kill -9, and start again."""
        self.connected = False
        self.boot()

    def _accepted(self, rows: list[Row]) -> None:
        self.feed.offer(rows)
        for row in rows:
            self._note(self.outbox.epoch, row)


def render(sealed: bool, seq: int, epoch: int) -> Row:
    """Make a row whose bytes say what it is: ``{epoch} {seq} {id} {sealed}``."""
    COUNT[0] += 1
    name = f"e{COUNT[0]}"
    text = f"{epoch} {seq} {name} {int(sealed)}".encode()
    return Row(seq, name, "code-scanner/gun-1/scanned", 1, text, text if sealed else None)


COUNT = [0]


def tombstone_of(outbox: ThinOutbox) -> Callable[[int, StandsFor], bytes]:
    return lambda seq, what: f"{outbox.epoch} {seq} - {what.reason} {what.id or ''}".encode()


class Office:
    """A back office: the real sequence with its position; :meth:`kill` leaves only what was saved."""

    def __init__(self, broker: Broker, clock: Clock, *, joins: bool) -> None:
        self.broker, self.clock, self.joins = broker, clock, joins
        self.saved: Mark | None = None
        self.lives: list[list[Delivery]] = [[]]
        """What was shown to the consumer, one list a life."""
        self.processed: set[str] = set()
        self.kept: set[str] = set()
        """The ids that were processed when the position was saved: they must never come again."""
        self.again: list[str] = []
        self.reached: set[str] = set()
        """The ids of events that got as far as here in this life."""
        self.notices: list[Gap | NewStore | WentBack] = []
        self.waiting: deque[Delivery] = deque()
        self.sequence = self.begin()

    def begin(self) -> WindowSequence:
        mark = self.saved.copy() if self.saved else Mark(1, 0)
        return WindowSequence("hall/w", LIMITS, joins=self.joins, mark=mark)

    def kill(self) -> None:
        self.waiting.clear()
        self.reached.clear()
        self.processed = set(self.kept)
        self.sequence = self.begin()
        self.lives.append([])
        if self.broker.health:
            self.take(self.broker.health)

    def take(self, wire: Wire) -> None:
        if wire.health is not None:
            epoch, head, acknowledged = wire.health
            self.sequence.told_head(epoch, head, live=not wire.retained)
            self.sequence.told_acknowledged(epoch, acknowledged)
        elif not wire.sealed or self.joins:
            view = view_of(wire)
            if not view.tombstone:
                self.reached.add(view.id)
            known = self.sequence.epoch
            if known is None or view.epoch <= known:  # a higher one is believed only from the health
                self.sequence.offer(view)
        self._collect()

    def _collect(self) -> None:
        while self.sequence.out:
            item = self.sequence.out.popleft()
            if isinstance(item, Delivery):
                self.waiting.append(item)
                if not item.passed:
                    self.lives[-1].append(item)
                    self.again += [item.id] if item.id in self.kept else []
            else:
                self.notices.append(item)

    def consume(self, count: int) -> None:
        for _ in range(min(count, len(self.waiting))):
            item = self.waiting.popleft()
            self.processed.add(name_of(item))
            self.sequence.done(item)

    def save(self) -> None:
        if self.sequence.mark:
            self.saved = self.sequence.mark.copy()
            self.kept = {name for name in self.processed if name}

    def tick(self, *, asks: bool = True) -> None:
        self.sequence.tick(self.clock.now)
        self._collect()
        asked = self.sequence.questions(self.clock.now) if asks else []
        ack = self.sequence.acknowledgement(self.saved, asked)
        if ack:
            missing = [[str(first), str(last)] for first, last in ack.missing]
            body: dict[str, Any] = {"epoch": ack.epoch, "upto_seq": str(ack.upto), "missing": missing}
            self.broker.to_window.append(json.dumps(body | ({"upto_id": ack.upto_id} if ack.upto_id else {})).encode())


def view_of(wire: Wire) -> View:
    epoch, seq, name, last, *stands_for = wire.payload.decode().split()
    if name == "-":
        return View(epoch=int(epoch), seq=int(seq), body=last, tombstone=True, id="".join(stands_for))
    branch: Literal["public", "sealed"] = "sealed" if wire.sealed else "public"
    return View(epoch=int(epoch), seq=int(seq), body=name, branch=branch, sealed=last == "1", id=name)


def name_of(item: Delivery) -> str:
    return item.id or f"{item.epoch}/{item.seq}"
