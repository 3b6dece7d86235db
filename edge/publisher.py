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
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

from edge import logs
from edge.outbox import Outbox, Page, Row
from edge.replays import Replays
from edge.topics import Topics
from edge.transport import (
    FIRST_FAILURE,
    NO_SUBSCRIBERS,
    TOO_LARGE,
    BrokerAddress,
    Message,
    Transport,
    TransportError,
)

EVENT_TYPE = "application/cloudevents+json"
SEALED_TYPE = "application/jose+json"
_ACK_LIMIT_S = 5.0  # a PUBACK later than this means a half-open link
_SETTLE_S = 0.5
_TRIES = 3
_BACKOFF_S = (0.5, 30.0)
_LIVE_ROWS = 2000
_PAGE_ROWS = 200
_OVERHEAD_BYTES = 512  # topic, properties and header of a packet, at most
_log = logs.get("mqtt")


@dataclass(slots=True)
class _Flight:
    """A message the broker has not acknowledged yet; *seq* is 0 for what is no event."""

    message: Message
    seq: int
    sent: float
    tries: int = 1


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
        self.refused = 0
        self.sent = 0
        self.brokered = 0
        self._address, self._topics, self._will = address, topics, will
        self._on_message, self._on_refused = on_message, on_refused
        self._limit = self._window = window
        self._outbox: Outbox | None = None
        self._replays: Replays | None = None
        self._retained: dict[str, Message] = {}
        self._control: deque[Message] = deque()
        self._live: deque[Row] = deque()
        self._fetched: deque[Page] = deque()
        self._fetching = False
        self._flights: dict[int, _Flight] = {}
        self._again: list[tuple[float, _Flight]] = []
        self._parts: dict[int, int] = {}
        self._settled = 0
        self._settle_at = 0.0
        self._stopping = threading.Event()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self, outbox: Outbox, replays: Replays) -> None:
        """Begin with what the broker has not taken yet."""
        self._outbox, self._replays = outbox, replays
        self.sent = self.brokered = self._settled = outbox.brokered
        self._thread.start()

    def offer(self, rows: Sequence[Row]) -> None:
        """Take newly accepted rows, in order. Too many to keep: they are read from the outbox later."""
        if len(self._live) + len(rows) > _LIVE_ROWS:
            self._live.clear()
        else:
            self._live.extend(rows)
        self.wake()

    def keep(self, message: Message) -> None:
        """Publish a retained message now if it says anything new, and again after every reconnect."""
        if self._retained.get(message.topic) != message:
            self._retained[message.topic] = message
            self.send(message)

    def send(self, message: Message) -> None:
        """Publish *message* soon; dropped when there is no connection (replies, answers)."""
        if self.link == "up":
            self._control.append(message)
            self.wake()

    def wake(self) -> None:
        """Make the MQTT thread look for work."""
        with contextlib.suppress(OSError):
            os.eventfd_write(self._wake_fd, 1)

    def stop(self, last: Message, wait_s: float = 0.7) -> None:
        """Publish *last*, say goodbye and end the thread; gives up after *wait_s*."""
        self._control.append(last)
        self._stopping.set()
        self.wake()
        if self._thread.ident is not None:
            self._thread.join(wait_s)
        if not self._thread.is_alive():
            os.close(self._wake_fd)
            self._wake_fd = -1

    # -- the MQTT thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        delay = _BACKOFF_S[0]
        while not self._stopping.is_set():
            transport = Transport(self._address, self._will(), self._on_message, self._wake_fd)
            try:
                transport.connect(self._topics.subscriptions)
                delay = _BACKOFF_S[0]
                self._connected(transport)
                self._serve(transport)
                transport.close()
            except TransportError as error:
                transport.drop()
                self._disconnected(error)
                # jittered, so that 500 windows do not come back at the same moment
                self._stopping.wait(delay * random.uniform(0.5, 1.0))  # noqa: S311  # no secret
                delay = min(delay * 2, _BACKOFF_S[1])

    def _connected(self, transport: Transport) -> None:
        self._window = max(1, min(self._limit, transport.receive_maximum))
        self.sent = self.brokered
        self._flights.clear()
        self._again.clear()
        self._parts.clear()
        self._fetched.clear()
        self._control.clear()
        self._control.extend(list(self._retained.values()))
        self.connects += 1
        self.link, self.problem = "up", None
        _log.info("connected", extra={"fields": {"broker": self._address.host, "window": self._window}})

    def _disconnected(self, error: TransportError) -> None:
        if self.link == "up" or self.problem is None or self.problem.code != error.code:
            _log.warning(str(error), extra={"fields": {"code": error.code}})
        self.link, self.problem = "down", error

    def _serve(self, transport: Transport) -> None:
        while not self._stopping.is_set() or self._control or any(not f.seq for f in self._flights.values()):
            self._pump(transport)
            transport.pass_once(self._wait_s())
            self._read_acks(transport)
            self._check_deadlines(transport)
            self._settle()

    def _wait_s(self) -> float:
        if self.brokered != self._settled or self._again:
            return 0.1
        return 1.0 if self._flights else 2.0

    def _pump(self, transport: Transport) -> None:
        """Fill the window."""
        while self._control:
            self._fly(transport, self._control.popleft(), 0)
        while len(self._flights) < self._window and (row := self._next_row()) is not None:
            self.sent = row.seq
            self._fly_row(transport, row)
        if self._replays is not None and not self._stopping.is_set():
            while len(self._flights) < self._window and (message := self._replays.next_message()) is not None:
                self._fly(transport, message, 0)

    def _next_row(self) -> Row | None:
        """Return the next row to send, from memory if it is there, else ask the outbox for a page."""
        outbox = self._outbox
        if outbox is None or self._stopping.is_set():
            return None
        while self._fetched:
            page = self._fetched[0]
            while page.rows:
                row = page.rows.pop(0)
                if row.seq > self.sent:
                    return row
            self._fetched.popleft()
            self.sent = max(self.sent, page.upto)
            self._advance_brokered()
        while self._live and self._live[0].seq <= self.sent:
            self._live.popleft()
        if self._live and self._live[0].seq == self.sent + 1:
            return self._live.popleft()
        if outbox.head > self.sent and not self._fetching and not outbox.failed:
            self._fetching = True
            outbox.after(self.sent, _PAGE_ROWS).add_done_callback(self._page_came)
        return None

    def _page_came(self, future: Future[Page]) -> None:
        if future.exception() is None:
            self._fetched.append(future.result())
        self._fetching = False
        self.wake()

    def _fly_row(self, transport: Transport, row: Row) -> None:
        messages = [Message(self._topics.event(row.topic), row.public, content_type=EVENT_TYPE)]
        if row.sealed is not None:
            messages.append(Message(self._topics.sealed(row.topic), row.sealed, content_type=SEALED_TYPE))
        limit = transport.max_packet_bytes - _OVERHEAD_BYTES
        if any(len(message.payload) > limit for message in messages):
            self._refuse(row.seq, TOO_LARGE)
            return
        self._parts[row.seq] = len(messages)
        for message in messages:
            self._fly(transport, message, row.seq)

    def _fly(self, transport: Transport, message: Message, seq: int, tries: int = 1) -> None:
        self._flights[transport.publish(message)] = _Flight(message, seq, time.monotonic(), tries)

    def _read_acks(self, transport: Transport) -> None:
        acked, transport.acked = transport.acked, []
        for mid, reason in acked:
            flight = self._flights.pop(mid, None)
            if flight is None:
                continue
            self.unheard += reason == NO_SUBSCRIBERS
            if reason >= FIRST_FAILURE:
                self._refused_once(flight, reason)
            elif flight.seq:
                self._part_done(flight.seq)
        if acked:
            self._advance_brokered()

    def _part_done(self, seq: int) -> None:
        left = self._parts.get(seq, 0) - 1
        if left > 0:
            self._parts[seq] = left
        else:
            self._parts.pop(seq, None)

    def _advance_brokered(self) -> None:
        """Everything before the first part not acknowledged (parts are in order of sending) is with the broker."""
        self.brokered = max(self.brokered, next(iter(self._parts)) - 1 if self._parts else self.sent)

    def _refused_once(self, flight: _Flight, reason: int) -> None:
        fields = {"reason": f"0x{reason:02x}", "topic": flight.message.topic, "tries": flight.tries}
        _log.warning("the broker refuses a message", extra={"fields": fields})
        if flight.tries < _TRIES:
            flight.tries += 1
            self._again.append((time.monotonic() + 2.0 ** (flight.tries - 2), flight))
        elif flight.seq:
            self._part_done(flight.seq)
            self._refuse(flight.seq, reason)

    def _refuse(self, seq: int, reason: int) -> None:
        """Park the event *seq* for good; the queue goes on."""
        self.refused += 1
        if self._outbox is not None:
            self._outbox.refuse(seq, reason).add_done_callback(lambda _done: None)
            self._on_refused(seq, reason)

    def _check_deadlines(self, transport: Transport) -> None:
        now = time.monotonic()
        due = [flight for at, flight in self._again if at <= now]
        self._again = [(at, flight) for at, flight in self._again if at > now]
        for flight in due:
            self._fly(transport, flight.message, flight.seq, flight.tries)
        oldest = next(iter(self._flights.values()), None)
        if oldest is not None and now - oldest.sent > _ACK_LIMIT_S:
            raise TransportError(
                f"the broker has not acknowledged for {_ACK_LIMIT_S:.0f} s",
                code="MQT-104",
                action="check the network to the broker and the broker's load",
            )

    def _settle(self) -> None:
        """Tell the outbox, now and then, what the broker has."""
        now = time.monotonic()
        if self.brokered != self._settled and now >= self._settle_at and self._outbox is not None:
            self._settle_at = now + _SETTLE_S
            self._settled = self.brokered
            self._outbox.settle(self.brokered)
