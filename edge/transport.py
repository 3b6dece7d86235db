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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge import logs
from edge.errors import EdgeError
from edge.properties import of_publish, of_will

if TYPE_CHECKING:
    from edge.config import Mqtt

NO_SUBSCRIBERS = 0x10
TOO_LARGE = 0x95
FIRST_FAILURE = 0x80
PROTOCOL_ERROR = 0x82
TAKEN_OVER = 0x8E
_SESSION_S = 60  # longer than the will delay, so that a short break shows no stale "offline"
_WILL_DELAY_S = 10
_CONNECT_S = 5.0
_MAX_RECEIVED_BYTES = 128 * 1024  # requests and acknowledgements are smaller; the broker keeps the rest from us
_log = logs.get("mqtt")


class TransportError(EdgeError):
    """The connection could not be made, or has ended; ``reason`` is MQTT's code where there is one."""

    default_code = "MQT-101"
    default_action = "check network, address and port of the broker"

    def __init__(self, message: str, *, reason: int | None = None, code: str | None = None, action: str | None = None):
        super().__init__(message, code=code, action=action)
        self.reason = reason

    @property
    def refused(self) -> bool:
        """Whether the broker does not want us, or another client has our name."""
        return self.code in ("MQT-110", "MQT-112", "MQT-113")


def taken_over() -> TransportError:
    """Return the error of two clients with one name."""
    action = "find the PC that uses this window's identity too, and switch it off"
    return TransportError("another client has taken our place", reason=TAKEN_OVER, code="MQT-112", action=action)


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
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def broker_address(mqtt: Mqtt, client_id: str) -> BrokerAddress:
    """Return the broker of the configuration; raises ``EdgeError`` when its files cannot be used."""
    host, port, encrypted = mqtt.broker()
    context = None
    try:
        if encrypted:
            context = ssl.create_default_context(cafile=mqtt.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if mqtt.certificate:
                context.load_cert_chain(mqtt.certificate, mqtt.key)
        password = Path(mqtt.password_file).read_text(encoding="utf-8").strip() if mqtt.password_file else None
    except (OSError, ValueError) as error:  # also what ssl raises
        action = "check ca, certificate, key and password_file in [mqtt]; the key must belong to the certificate"
        raise EdgeError("the files for the broker cannot be used", code="MQT-114", action=action) from error
    return BrokerAddress(host, port, client_id, mqtt.keepalive_s, context, mqtt.username, password)


class Transport:
    """An MQTT connection. Every method is for the one thread that made it, but :meth:`wake`."""

    def __init__(
        self, address: BrokerAddress, will: Message | None, on_message: Callable[[Message], None], wake_fd: int
    ) -> None:
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
        client = paho.Client(CallbackAPIVersion.VERSION2, address.client_id, protocol=paho.MQTTv5)
        client.max_inflight_messages_set(0)  # the window is the publisher's
        if will is not None:
            client.will_set(will.topic, will.payload, 1, True, of_will(will.content_type, _WILL_DELAY_S))
        if address.tls:
            client.tls_set_context(address.tls)
        client.username_pw_set(address.username, address.password)
        client.connect_timeout = _CONNECT_S
        client.on_connect, client.on_disconnect = self._connack, self._disconnected
        client.on_publish, client.on_message = self._puback, self._received
        client.on_subscribe = self._suback
        self._client = client

    def connect(self, subscriptions: Sequence[str]) -> None:
        """Connect and subscribe, or raise :class:`TransportError`. Blocks at most about 10 s."""
        wanted = Properties(PacketTypes.CONNECT)
        wanted.SessionExpiryInterval = _SESSION_S
        wanted.MaximumPacketSize = _MAX_RECEIVED_BYTES
        address = self._address
        try:
            self._client.connect(address.host, address.port, address.keepalive_s, clean_start=False, properties=wanted)
        except ssl.SSLCertVerificationError as error:
            raise TransportError(
                f"the broker's certificate is not accepted: {error.verify_message}", code="MQT-111",
                action="check the broker's certificate, its name and the configured CA",
            ) from error  # fmt: skip
        except (OSError, ValueError) as error:
            why = (
                error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
            )
            raise TransportError(f"no connection to {address.host}:{address.port} ({why})") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
            of_publish(message.content_type, message.correlation, message.user),
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
            self._client.loop_read()
        if happened & select.POLLOUT:
            self._client.loop_write()
        self._client.loop_misc()

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
            self.pass_once(0.1)
        raise TransportError(otherwise, code="MQT-103")

    # -- paho's callbacks, in our thread -----------------------------------------------------------

    def _connack(self, _c: Any, _u: Any, _flags: Any, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.value >= FIRST_FAILURE:
            self._ended = TransportError(
                f"the broker refuses us: {reason.getName()} (0x{reason.value:02x})", reason=reason.value,
                code="MQT-110", action="check user, password, certificate and the broker's access list",
            )  # fmt: skip
            return
        self._connected = True
        self.receive_maximum = getattr(properties, "ReceiveMaximum", self.receive_maximum)
        self.max_packet_bytes = getattr(properties, "MaximumPacketSize", self.max_packet_bytes)

    def _disconnected(self, _c: Any, _u: Any, flags: paho.DisconnectFlags, reason: ReasonCode, _p: Any) -> None:
        told = flags.is_disconnect_packet_from_server or reason.value == PROTOCOL_ERROR  # that one paho finds out
        said = reason.value if told else None
        ended = TransportError(f"the connection ended: {reason.getName()}", reason=said)
        self._ended = self._ended or (taken_over() if said == TAKEN_OVER else ended)

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
                )
            )
        except Exception as error:  # noqa: BLE001  # unacknowledged, it would come again and again
            _log.error("a received message cannot be handled", exc_info=error)
