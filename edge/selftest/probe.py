"""A connection of the self-test's own to the broker: may we publish and hear what a window must, and how fast?

It uses the window's identity under a client id of its own, so that it puts no running daemon off. What it publishes is
no event (:mod:`edge.probes`): subscribers leave it alone, and nothing of it stays at the broker. Everything here is for
one thread.
"""

from __future__ import annotations

import os
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.delivery.link_errors import FIRST_FAILURE, TransportError
from edge.delivery.topics import Topics
from edge.delivery.transport import BrokerAddress, Message, Transport
from edge.probes import PROBE, PROBE_TYPE

LIMIT_S = 6.5
"""So long all of it may take."""
_ANSWER_S = 3.0
_DAY_S = 86_400.0
_STEP_S = 0.05


@dataclass
class Outcome:
    """What was found; what has no answer is not named."""

    error: TransportError | None = None
    connect_s: float = 0.0
    echo_s: float | None = None
    """How long our own status took to the broker and back."""
    published: dict[str, int] = field(default_factory=dict)
    """The reason codes of the PUBACKs, by branch."""
    granted: dict[str, int] = field(default_factory=dict)
    """Those of the SUBACK, by what was subscribed to."""
    broker_days: int | None = None
    """How long the broker's own certificate is still good."""


class _Probe(Transport):
    """A transport that tells what was granted instead of ending for what was not."""

    def __init__(self, address: BrokerAddress, heard: Callable[[Message], None], wake_fd: int,
                 cancelled: Callable[[], bool]) -> None:  # fmt: skip
        self.granted: list[int] | None = None
        super().__init__(address, None, heard, wake_fd, cancelled=cancelled)

    def subscribe(self, topics: Sequence[str]) -> None:
        """Ask for *topics*; what is kept for new subscribers does not come."""
        options = SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        self._client.subscribe([(topic, options) for topic in topics])

    def broker_days(self) -> int | None:
        """Return for how many days the broker's certificate is still good."""
        sock: Any = self._client.socket()
        ends = (sock.getpeercert() or {}).get("notAfter") if isinstance(sock, ssl.SSLSocket) else None
        return None if not isinstance(ends, str) else int((ssl.cert_time_to_seconds(ends) - time.time()) / _DAY_S)

    def _suback(self, _c: Any, _u: Any, _mid: int, reasons: list[ReasonCode], _p: Any) -> None:
        self.granted = [reason.value for reason in reasons]


class BrokerProbe:
    """Looks once. *echo* has the daemon publish its status with a mark; without one the window is offline, and that
    is what the probe publishes itself: *offline* is the body."""

    def __init__(
        self, address: BrokerAddress, topics: Topics, offline: bytes, echo: Callable[[str], object] | None = None
    ) -> None:
        self._address, self._topics, self._offline, self._echo = address, topics, offline, echo
        self._mark = str(uuid.uuid4())
        self._heard_at: float | None = None
        self._end = 0.0
        self.cancelled = False
        """Set by whoever waits no longer."""

    def run(self) -> Outcome:
        """Connect and look; never raises for what the broker does."""
        self._end = time.monotonic() + LIMIT_S
        outcome = Outcome()
        left = dict(self._messages())
        wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            self._over_first(outcome, left, wake_fd)
            while left and outcome.error is None and not self._late():
                self._over_next(outcome, left, wake_fd)
            if left:
                raise TransportError(code="MQT-104")
        except TransportError as error:
            outcome.error = error
        finally:
            os.close(wake_fd)
        return outcome

    def _over_first(self, outcome: Outcome, left: dict[str, Message], wake_fd: int) -> None:
        """Connect, subscribe, and have the status come back; raises ``TransportError``."""
        began = time.monotonic()
        transport = _Probe(self._address, self._hear, wake_fd, self._late)
        try:
            transport.connect([])
            outcome.connect_s = time.monotonic() - began
            outcome.broker_days = transport.broker_days()
            self._subscribe(transport, outcome)
            self._go_round(transport, outcome)
            if outcome.published.get("status", 0) < FIRST_FAILURE:
                self._publish(transport, outcome, left)
        finally:
            transport.close()

    def _over_next(self, outcome: Outcome, left: dict[str, Message], wake_fd: int) -> None:
        """Go on behind a refusal, for which a broker may end the connection."""
        transport = _Probe(self._address, self._hear, wake_fd, self._late)
        try:
            transport.connect([])
            self._publish(transport, outcome, left)
        finally:
            transport.close()

    def _publish(self, transport: _Probe, outcome: Outcome, left: dict[str, Message]) -> None:
        """Publish what is *left*, one after the other: with the connection a broker may take back what it has answered.

        Returns behind a refusal.
        """
        while left and not self._late():
            branch, message = left.popitem()
            outcome.published[branch] = reason = self._answer(transport, message)
            if reason >= FIRST_FAILURE:
                return

    def _answer(self, transport: _Probe, message: Message) -> int:
        """Return the reason code of the PUBACK; a connection that ends over *message* is a refusal, too."""
        mid = transport.publish(message)
        try:
            self._until(transport, lambda: any(mid == acked for acked, _ in transport.acked))
        except TransportError as error:
            if not any(mid == acked for acked, _ in transport.acked):
                return error.reason or FIRST_FAILURE
        answered = [reason for acked, reason in transport.acked if acked == mid]
        if not answered:
            raise TransportError(code="MQT-104")
        return answered[0]

    def _subscribe(self, transport: _Probe, outcome: Outcome) -> None:
        transport.subscribe(self._topics.subscriptions)
        self._until(transport, lambda: transport.granted is not None)
        outcome.granted = dict(zip(self._topics.subscriptions, transport.granted or (), strict=False))

    def _go_round(self, transport: _Probe, outcome: Outcome) -> None:
        """Have the status published, and wait until it comes back."""
        began = time.monotonic()
        if self._echo is not None:
            self._echo(self._mark)
        else:
            user = (("probe", self._mark),)
            status = Message(self._topics.status, self._offline, content_type=PROBE_TYPE, user=user, expiry_s=1)
            outcome.published["status"] = self._answer(transport, status)
            if outcome.published["status"] >= FIRST_FAILURE:
                return
        self._until(transport, lambda: self._heard_at is not None)
        outcome.echo_s = None if self._heard_at is None else self._heard_at - began

    def _messages(self) -> Iterator[tuple[str, Message]]:
        """Yield something to publish on each branch, by its name."""
        topics, number = self._topics, self._mark
        places: Mapping[str, str] = {
            "event": topics.event("system/window/probe"),
            "sealed": topics.sealed("system/window/probe"),
            "blob": f"{topics.base}/blob/{number}/probe",
            "replayed": topics.replayed("probe"),
            "reply": f"{topics.base}/reply/probe/{number}",
            "health": topics.health,
            "device-status": topics.device_status("window"),
            "device-about": topics.device_about("window"),
        }
        for branch, topic in places.items():
            yield branch, Message(topic, PROBE, content_type=PROBE_TYPE, expiry_s=1)

    def _hear(self, message: Message) -> None:
        if ("probe", self._mark) in message.user and message.topic == self._topics.status:
            self._heard_at = time.monotonic()

    def _until(self, transport: _Probe, done: Callable[[], bool]) -> None:
        """Move bytes until *done*, or for too long."""
        end = min(self._end, time.monotonic() + _ANSWER_S)
        while not done() and time.monotonic() < end and not self.cancelled:
            transport.pass_once(_STEP_S)

    def _late(self) -> bool:
        return self.cancelled or time.monotonic() > self._end
