"""Sends what is in the outbox, reads every PUBACK, and sends again what the broker did not take.

One thread owns the MQTT connection. It keeps a bounded window in flight and never trusts the client library's
memory: after a break it starts again at the first event the broker has not taken. Order of sending: current
state and replies, then events by ``seq``, then replays that a subscriber asked for.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from edge import logs
from edge.feed import Feed
from edge.flights import ACK_LIMIT_S, TRIES, Flight, Flights
from edge.outbox import Outbox, Row
from edge.replays import EVENT_TYPE, SEALED_TYPE, Replays
from edge.topics import Topics
from edge.transport import (
    FIRST_FAILURE,
    NO_SUBSCRIBERS,
    TOO_LARGE,
    BrokerAddress,
    Message,
    Transport,
    TransportError,
    taken_over,
)

_SETTLE_S = 0.5
_BACKOFF_S = (0.5, 5.0)
_REFUSED_S = 30.0  # the broker does not want us, or another one has our name: nothing that mends itself in seconds
_STEADY_S = 5.0  # a connection that lasts so long: the next break starts with the shortest back-off again
_WAITING = 1000  # replies kept over a break of the connection
_BLAMES = frozenset({0x81, 0x82, 0x83, 0x87, 0x90, 0x95, 0x99})  # a DISCONNECT over something it was sent
_log = logs.get("mqtt")


class Publisher:
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
        self.link: Literal["up", "down"] = "down"
        self.problem: TransportError | None = None
        self.connects = 0
        self.unheard = 0
        """PUBACKs that said: nobody is subscribed."""
        self._address, self._topics, self._will = address, topics, will
        self._on_message, self._on_refused = on_message, on_refused
        self._limit = self._window = window
        self._outbox: Outbox | None = None
        self._replays: Replays | None = None
        self._retained: dict[str, Message] = {}
        self._control: deque[Message] = deque()
        self._flights = Flights()
        self._feed = Feed(self._flights, self.wake)
        self._views: deque[Flight] = deque()  # of the event that is going out
        self._narrow_upto = 0  # one message at a time up to this seq, to find the one the broker disconnects for
        self._blamed: dict[int, int] = {}
        self._rival = False
        self._connected_at = 0.0
        self._delay_s = _BACKOFF_S[0]
        self._settled = 0
        self._settle_at = 0.0
        self._stopping = threading.Event()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    @property
    def sent(self) -> int:
        """The last ``seq`` handed to the connection."""
        return self._flights.sent

    @property
    def brokered(self) -> int:
        """The ``seq`` up to which the broker has taken everything."""
        return self._flights.brokered

    def start(self, outbox: Outbox, replays: Replays) -> None:
        """Begin with what the broker has not taken yet."""
        self._outbox, self._replays = outbox, replays
        self._flights.sent = self._flights.brokered = self._settled = outbox.brokered
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

    def give_way(self) -> None:
        """Leave the broker to another client with our name, and say so. Called in the MQTT thread."""
        self._rival = True

    def wake(self) -> None:
        """Make the MQTT thread look for work."""
        with contextlib.suppress(OSError):
            os.eventfd_write(self._wake_fd, 1)

    def stop(self, last: Message, wait_s: float = 0.7) -> None:
        """Publish *last* (retained), say goodbye and end the thread; gives up after *wait_s*."""
        self.keep(last)
        self._stopping.set()
        self.wake()
        if self._thread.ident is not None:
            self._thread.join(wait_s)
        if not self._thread.is_alive():
            wake_fd, self._wake_fd = self._wake_fd, -1
            os.close(wake_fd)

    # -- the MQTT thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            transport = Transport(self._address, self._will(), self._on_message, self._wake_fd)
            try:
                transport.connect(self._topics.subscriptions)
                self._connected(transport)
                self._serve(transport)
                transport.close()
                return
            except TransportError as error:
                self._disconnected(error)
            except Exception as error:  # noqa: BLE001  # a bug of ours or of paho's: the thread must live
                _log.error("the MQTT connection ended by a bug", exc_info=error)
                self._disconnected(TransportError("a bug in hall-edge or in paho", reason=0x83, code="MQT-199"))
            transport.drop()
            refused = self.problem is not None and self.problem.refused
            # jittered, so that 500 windows do not come back at the same moment
            self._stopping.wait((_REFUSED_S if refused else self._delay_s) * random.uniform(0.5, 1.0))  # noqa: S311
            self._delay_s = min(self._delay_s * 2, _BACKOFF_S[1])

    def _connected(self, transport: Transport) -> None:
        self._window = max(1, min(self._limit, transport.receive_maximum))
        waiting = self._flights.restart()
        while self._control:
            waiting.append(self._control.popleft())
        self._feed.restart()
        self._views.clear()
        self.connects += 1
        self._connected_at = time.monotonic()
        self.link, self.problem = "up", None  # before the states are copied: a change from now on is sent behind them
        replies = [message for message in waiting if not message.retain]
        self._control.extendleft(reversed([*self._retained.copy().values(), *replies[-_WAITING:]]))
        _log.info("connected", extra={"fields": {"broker": self._address.host, "window": self._window}})

    def _disconnected(self, error: TransportError) -> None:
        if self.link == "up" or self.problem is None or self.problem.code != error.code:
            _log.warning(str(error), extra={"fields": {"code": error.code}})
        if self.link == "up":
            if time.monotonic() - self._connected_at > _STEADY_S:
                self._delay_s = _BACKOFF_S[0]
            if error.reason in _BLAMES:
                self._blame(error.reason or 0)
        self.link, self.problem = "down", error

    def _blame(self, reason: int) -> None:
        """Find the event that the broker disconnects for, one at a time, and park it: it must not block the rest."""
        under_way = self._flights.under_way()
        if under_way == {0}:
            self._flights.restart()  # replies are not worth another break
        elif len(under_way) == 1:
            (seq,) = under_way
            self._blamed[seq] = self._blamed.get(seq, 0) + 1
            if self._blamed[seq] >= TRIES:
                del self._blamed[seq]
                self._refuse(seq, reason)
        self._narrow_upto = self.sent

    def _serve(self, transport: Transport) -> None:
        while not self._stopping.is_set() or self._control or 0 in self._flights.under_way():
            self._pump(transport)
            transport.pass_once(self._wait_s())
            self._read_acks(transport)
            if self._rival:
                self._rival = False
                raise taken_over()
            if self._flights.overdue():
                raise TransportError(
                    f"the broker has not acknowledged for {ACK_LIMIT_S:.0f} s",
                    code="MQT-104",
                    action="check the network to the broker and the broker's load",
                )
            self._settle()
        self._settle_at = 0.0
        self._settle()

    def _wait_s(self) -> float:
        if self.brokered != self._settled or self._flights.retrying:
            return 0.1
        return 1.0 if self._flights else 2.0

    def _pump(self, transport: Transport) -> None:
        """Fill the window."""
        window = 1 if self.brokered < self._narrow_upto else self._window
        while len(self._flights) < window and (flight := self._next(transport)) is not None:
            self._flights.took_off(transport.publish(flight.message), flight)

    def _next(self, transport: Transport) -> Flight | None:
        """Return what goes out next: what was refused and is due, states and replies, events, replays."""
        while (flight := self._candidate(transport)) is not None:
            if flight.message.packet_bytes <= transport.max_packet_bytes:
                return flight
            _log.warning("a message is larger than the broker takes", extra={"fields": {"topic": flight.message.topic}})
        return None

    def _candidate(self, transport: Transport) -> Flight | None:
        while (flight := self._flights.due()) is not None:
            message = flight.message
            if not message.retain or self._retained.get(message.topic) == message:  # else a newer one went out
                return flight
        while self._views:
            if self._flights.wanted(flight := self._views.popleft()):
                return flight
        while self._control:
            if self._flights.wanted(flight := Flight(self._control.popleft())):
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
        if any(view.packet_bytes > limit_bytes for view in views):
            self._refuse(row.seq, TOO_LARGE)
            return False
        self._views.extend(Flight(view, row.seq) for view in views)
        return True

    def _read_acks(self, transport: Transport) -> None:
        acked, transport.acked = transport.acked, []
        for mid, reason in acked:
            flight = self._flights.acknowledged(mid, reason)
            if flight is None:
                continue
            self.unheard += reason == NO_SUBSCRIBERS and flight.seq > 0
            if reason >= FIRST_FAILURE and self._flights.wanted(flight):
                again = self._flights.try_again(flight)
                fields = {"reason": f"0x{reason:02x}", "topic": flight.message.topic, "refused": flight.refused}
                _log.warning("the broker refuses a message", extra={"fields": fields})
                if not again and flight.seq:
                    self._refuse(flight.seq, reason)

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
