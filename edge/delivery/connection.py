"""A thread of ours that keeps one MQTT connection: it connects, serves, backs off and comes back."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from edge import logs
from edge.delivery.blame import Blame
from edge.delivery.breaks import Breaks
from edge.delivery.dialing import Dialer
from edge.delivery.flights import ACK_LIMIT_S, Flight, Flights
from edge.delivery.link_errors import FIRST_FAILURE, NO_SUBSCRIBERS, TransportError
from edge.delivery.transport import BrokerAddress, Message, Transport

_BACKOFF_S = (0.5, 4.5)  # with the time to connect, the window is back within 5 s of the broker
_REFUSED_S = (
    30.0  # at first; the broker does not want us, or another one has our name: nothing that mends itself in seconds
)
_STEADY_S = 5.0  # a connection that lasts so long: the next break starts with the shortest back-off again
_LONGEST_TRY_S = 30.0  # name, connection, TLS, MQTT and subscription, each with its own limit
_UNSAID = 0x80  # the reason of a broker that hangs up without one
_BLAMES = frozenset({0x81, 0x82, 0x83, 0x87, 0x90, 0x95, 0x99})  # a DISCONNECT over something it was sent


class _Moved(Exception):
    """The connection ends because the configuration names another broker, or another way to it."""


class Connection(ABC):
    """Owns one thread and its connections, one after the other. Public methods may be called from any thread."""

    def __init__(
        self,
        name: str,
        address: BrokerAddress,
        will: Callable[[], Message | None],
        on_message: Callable[[Message], None],
        subscriptions: Sequence[str],
    ) -> None:
        self.link: Literal["up", "down"] = "down"
        self.problem: TransportError | None = None
        self.connects = 0
        self.max_packet_bytes: int | None = None
        """What the broker takes at most, as it said at the last connect."""
        self.unheard = 0
        """PUBACKs that said: nobody is subscribed."""
        self.deaf: dict[str, float] = {}
        """Branches (``event``, ``sealed``) whose last PUBACK said that nobody is subscribed, and when it came."""
        self.moved: float | None = None
        """When its thread last turned to it, or will have at the latest (monotonic); ``None``: it does not run."""
        self._address = self._connected_to = address
        self._will = will
        self._on_message, self._subscriptions = on_message, subscriptions
        self.before_pause: Callable[[], None] = lambda: None
        """Called in the thread before it waits for its next try."""
        self._log = logs.get(name)
        self._breaks = Breaks(name)
        self._dialer = Dialer(address.host, address.port)
        self._hopeless = False
        self._refusals: Counter[int] = Counter()  # by reason
        self._flights = Flights()
        self._suspects = Blame(self._flights)
        self._connected_at = 0.0
        self._taken_before = 0  # what the broker had taken when it connected
        self._delay_s = _BACKOFF_S[0]
        self._stopping = threading.Event()
        self._hurry = threading.Event()  # set: no pause before the next try
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def wake(self) -> None:
        """Make the thread look for work."""
        with contextlib.suppress(OSError, ValueError):  # it has ended
            os.eventfd_write(self._wake_fd, 1)

    def end(self, wait_s: float) -> None:
        """Let the thread finish; gives up after *wait_s*."""
        self._stopping.set()
        self._hurry.set()
        self.wake()
        if self._thread.ident is not None:
            self._thread.join(wait_s * 0.7)
            self._hopeless = True
            self._thread.join(wait_s * 0.3)
        if not self._thread.is_alive():
            wake_fd, self._wake_fd = self._wake_fd, -1
            if wake_fd >= 0:
                os.close(wake_fd)

    def go_to(self, address: BrokerAddress) -> None:
        """Connect to *address* from now on, at once; without a goodbye, so that our last will says we have left."""
        self._address = address
        self._hurry.set()
        self.wake()

    @abstractmethod
    def _serve(self, transport: Transport) -> None:
        """Send and receive until the end is asked for; a break raises ``TransportError``."""

    @abstractmethod
    def _next(self, transport: Transport) -> Flight | None:
        """Return what goes out next."""

    @abstractmethod
    def _refuse(self, seq: int, reason: int) -> None:
        """Give *seq* up: the broker refuses it for good."""

    def lasting(self) -> list[TransportError]:
        """Return what a person should know even while the connection is up: a rival, breaks, states refused."""
        refused = [TransportError(code="MQT-120")] if self._flights.muted() else []
        return [*self._breaks.lasting(), *refused]

    def _run(self) -> None:
        while not self._stopping.is_set():
            began, connects = time.monotonic(), self.connects
            self._hurry.clear()
            self.moved = began + _LONGEST_TRY_S
            transport = self._transport()
            try:
                transport.connect(self._subscriptions)
                self._connected(transport)
                self._serve(transport)
                transport.close()
                break
            except _Moved:
                self.link, self.problem = "down", None
            except TransportError as error:
                self._disconnected(error)
            except Exception as error:  # noqa: BLE001  # a bug of ours or of paho's: the thread must live
                self._log.error("the MQTT connection ended by a bug", exc_info=error)
                self._disconnected(TransportError(reason=0x83, code="MQT-199"))
            transport.drop()
            self.before_pause()
            pause_s = self._pause_s(None if self.connects > connects else time.monotonic() - began)
            self.moved = time.monotonic() + pause_s
            self._hurry.wait(pause_s)
        self.moved = None

    def _transport(self) -> Transport:
        address = self._connected_to = self._address
        if (self._dialer.host, self._dialer.port) != (address.host, address.port):
            self._dialer = Dialer(address.host, address.port)
        return Transport(
            address, self._will(), self._on_message, self._wake_fd, self._dialer,
            lambda: self._hopeless or self._address is not address,
        )  # fmt: skip

    def _look_for_move(self) -> None:
        """End the connection when it is to be another one."""
        if self._address is not self._connected_to and not self._stopping.is_set():
            raise _Moved

    def _pause_s(self, tried_s: float | None) -> float:
        """Return how long to wait before the next try: less, if the last one took *tried_s* to fail."""
        refused = self.problem is not None and self.problem.refused
        longest_s = _REFUSED_S * self._breaks.patience() if refused else self._delay_s
        self._delay_s = min(self._delay_s * 2, _BACKOFF_S[1])
        pause_s = longest_s * random.uniform(0.5, 1.0)  # noqa: S311  # 500 windows must not come back at one moment
        return pause_s if refused or tried_s is None else max(pause_s - tried_s, _BACKOFF_S[0] / 2)

    def _connected(self, transport: Transport) -> None:
        self.connects += 1
        self._connected_at = time.monotonic()
        self._taken_before = self._flights.taken
        self.max_packet_bytes = transport.max_packet_bytes
        self.link, self.problem = "up", None

    def _disconnected(self, error: TransportError) -> None:
        was_up = self.link == "up"
        if not self._hopeless:
            self._breaks.down(error, was_up=was_up)
        if was_up:
            if time.monotonic() - self._connected_at > _STEADY_S:
                self._delay_s = _BACKOFF_S[0]
            if (guilty := self._guilty(error)) is not None:
                self._refuse(guilty, error.reason or _UNSAID)
        self.link, self.problem = "down", error

    def _guilty(self, error: TransportError) -> int | None:
        """Return the event that has to be given up, if one is to blame for *error*."""
        if error.reason in _BLAMES:
            return self._suspects.convict(told=True)
        if error.code == "MQT-104" and self._flights.taken == self._taken_before:
            return None  # it has taken nothing at all: that is not about one message
        hung_up = error.reason is None and error.code in ("MQT-101", "MQT-104", "MQT-117")
        return self._suspects.convict(told=False) if hung_up else None

    def _pump(self, transport: Transport, limit: int, limit_bytes: int) -> None:
        """Fill the window: *limit* messages or *limit_bytes*, or fewer messages if the broker takes fewer."""
        self.moved = time.monotonic()
        flights = self._flights
        window = self._suspects.narrowed(max(1, min(limit, transport.receive_maximum)))
        while len(flights) < window and flights.bytes < limit_bytes and (flight := self._next(transport)) is not None:
            flights.took_off(transport.publish(flight.message), flight)

    def _listen(self, topic: str, reason: int) -> None:
        """Note whether anybody hears the branch of an event's *topic*: that PUBACK says so."""
        branch = "sealed" if "/sealed/" in topic else "event"
        if reason == NO_SUBSCRIBERS:
            self.unheard += 1
            self.deaf[branch] = time.monotonic()
        elif reason < FIRST_FAILURE:
            self.deaf.pop(branch, None)

    def _read_acks(self, transport: Transport) -> None:
        acked, transport.acked = transport.acked, []
        for mid, reason in acked:
            flight = self._flights.acknowledged(mid, reason)
            if flight is None:
                continue
            if flight.seq:
                self._listen(flight.message.topic, reason)
            if reason >= FIRST_FAILURE and self._flights.wanted(flight):
                again = self._flights.try_again(flight, reason)
                self._tell_refusal(flight, reason)
                if not again and flight.seq:
                    self._refuse(flight.seq, reason)
        if self._flights.overdue():
            raise TransportError(f"the broker has not acknowledged for {ACK_LIMIT_S:.0f} s", code="MQT-104")

    def _tell_refusal(self, flight: Flight, reason: int) -> None:
        self._refusals[reason] += 1
        if logs.worth_a_line(count := self._refusals[reason]):
            fields = {"reason": f"0x{reason:02x}", "topic": flight.message.topic, "try": flight.refused, "count": count}
            self._log.warning("the broker refuses a message", extra={"fields": fields})
