"""A thread of ours that keeps one MQTT connection: it connects, serves, backs off and comes back."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Literal

from edge import logs
from edge.flights import ACK_LIMIT_S, Blame, Flight, Flights
from edge.transport import FIRST_FAILURE, NO_SUBSCRIBERS, BrokerAddress, Message, Transport, TransportError

_BACKOFF_S = (0.5, 5.0)
_REFUSED_S = 30.0  # the broker does not want us, or another one has our name: nothing that mends itself in seconds
_STEADY_S = 5.0  # a connection that lasts so long: the next break starts with the shortest back-off again
_BLAMES = frozenset({0x81, 0x82, 0x83, 0x87, 0x90, 0x95, 0x99})  # a DISCONNECT over something it was sent


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
        self._address, self._will = address, will
        self._on_message, self._subscriptions = on_message, subscriptions
        self.before_pause: Callable[[], None] = lambda: None
        """Called in the thread before it waits for its next try."""
        self._log = logs.get(name)
        self._flights = Flights()
        self._suspects = Blame(self._flights)
        self._connected_at = 0.0
        self._delay_s = _BACKOFF_S[0]
        self._stopping = threading.Event()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def wake(self) -> None:
        """Make the thread look for work."""
        with contextlib.suppress(OSError, ValueError):  # it has ended
            os.eventfd_write(self._wake_fd, 1)

    def end(self, wait_s: float) -> None:
        """Let the thread finish; gives up after *wait_s*."""
        self._stopping.set()
        self.wake()
        if self._thread.ident is not None:
            self._thread.join(wait_s)
        if not self._thread.is_alive():
            wake_fd, self._wake_fd = self._wake_fd, -1
            if wake_fd >= 0:
                os.close(wake_fd)

    @abstractmethod
    def _serve(self, transport: Transport) -> None:
        """Send and receive until the end is asked for; a break raises ``TransportError``."""

    @abstractmethod
    def _next(self, transport: Transport) -> Flight | None:
        """Return what goes out next."""

    @abstractmethod
    def _refuse(self, seq: int, reason: int) -> None:
        """Give *seq* up: the broker refuses it for good."""

    def _run(self) -> None:
        while not self._stopping.is_set():
            transport = Transport(self._address, self._will(), self._on_message, self._wake_fd)
            try:
                transport.connect(self._subscriptions)
                self._connected(transport)
                self._serve(transport)
                transport.close()
                return
            except TransportError as error:
                self._disconnected(error)
            except Exception as error:  # noqa: BLE001  # a bug of ours or of paho's: the thread must live
                self._log.error("the MQTT connection ended by a bug", exc_info=error)
                self._disconnected(TransportError("a bug in hall-edge or in paho", reason=0x83, code="MQT-199"))
            transport.drop()
            self.before_pause()
            refused = self.problem is not None and self.problem.refused
            # jittered, so that 500 windows do not come back at the same moment
            self._stopping.wait((_REFUSED_S if refused else self._delay_s) * random.uniform(0.5, 1.0))  # noqa: S311
            self._delay_s = min(self._delay_s * 2, _BACKOFF_S[1])

    def _connected(self, transport: Transport) -> None:
        self.connects += 1
        self._connected_at = time.monotonic()
        self.max_packet_bytes = transport.max_packet_bytes
        self.link, self.problem = "up", None

    def _disconnected(self, error: TransportError) -> None:
        if self.link == "up" or self.problem is None or self.problem.code != error.code:
            self._log.warning(str(error), extra={"fields": {"code": error.code}})
        if self.link == "up":
            if time.monotonic() - self._connected_at > _STEADY_S:
                self._delay_s = _BACKOFF_S[0]
            if error.reason in _BLAMES and (guilty := self._suspects.convict()) is not None:
                self._refuse(guilty, error.reason or 0)
        self.link, self.problem = "down", error

    def _pump(self, transport: Transport, limit: int) -> None:
        """Fill the window: *limit* messages, or fewer if the broker takes fewer."""
        window = self._suspects.narrowed(max(1, min(limit, transport.receive_maximum)))
        while len(self._flights) < window and (flight := self._next(transport)) is not None:
            self._flights.took_off(transport.publish(flight.message), flight)

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
                self._log.warning("the broker refuses a message", extra={"fields": fields})
                if not again and flight.seq:
                    self._refuse(flight.seq, reason)
        if self._flights.overdue():
            raise TransportError(
                f"the broker has not acknowledged for {ACK_LIMIT_S:.0f} s",
                code="MQT-104",
                action="check the network to the broker and the broker's load",
            )
