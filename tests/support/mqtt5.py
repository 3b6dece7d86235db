"""The least of an MQTT 5 client for asyncio: thousands fit into one process, and every reason code is seen."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

_CONNECT, _CONNACK, _PUBLISH, _PUBACK = 0x10, 0x20, 0x30, 0x40
_SUBSCRIBE, _SUBACK, _PINGREQ, _DISCONNECT = 0x82, 0x90, 0xC0, 0xE0
ANSWER_S = 20.0
SESSION_EXPIRY = 0x11


class Refused(ConnectionError):
    """The broker does not want us: *reason* of its CONNACK."""

    def __init__(self, reason: int) -> None:
        super().__init__(f"refused with 0x{reason:02x}")
        self.reason = reason


class Will(NamedTuple):
    """What the broker publishes, retained, when the connection breaks."""

    topic: str
    payload: bytes
    delay_s: int = 0


class Client(asyncio.Protocol):
    """One connection. *on_message* gets topic, payload and the retain flag; *on_end* is called when it is over."""

    def __init__(
        self, on_message: Callable[[str, bytes, bool], None], on_end: Callable[[], None] = lambda: None
    ) -> None:
        self._on_message, self._on_end = on_message, on_end
        self._transport: asyncio.WriteTransport | None = None
        self._rest = b""
        self._ids = itertools.cycle(range(1, 65_536))
        self._connack = asyncio.get_running_loop().create_future()
        self._answers: dict[int, asyncio.Future[bytes]] = {}
        self._lost = asyncio.Event()

    # -- what a user calls ----------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def peer(self) -> str:
        """The broker's certificate, PEM."""
        assert self._transport is not None
        return ssl.DER_cert_to_PEM_cert(self._transport.get_extra_info("ssl_object").getpeercert(binary_form=True))

    @property
    def waiting(self) -> int:
        """How many answers are awaited."""
        return len(self._answers)

    async def connect(
        self, host: str, port: int, client_id: str, *, tls: ssl.SSLContext | None = None, session_s: int = 0,
        clean: bool = True, will: Will | None = None, keepalive_s: int = 0,
    ) -> None:  # fmt: skip
        """Connect; raises ``OSError`` (also :class:`Refused`) when there is no way in."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWER_S):
            await loop.create_connection(lambda: self, host, port, ssl=tls)
            flags = (0x02 if clean else 0) | (0x2C if will else 0)
            properties = struct.pack(">BI", SESSION_EXPIRY, session_s)
            body = b"\x00\x04MQTT\x05" + struct.pack(">BH", flags, keepalive_s) + _sized(properties) + _text(client_id)
            if will:
                body += _sized(struct.pack(">BI", 0x18, will.delay_s)) + _text(will.topic) + _data(will.payload)
            self._send(_CONNECT, body)
            reason = await self._connack
        if reason:
            await self.abort()
            raise Refused(reason)

    async def subscribe(self, filters: Sequence[str], qos: int = 1) -> list[int]:
        """Return the reason codes of the SUBACK."""
        number = next(self._ids)
        body = b"".join(_text(one) + bytes([qos]) for one in filters)
        self._send(_SUBSCRIBE, struct.pack(">H", number) + b"\x00" + body)
        answer = await self._answer(number)
        length, start = _number(answer, 0) or (0, 1)
        return list(answer[start + length :])

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> asyncio.Future[bytes]:
        """Publish with QoS 1; see :func:`reason` for what the future brings."""
        number = next(self._ids)
        answer = self._expect(number)
        self._send(_PUBLISH | 0x02 | retain, _text(topic) + struct.pack(">H", number) + b"\x00" + payload)
        return answer

    def ping(self) -> None:
        """Show that we are there; nobody waits for the answer."""
        self._send(_PINGREQ, b"")

    async def close(self) -> None:
        """Say goodbye, and return when the connection is over."""
        if self.connected:
            self._send(_DISCONNECT, b"")
        if self._transport is not None:
            self._transport.close()
            await self._lost.wait()

    async def abort(self) -> None:
        """Break the connection, as a cable that is pulled."""
        if self._transport is not None:
            self._transport.abort()
            await self._lost.wait()

    # -- what asyncio calls ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at = 0
        while (found := _number(data, at + 1)) is not None and len(data) >= found[1] + found[0]:
            end = found[1] + found[0]
            self._take(data[at], data[found[1] : end])
            at = end
        self._rest = data[at:]

    def connection_lost(self, _error: Exception | None) -> None:
        lost = ConnectionResetError("the connection is over")
        for answer in (self._connack, *self._answers.values()):
            if not answer.done():
                answer.set_exception(lost)
                with contextlib.suppress(ConnectionResetError):
                    answer.exception()  # whoever waits sees it; who does not need not be told
        self._answers.clear()
        self._lost.set()
        self._on_end()

    # -- packets --------------------------------------------------------------------------------------

    def _take(self, first: int, body: bytes) -> None:
        kind = first & 0xF0
        if kind == _PUBLISH:
            self._published(first, body)
        elif kind in (_PUBACK, _SUBACK):
            answer = self._answers.pop(int.from_bytes(body[:2], "big"), None)
            if answer is not None and not answer.done():
                answer.set_result(body[2:])
        elif kind == _CONNACK and not self._connack.done():
            self._connack.set_result(body[1])

    def _published(self, first: int, body: bytes) -> None:
        end = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:end].decode()
        if first & 0x06:
            self._send(_PUBACK, body[end : end + 2])
            end += 2
        length, start = _number(body, end) or (0, end + 1)
        self._on_message(topic, body[start + length :], bool(first & 1))

    def _expect(self, number: int) -> asyncio.Future[bytes]:
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        return answer

    async def _answer(self, number: int) -> bytes:
        async with asyncio.timeout(ANSWER_S):
            return await self._expect(number)

    def _send(self, first: int, body: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("not connected")
        self._transport.write(bytes([first]) + _sized(body))


def reason(answer: bytes) -> int:
    """Return the reason code of a PUBACK."""
    return answer[0] if answer else 0


def _number(data: bytes, at: int) -> tuple[int, int] | None:
    """Return a variable byte integer (MQTT 5, 1.5.5) and where it ends, or ``None`` when it is not all there."""
    value = 0
    for shift, byte in enumerate(data[at : at + 4]):
        value |= (byte & 0x7F) << (7 * shift)
        if not byte & 0x80:
            return value, at + shift + 1
    return None


def _sized(data: bytes) -> bytes:
    return bytes(_digits(len(data))) + data


def _digits(left: int) -> Iterator[int]:
    while left > 0x7F:
        yield left & 0x7F | 0x80
        left >>= 7
    yield left


def _text(text: str) -> bytes:
    return _data(text.encode())


def _data(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data
