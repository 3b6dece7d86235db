"""Sends what is in the outbox, reads every PUBACK, and sends again what the broker did not take.

One thread owns the MQTT connection. It keeps a bounded window in flight and never trusts the client library's
memory: after a break it starts again at the first event the broker has not taken. Order of sending: current
state and replies, then events by ``seq``, then replays that a subscriber asked for.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from edge import logs
from edge.delivery.connection import Connection
from edge.delivery.feed import Feed
from edge.delivery.flights import Flight
from edge.delivery.link_errors import TOO_LARGE, taken_over
from edge.delivery.replays import EVENT_TYPE, SEALED_TYPE, Replays
from edge.delivery.topics import Topics
from edge.delivery.transport import BrokerAddress, Message, Transport
from edge.store.outbox import Outbox, Row

WINDOW_BYTES = 128 * 1024
"""So much is in flight: 3 MB/s over 40 ms, and a second's wait for a state behind it at 1 Mbit/s."""
_URGENT = 4  # so many states and replies may be in flight beyond the events' window
_IDLE_S = 0.5  # a broker that is silent is noticed by the keep-alive, which paho looks at only when it is called
_SETTLE_S = 0.5
_WAITING = 1000  # replies kept over a break of the connection


class Publisher(Connection):
    """Owns the MQTT thread. All public methods may be called from any thread."""

    def __init__(
        self,
        address: BrokerAddress,
        topics: Topics,
        window: int,
        will: Callable[[], Message],
        on_message: Callable[[Message], None],
        on_refused: Callable[[int, int], None],
    ) -> None:
        super().__init__("mqtt", address, will, on_message, topics.subscriptions)
        self._topics, self._on_refused = topics, on_refused
        self._window = window
        self._outbox: Outbox | None = None
        self._replays: Replays | None = None
        self._retained: dict[str, Message] = {}
        self._control: deque[Message] = deque()
        self._feed = Feed(self._flights, self.wake)
        self._views: deque[Flight] = deque()  # of the event that is going out
        self._rival = False
        self._too_large = 0
        self._settled = 0
        self._settle_at = 0.0

    @property
    def sent(self) -> int:
        """The last ``seq`` handed to a connection, this one or one before."""
        return self._flights.handed

    @property
    def brokered(self) -> int:
        """The ``seq`` up to which the broker has taken everything."""
        return self._flights.brokered

    def start(self, outbox: Outbox | None = None, replays: Replays | None = None) -> None:
        """Begin with what the broker has not taken yet; without a store only states are sent."""
        self._outbox, self._replays = outbox, replays
        if outbox is not None:
            flights = self._flights
            flights.sent = flights.handed = flights.brokered = self._settled = outbox.brokered
        self._thread.start()

    def offer(self, rows: Sequence[Row]) -> None:
        """Take newly accepted rows, in order."""
        self._feed.offer(rows)
        self.wake()

    def keep(self, message: Message) -> None:
        """Publish a retained message now if it says anything new, and again after every reconnect."""
        if self._retained.get(message.topic) != message:
            self._retained[message.topic] = message
            self.send(message)

    def send(self, message: Message) -> None:
        """Publish *message* soon; without a connection a state is dropped (:meth:`keep` knows it), a reply waits."""
        if self.link == "up" if message.retain else len(self._control) < _WAITING:
            self._control.append(message)
            self.wake()

    def renew(self, address: BrokerAddress, window: int) -> None:
        """Use another broker, another way to it, or another window from now on; nothing is lost by that."""
        self._window = window
        if address != self._address:
            self.go_to(address)

    def give_way(self) -> None:
        """Leave the broker to another client with our name, and say so. Called in the MQTT thread."""
        self._rival = True

    def stop(self, last: Message, wait_s: float = 0.7) -> None:
        """Publish *last* (retained), say goodbye and end the thread; gives up after *wait_s*."""
        self.keep(last)
        self.end(wait_s)

    # -- the MQTT thread ----------------------------------------------------------------------------

    def _connected(self, transport: Transport) -> None:
        waiting = self._flights.restart()
        while self._control:
            waiting.append(self._control.popleft())
        self._feed.restart()
        self._views.clear()
        super()._connected(transport)  # before the states are copied: a change from now on is sent behind them
        replies = [message for message in waiting if not message.retain]
        self._control.extendleft(reversed([*self._retained.copy().values(), *replies[-_WAITING:]]))
        window = min(self._window, transport.receive_maximum)
        self._breaks.up(broker=self._address.host, window=window)

    def _serve(self, transport: Transport) -> None:
        while not self._stopping.is_set() or self._control or 0 in self._flights.under_way():
            self._pump(transport, self._window + _URGENT, WINDOW_BYTES)
            transport.pass_once(self._wait_s())
            self._read_acks(transport)
            if self._rival:
                self._rival = False
                raise taken_over()
            self._look_for_move()
            self._settle()
        self._settle_at = 0.0
        self._settle()

    def _wait_s(self) -> float:
        if self.brokered != self._settled or self._flights.retrying:
            return 0.1
        return _IDLE_S

    def _next(self, transport: Transport) -> Flight | None:
        """Return what goes out next: states and replies, what was refused and is due, events, replays."""
        while (flight := self._candidate(transport)) is not None:
            if flight.bytes <= transport.max_packet_bytes:
                return flight
            self._too_large += 1
            if logs.worth_a_line(self._too_large):
                fields = {"topic": flight.message.topic, "count": self._too_large}
                self._log.warning("a message is larger than the broker takes", extra={"fields": fields})
        return None

    def _candidate(self, transport: Transport) -> Flight | None:
        while self._control:
            if self._flights.wanted(flight := Flight(self._control.popleft())):
                return flight
        if len(self._flights) >= min(self._window, max(1, transport.receive_maximum - 1)):
            return None  # what is left of the window is for what is urgent
        return self._due() or self._event(transport)

    def _due(self) -> Flight | None:
        """Return what was refused before and may go out again."""
        while (flight := self._flights.due()) is not None:
            message = flight.message
            if not message.retain or self._retained.get(message.topic) == message:  # else a newer one went out
                return flight
        return None

    def _event(self, transport: Transport) -> Flight | None:
        while self._views:
            if self._flights.wanted(flight := self._views.popleft()):
                return flight
        if self._stopping.is_set():
            return None
        while self._outbox is not None and (row := self._feed.next_row(self._outbox)) is not None:
            if self._begin(row, transport.max_packet_bytes):
                return self._views.popleft()
        again = self._replays.next_message() if self._replays is not None else None
        return None if again is None else Flight(again)

    def _begin(self, row: Row, limit_bytes: int) -> bool:
        """Make the views of *row* ready to go out; return whether the broker would take them."""
        views = [Message(self._topics.event(row.topic), row.public, content_type=EVENT_TYPE)]
        if row.sealed is not None:
            views.append(Message(self._topics.sealed(row.topic), row.sealed, content_type=SEALED_TYPE))
        self._flights.begin(row.seq, len(views))
        outgoing = [Flight(view, row.seq) for view in views]
        if any(flight.bytes > limit_bytes for flight in outgoing):
            self._refuse(row.seq, TOO_LARGE)
            return False
        self._views.extend(outgoing)
        return True

    def _refuse(self, seq: int, reason: int) -> None:
        """Park the event *seq* for good; the queue goes on."""
        if self._flights.give_up(seq) and self._outbox is not None:
            self._outbox.refuse(seq, reason)
            self._on_refused(seq, reason)

    def _settle(self) -> None:
        """Tell the outbox, now and then, what the broker has."""
        now = time.monotonic()
        if self.brokered != self._settled and now >= self._settle_at and self._outbox is not None:
            self._settle_at = now + _SETTLE_S
            self._settled = self.brokered
            self._outbox.settle(self.brokered)
