"""One MQTT 5 connection, by paho-mqtt, driven from a single thread of ours.

A transport lives for one connection: what is in flight when it ends is the outbox's to send again, so paho's own
queue never holds more than the publisher's window (it drops silently beyond 65,535).
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge import logs
from edge.delivery.dialing import Cancelled, Dialer, NotResolved
from edge.delivery.link_errors import (
    FIRST_FAILURE,
    PROTOCOL_ERROR,
    TransportError,
    disconnected,
    not_connected,
    turned_away,
)
from edge.delivery.properties import of_publish, of_will
from edge.delivery.tls import TlsFiles, Trouble, Wire, closed_at_once, explain

_WILL_DELAY_S = 10
_CONNECT_S = 5.0
_MAX_RECEIVED_BYTES = 128 * 1024  # requests and acknowledgements are smaller; the broker keeps the rest from us
_log = logs.get("mqtt")


def _troubled(trouble: Trouble) -> TransportError:
    return TransportError(trouble.seen, code=trouble.code, action=trouble.action)


@dataclass(frozen=True)
class Message:
    """One message to publish or received."""

    topic: str
    payload: bytes
    retain: bool = False
    content_type: str | None = None
    correlation: bytes | None = None
    response_topic: str | None = None
    user: tuple[tuple[str, str], ...] = ()
    expiry_s: int | None = None
    """The broker keeps it no longer than that for who is away."""

    @property
    def packet_bytes(self) -> int:
        """The size of its PUBLISH packet, at most (a few bytes too large)."""
        texts = [self.topic, self.content_type or "", *(part for pair in self.user for part in pair)]
        return 32 + len(self.payload) + len(self.correlation or b"") + sum(3 + len(text.encode()) for text in texts)


@dataclass(frozen=True)
class BrokerAddress:
    """Where and how to connect; *tls* is ``None`` for plain MQTT."""

    host: str
    port: int
    client_id: str
    keepalive_s: int = 5
    tls: TlsFiles | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    session_s: int = 60
    """The broker keeps our session over a break: longer than the will delay, so that a short one shows no "offline"."""


class _Client(paho.Client):
    """paho with our own way to open a connection; a test sees to it that paho still takes it."""

    dial: Callable[[], socket.socket]

    def _create_socket_connection(self) -> socket.socket:
        return self.dial()

    def ping_every(self, most_s: int) -> None:
        """Ping more often than the broker wants to be pinged; it may even have said: never."""
        if not 0 < self._keepalive <= most_s:
            self._keepalive = most_s


class Transport:
    """An MQTT connection. Every method is for the one thread that made it."""

    def __init__(
        self, address: BrokerAddress, will: Message | None, on_message: Callable[[Message], None], wake_fd: int,
        dialer: Dialer | None = None, cancelled: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """*dialer* knows the broker from earlier connections; connecting ends early once it is *cancelled*."""
        self.receive_maximum = 65_535
        self.max_packet_bytes = 268_435_455
        self.acked: list[tuple[int, int]] = []
        """PUBACKs since last looked at: ``(mid, reason code)``; the reader clears it."""
        self._address = address
        self._on_message = on_message
        self._wake_fd = wake_fd
        self._ended: TransportError | None = None
        self._poll = select.poll()
        self._connected = False
        self._awaited: int | None = None
        self._wire: Any = None
        self._cancelled = cancelled
        dialer = dialer or Dialer(address.host, address.port)
        client = _Client(CallbackAPIVersion.VERSION2, address.client_id, protocol=paho.MQTTv5)
        client.dial = lambda: dialer.dial(_CONNECT_S, cancelled)
        client.max_inflight_messages_set(0)  # the window is the publisher's
        if will is not None:
            client.will_set(will.topic, will.payload, 1, True, of_will(will.content_type, _WILL_DELAY_S))
        client.username_pw_set(address.username, address.password)
        client.connect_timeout = _CONNECT_S
        client.on_connect, client.on_disconnect = self._connack, self._disconnected
        client.on_publish, client.on_message = self._puback, self._received
        client.on_subscribe, client.on_socket_open = self._suback, self._opened
        self._client = client

    def connect(self, subscriptions: Sequence[str]) -> None:
        """Connect and subscribe, or raise :class:`TransportError`. Each of its steps takes 5 s at most."""
        wanted = Properties(PacketTypes.CONNECT)
        wanted.SessionExpiryInterval = self._address.session_s
        wanted.MaximumPacketSize = _MAX_RECEIVED_BYTES
        address = self._address
        try:
            if address.tls:
                self._client.tls_set_context(address.tls.context())
            self._client.connect(
                address.host, address.port, address.keepalive_s, clean_start=not address.session_s, properties=wanted
            )
        except NotResolved as error:
            raise TransportError(f"the name {address.host} is not resolved ({error})", code="MQT-118") from error
        except (OSError, ValueError) as error:
            if address.tls and not isinstance(error, Cancelled) and (trouble := explain(error, address.tls)):
                raise _troubled(trouble) from error
            raise not_connected(address.host, address.port, error) from error
        self._poll.register(self._wake_fd, select.POLLIN)
        self._until(lambda: self._connected, "the broker accepts the connection but not MQTT 5")
        if not subscriptions:
            return
        options = SubscribeOptions(qos=1, retainAsPublished=True)
        self._awaited = self._client.subscribe([(topic, options) for topic in subscriptions])[1]
        self._until(lambda: self._awaited is None, "the broker does not answer our subscription")

    def publish(self, message: Message) -> int:
        """Hand *message* to the socket; return its packet id."""
        info = self._client.publish(
            message.topic,
            message.payload,
            1,
            message.retain,
            of_publish(message.content_type, message.correlation, message.user, message.expiry_s),
        )
        if info.rc not in (paho.MQTT_ERR_SUCCESS, paho.MQTT_ERR_NO_CONN, paho.MQTT_ERR_CONN_LOST):
            raise TransportError(f"the MQTT client refuses a message: {paho.error_string(info.rc)}", code="MQT-102")
        return info.mid

    def pass_once(self, wait_s: float) -> None:
        """Move bytes in both directions, waiting at most *wait_s*; raises ``TransportError`` at the end."""
        if self._ended is None and self._client.socket() is None:
            self._ended = TransportError("the broker closed the connection")
        if self._ended is not None:
            raise self._ended
        sock: Any = self._socket
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        self._poll.register(sock, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        ready = dict(self._poll.poll(0 if pending else wait_s * 1000))
        if self._wake_fd in ready:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._wake_fd)
        happened = ready.get(sock.fileno(), 0)
        if pending or happened & ~select.POLLOUT:
            self._read()
        if happened & select.POLLOUT:
            self._client.loop_write()
        self._client.loop_misc()

    def _read(self) -> None:
        try:
            self._client.loop_read()
        except (TransportError, MemoryError):
            raise
        except Exception as error:  # whatever paho stumbles over is of the broker's making
            raise TransportError(
                f"the broker sends what is not MQTT 5 ({type(error).__name__})", code="MQT-117"
            ) from error

    def close(self) -> None:
        """Send what is queued, say goodbye (no last will) and close. Never raises."""
        with contextlib.suppress(TransportError, OSError, ValueError):
            self._client.disconnect()
            while self._client.want_write():
                self.pass_once(0.2)
        self.drop()

    def drop(self) -> None:
        """Close without a goodbye: the broker will publish the last will. Never raises."""
        sock = self._client.socket()
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()

    @property
    def _socket(self) -> socket.socket:
        sock = self._client.socket()
        if sock is None:
            raise self._ended or TransportError("the broker closed the connection")
        return sock  # type: ignore[return-value]

    def _until(self, done: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + _CONNECT_S
        while time.monotonic() < end:
            if done():
                return
            if self._cancelled():
                break
            self.pass_once(0.1)
        raise TransportError(otherwise, code="MQT-103")

    # -- paho's callbacks, in our thread -----------------------------------------------------------

    def _connack(self, _c: Any, _u: Any, _flags: Any, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.value >= FIRST_FAILURE:
            self._ended = turned_away(reason.value, reason.getName())
            return
        if not getattr(properties, "RetainAvailable", 1) or not getattr(properties, "MaximumQoS", 1):
            self._ended = TransportError(code="MQT-116")
            return
        self._connected = True
        self.receive_maximum = getattr(properties, "ReceiveMaximum", self.receive_maximum)
        self.max_packet_bytes = getattr(properties, "MaximumPacketSize", self.max_packet_bytes)
        self._client.ping_every(self._address.keepalive_s)

    def _disconnected(self, _c: Any, _u: Any, flags: paho.DisconnectFlags, reason: ReasonCode, _p: Any) -> None:
        told = flags.is_disconnect_packet_from_server or reason.value == PROTOCOL_ERROR  # that one paho finds out
        ended = disconnected(reason.value, reason.getName(), told=flags.is_disconnect_packet_from_server)
        if not (told or self._connected) and (trouble := self._trouble()):
            ended = _troubled(trouble)
        self._ended = self._ended or ended

    def _opened(self, _c: Any, _u: Any, sock: Any) -> None:
        self._wire = sock

    def _trouble(self) -> Trouble | None:
        """Return why the broker hung up before it answered, as far as TLS knows."""
        if self._address.tls is None:
            return closed_at_once()
        found = self._wire.trouble if isinstance(self._wire, Wire) else None
        return explain(found, self._address.tls) if found else None

    def _suback(self, _c: Any, _u: Any, mid: int, reasons: list[ReasonCode], _p: Any) -> None:
        if mid == self._awaited:
            self._awaited = None
        refused = [reason for reason in reasons if reason.value >= FIRST_FAILURE]
        if refused:
            self._ended = TransportError(
                f"the broker refuses a subscription: {refused[0].getName()}", reason=refused[0].value,
                code="MQT-113", action="let this window's identity subscribe to its own branch",
            )  # fmt: skip

    def _puback(self, _c: Any, _u: Any, mid: int, reason: ReasonCode, _p: Any) -> None:
        self.acked.append((mid, reason.value))

    def _received(self, _c: Any, _u: Any, message: paho.MQTTMessage) -> None:
        given = message.properties
        try:
            self._on_message(
                Message(
                    message.topic,
                    bytes(message.payload),
                    retain=message.retain,
                    content_type=getattr(given, "ContentType", None),
                    correlation=getattr(given, "CorrelationData", None),
                    response_topic=getattr(given, "ResponseTopic", None),
                    user=tuple(getattr(given, "UserProperty", ())),
                )
            )
        except Exception as error:  # noqa: BLE001  # unacknowledged, it would come again and again
            _log.error("a received message cannot be handled", exc_info=error)
