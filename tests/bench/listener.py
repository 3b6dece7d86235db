"""The bench's own subscriber: a bare socket that stamps bytes when they arrive and understands them afterwards.

It subscribes with QoS 0, so that it has nothing to answer while a round runs: over one TCP connection of a broker
that drops nothing (``max_queued_messages 0``) every message still comes, once and in order.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.bench.failure import BenchFailure

HOST = "127.0.0.1"
_READ_BYTES = 65_536
_HANDSHAKE_S = 5.0
_CONNACK, _SUBACK, _PUBLISH, _FIRST_FAILURE = 0x20, 0x90, 0x30, 0x80

Chunk = tuple[int, bytes]
"""When (CLOCK_MONOTONIC, ns) and what arrived."""


class Arrival(NamedTuple):
    """One message, and when its last byte arrived."""

    at_ns: int
    topic: str
    payload: bytes


class Listener:
    """One MQTT 5 connection that hears *topic_filter*."""

    def __init__(self, port: int, topic_filter: str) -> None:
        self._sock = socket.create_connection((HOST, port), timeout=_HANDSHAKE_S)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        clean_start_no_keepalive = b"\x00\x04MQTT\x05\x02\x00\x00"
        if self._ask(0x10, clean_start_no_keepalive + b"\x00" + _text("bench"), _CONNACK)[3]:
            raise BenchFailure("the broker refuses the bench's subscriber")
        if self._ask(0x82, b"\x00\x01\x00" + _text(topic_filter) + b"\x00", _SUBACK)[-1] >= _FIRST_FAILURE:
            raise BenchFailure("the broker refuses the bench's subscription")

    def fileno(self) -> int:
        """Return the descriptor, for ``select``."""
        return self._sock.fileno()

    def take(self, wait_s: float) -> Chunk | None:
        """Return what has arrived, after at most *wait_s*; ``None`` when nothing did."""
        if not select.select([self._sock], [], [], max(wait_s, 0.0))[0]:
            return None
        data = self._sock.recv(_READ_BYTES)
        if not data:
            raise BenchFailure("the broker closed the connection of the bench's subscriber")
        return time.monotonic_ns(), data

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0."""
        self._sock.sendall(_packet(_PUBLISH, _text(topic) + b"\x00" + payload))

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    def _ask(self, kind: int, body: bytes, answer: int) -> bytes:
        """Send a packet and return its answer, which the broker sends in one piece."""
        self._sock.sendall(_packet(kind, body))
        reply = self._sock.recv(_READ_BYTES)
        if not reply or reply[0] != answer:
            raise BenchFailure(f"the broker answers {reply.hex(' ') or 'nothing'} to the bench's subscriber")
        return reply


class Reader:
    """Makes arrivals of chunks, whatever piece of a packet a chunk ends in."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunks: Iterable[Chunk]) -> Iterator[Arrival]:
        """Yield the messages that *chunks* complete."""
        for at_ns, chunk in chunks:
            data = self._rest + chunk
            start = 0
            while (packet := _next_packet(data, start)) is not None:
                body, end = packet
                if data[start] & 0xF0 == _PUBLISH:
                    yield _arrival(at_ns, data[body:end])
                start = end
            self._rest = data[start:]


def _next_packet(data: bytes, start: int) -> tuple[int, int] | None:
    """Return where the body of the packet at *start* begins and ends, or ``None`` when it is not all there."""
    found = _variable_int(data, start + 1)
    if found is None or len(data) < found[1] + found[0]:
        return None
    return found[1], found[1] + found[0]


def _arrival(at_ns: int, body: bytes) -> Arrival:
    topic_end = 2 + int.from_bytes(body[:2], "big")
    properties_bytes, properties = _variable_int(body, topic_end) or (0, topic_end + 1)
    return Arrival(at_ns, body[2:topic_end].decode(), body[properties + properties_bytes :])


def _variable_int(data: bytes, at: int) -> tuple[int, int] | None:
    """Return a variable byte integer (MQTT 5, 1.5.5) and where it ends, or ``None`` when it is not all there."""
    value = shift = 0
    for position in range(at, len(data)):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, position + 1
    return None


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _packet(kind: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while not length or left:
        left, low = left >> 7, left & 0x7F
        length.append(low | (0x80 if left else 0))
    return bytes([kind]) + bytes(length) + body
