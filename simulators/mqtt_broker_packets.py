"""The packets of MQTT 5 (OASIS Standard, 7 March 2019), as a broker reads and writes them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from simulators.mqtt_broker_wire import WRONG_VERSION, Body, Malformed, number, packed, packet, text

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 8, 9, 10, 11, 12, 13, 14
NO_SUBSCRIBERS, FIRST_FAILURE, PROTOCOL_ERROR = 0x10, 0x80, 0x82
KEEP_ALIVE_TIMEOUT, TAKEN_OVER, TOO_MANY, TOO_LARGE = 0x8D, 0x8E, 0x93, 0x95

SESSION_EXPIRY, RECEIVE_MAXIMUM, MAXIMUM_QOS, RETAIN_AVAILABLE = 0x11, 0x21, 0x24, 0x25
SERVER_KEEP_ALIVE, WILL_DELAY, MAXIMUM_PACKET_SIZE = 0x13, 0x18, 0x27
_VERSION = 5


@dataclass(slots=True)
class Will:
    """What is published for a client that goes without a word."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    delay_s: int
    properties: bytes = b""


@dataclass(slots=True)
class Connect:
    """A client's first packet."""

    client_id: str
    clean_start: bool
    keep_alive_s: int
    session_s: int
    receive_maximum: int
    max_packet: int
    will: Will | None = None
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class Publish:
    """One message on its way in or out. ``properties`` are raw, and stay as they came."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    mid: int = 0
    dup: bool = False
    properties: bytes = b""
    client_id: str = ""
    size: int = 0
    """Of the whole packet, in bytes."""

    def encoded(self) -> bytes:
        """Give its bytes."""
        head = PUBLISH << 4 | self.dup << 3 | self.qos << 1 | self.retain
        mid = struct.pack(">H", self.mid) if self.qos else b""
        return packet(head, text(self.topic) + mid + number(len(self.properties)) + self.properties + self.payload)


def read_connect(data: bytes) -> Connect:
    """Read a CONNECT."""
    body = Body(data)
    if body.text() != "MQTT" or body.number(">B") != _VERSION:
        raise Malformed(WRONG_VERSION)
    flags, keep_alive_s = body.number(">B"), body.number(">H")
    given, _ = body.properties()
    connect = Connect(
        body.text(), bool(flags & 2), keep_alive_s, given.get(SESSION_EXPIRY, 0),
        given.get(RECEIVE_MAXIMUM, 65_535), given.get(MAXIMUM_PACKET_SIZE, 1 << 28),
    )  # fmt: skip
    if flags & 4:
        about, raw = body.properties()
        own = raw.replace(bytes([WILL_DELAY]) + struct.pack(">I", about.get(WILL_DELAY, 0)), b"", 1)
        qos, retain = flags >> 3 & 3, bool(flags & 32)
        connect.will = Will(body.text(), body.binary(), qos, retain, about.get(WILL_DELAY, 0), own)
    if flags & 128:
        connect.username = body.text()
    if flags & 64:
        connect.password = body.binary()
    return connect


def read_publish(head: int, data: bytes, client_id: str) -> Publish:
    """Read a PUBLISH of QoS 0 or 1."""
    body = Body(data)
    qos = head >> 1 & 3
    topic = body.text()
    if qos > 1 or not topic or "+" in topic or "#" in topic:
        raise Malformed(PROTOCOL_ERROR)
    mid = body.number(">H") if qos else 0
    _, raw = body.properties()
    size = 1 + len(number(len(data))) + len(data)
    return Publish(topic, body.rest(), qos, bool(head & 1), mid, bool(head & 8), raw, client_id, size)


def read_puback(data: bytes) -> int:
    """Read which message a PUBACK is for."""
    return Body(data).number(">H")


def read_subscribe(data: bytes) -> tuple[int, list[tuple[str, int]]]:
    """Read the packet id, and each filter with its options."""
    body = Body(data)
    mid = body.number(">H")
    body.properties()
    asked = []
    while body.left:
        asked.append((body.text(), body.number(">B")))
    return mid, asked


def read_unsubscribe(data: bytes) -> tuple[int, list[str]]:
    """Read the packet id and the filters."""
    body = Body(data)
    mid = body.number(">H")
    body.properties()
    filters = []
    while body.left:
        filters.append(body.text())
    return mid, filters


def read_disconnect(data: bytes) -> tuple[int, int | None]:
    """Read the reason, and the new session expiry if it names one."""
    body = Body(data)
    reason = body.number(">B") if body.left else 0
    given = body.properties()[0] if body.left else {}
    return reason, given.get(SESSION_EXPIRY)


def connack(reason: int, *, present: bool = False, **given: int) -> bytes:
    """Give a CONNACK; *given* are properties by name, e.g. ``receive_maximum=1``."""
    raw = b"".join(bytes([_NAMED[name]]) + packed(_NAMED[name], value) for name, value in given.items())
    return packet(CONNACK << 4, bytes([present, reason]) + number(len(raw)) + raw)


def puback(mid: int, reason: int = 0) -> bytes:
    """Give a PUBACK; without a reason it is the short form."""
    return packet(PUBACK << 4, struct.pack(">H", mid) + (bytes([reason]) if reason else b""))


def suback(mid: int, reasons: list[int], *, un: bool = False) -> bytes:
    """Give a SUBACK or UNSUBACK."""
    return packet((UNSUBACK if un else SUBACK) << 4, struct.pack(">H", mid) + b"\0" + bytes(reasons))


def disconnect(reason: int) -> bytes:
    """Give a DISCONNECT."""
    return packet(DISCONNECT << 4, bytes([reason]))


_NAMED = {
    "session_expiry": SESSION_EXPIRY,
    "receive_maximum": RECEIVE_MAXIMUM,
    "maximum_qos": MAXIMUM_QOS,
    "retain_available": RETAIN_AVAILABLE,
    "server_keep_alive": SERVER_KEEP_ALIVE,
    "maximum_packet_size": MAXIMUM_PACKET_SIZE,
}
PROPERTIES = frozenset(_NAMED)
"""What a CONNACK can name."""
