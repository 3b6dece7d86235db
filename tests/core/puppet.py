"""A broker that does as a test tells it: enough of MQTT 5 for one client at a time, on a thread of its own."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import BinaryIO, Self

HOLD = -1
"""Answer of a puppet that keeps a PUBACK back until :meth:`Puppet.release`."""
SILENT = -2
"""Answer of one that loses it."""

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12

Answer = Callable[[str, bytes], int]


class Disconnect(Exception):
    """Raised by an answer: the broker ends the connection with this reason code."""


def receive_maximum(count: int) -> bytes:
    return b"\x21" + struct.pack(">H", count)


def maximum_packet_size(size: int) -> bytes:
    return b"\x27" + struct.pack(">I", size)


def publish_packet(topic: str, payload: bytes, response_topic: str = "") -> bytes:
    """Return a PUBLISH to the client, QoS 0."""
    properties = b"\x08" + _text(response_topic) if response_topic else b""
    return _packet(PUBLISH << 4, _text(topic) + _number(len(properties)) + properties + payload)


class Puppet:
    """*properties* stand in its CONNACK; *refuses* is the CONNACK's reason, *suback* each topic's (-1: none until
    told); *first* goes out between CONNACK and SUBACK. ``answer`` gives the PUBACK's reason for every message, and
    may be replaced.
    """

    def __init__(
        self,
        *,
        properties: bytes = b"",
        refuses: int = 0,
        suback: int = 1,
        first: bytes = b"",
        answer: Answer | None = None,
    ) -> None:
        self.published: list[tuple[str, bytes]] = []
        self.connects = 0
        self.subscribed = b""
        self.most_in_flight = 0
        self.answer: Answer = answer or (lambda _topic, _payload: 0)
        self._properties, self._refuses, self._suback, self._first = properties, refuses, suback, first
        self._held: list[int] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connection: socket.socket | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="puppet", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self.drop()
        self._thread.join(5)
        self._listener.close()

    def payloads(self, branch: str) -> list[bytes]:
        """Return what was published below ``event/``, ``sealed/``, ``reply/`` …, in order of arrival."""
        return [payload for topic, payload in list(self.published) if topic.split("/")[4] == branch]

    def release(self) -> None:
        """Send the PUBACKs held back, and hold no more."""
        self.answer = lambda _topic, _payload: 0
        with self._lock:
            held, self._held = self._held, []
        for mid in held:
            self._acknowledge(mid, 0)

    def suback(self) -> None:
        """Answer the subscription; for a puppet with *suback* = -1."""
        self._send(_packet(0x90, self.subscribed))

    def drop(self) -> None:
        """Break the connection without a word."""
        connection = self._connection
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        while not self._closing:
            try:
                self._connection, _ = self._listener.accept()
            except OSError:
                return
            with self._connection, suppress(OSError, EOFError):
                self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._serve(self._connection.makefile("rb"))
            self._held.clear()

    def _serve(self, stream: BinaryIO) -> None:
        with stream:
            while True:
                kind, body = _read(stream)
                if kind == CONNECT:
                    self.connects += 1
                    self._send(
                        _packet(0x20, bytes((0, self._refuses)) + _number(len(self._properties)) + self._properties)
                    )
                    self._send(self._first)
                elif kind == SUBSCRIBE:
                    self.subscribed = body[:2] + b"\0" + bytes([max(self._suback, 0)]) * body.count(b"hall/v1")
                    if self._suback >= 0:
                        self.suback()
                elif kind == PUBLISH:
                    self._take(body)
                elif kind == PINGREQ:
                    self._send(b"\xd0\0")

    def _take(self, body: bytes) -> None:
        size = int.from_bytes(body[:2])
        topic, mid = body[2 : 2 + size].decode(), int.from_bytes(body[2 + size : 4 + size])
        rest = BytesIO(body[4 + size :])
        _exactly(rest, _read_number(rest))  # the properties
        payload = rest.read()
        self.published.append((topic, payload))
        try:
            reason = self.answer(topic, payload)
        except Disconnect as told:
            self._send(b"\xe0\x02" + bytes([told.args[0], 0]))
            raise EOFError from None
        with self._lock:
            if reason < 0:
                self._held += [mid] if reason == HOLD else []
                self.most_in_flight = max(self.most_in_flight, len(self._held))
                return
        self._acknowledge(mid, reason)

    def _acknowledge(self, mid: int, reason: int) -> None:
        self._send(_packet(0x40, struct.pack(">HB", mid, reason)))

    def _send(self, data: bytes) -> None:
        if self._connection is not None and data:
            self._connection.sendall(data)


def _packet(head: int, body: bytes) -> bytes:
    return bytes([head]) + _number(len(body)) + body


def _number(value: int) -> bytes:
    """Write a variable byte integer."""
    digits = bytearray()
    while True:
        value, digit = divmod(value, 128)
        digits.append(digit | (128 if value else 0))
        if not value:
            return bytes(digits)


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


def _read(stream: BinaryIO) -> tuple[int, bytes]:
    """Read one packet; return its kind and what follows its fixed header."""
    head = _exactly(stream, 1)[0]
    return head >> 4, _exactly(stream, _read_number(stream))


def _read_number(stream: BinaryIO) -> int:
    """Read a variable byte integer."""
    number = shift = 0
    while True:
        digit = _exactly(stream, 1)[0]
        number |= (digit & 127) << shift
        shift += 7
        if digit < 128:
            return number


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size) or b""
    if len(data) < size:
        raise EOFError
    return data
