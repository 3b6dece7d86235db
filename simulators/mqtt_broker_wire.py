"""The parts that packets of MQTT 5 are made of: numbers, texts, properties, and the fixed header."""

from __future__ import annotations

import struct
from collections.abc import Iterator

MALFORMED, WRONG_VERSION = 0x81, 0x84
_MORE = 0x80
_SUBSCRIPTION, _USER, _LONGEST_HEAD = 0x0B, 0x26, 5

_BYTE, _TWO, _FOUR, _VARIABLE, _TEXT, _PAIR = range(6)
_TYPES: dict[int, int] = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), _BYTE),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), _TWO),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), _FOUR),
    **dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F), _TEXT),
    _SUBSCRIPTION: _VARIABLE,
    _USER: _PAIR,
}
_NUMBERS = {_BYTE: ">B", _TWO: ">H", _FOUR: ">I"}


class Malformed(Exception):
    """A packet that MQTT 5 does not allow; the argument is the reason code for a DISCONNECT."""


class Inbox:
    """Put packets together from whatever pieces the bytes come in."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes)

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self._bytes += data

    def packets(self) -> Iterator[tuple[int, bytes]]:
        """Give the first byte and the body of every whole packet; raises :class:`Malformed`."""
        while self._bytes:
            digits = self._bytes[1:_LONGEST_HEAD]
            last = next((place for place, digit in enumerate(digits) if digit < _MORE), None)
            if last is None:
                if len(self._bytes) >= _LONGEST_HEAD:
                    raise Malformed(MALFORMED)
                return
            begin = 2 + last
            end = begin + sum((digit & 127) << 7 * place for place, digit in enumerate(digits[: last + 1]))
            if len(self._bytes) < end:
                return
            head, body = self._bytes[0], bytes(self._bytes[begin:end])
            del self._bytes[:end]
            yield head, body


class Body:
    """A packet's body, read from the front."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise Malformed(MALFORMED)
        part, self._at = self._data[self._at : end], end
        return part

    def number(self, form: str) -> int:
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def variable(self) -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            digit = self.number(">B")
            value |= (digit & 127) << shift
            if digit < _MORE:
                return value
        raise Malformed(MALFORMED)

    def binary(self) -> bytes:
        return self.take(self.number(">H"))

    def text(self) -> str:
        try:
            return self.binary().decode()
        except UnicodeDecodeError:
            raise Malformed(MALFORMED) from None

    def properties(self) -> tuple[dict[int, int], bytes]:
        """Give the numbers among the properties, and all of them raw."""
        raw = self.take(self.variable())
        inside, numbers = Body(raw), {}
        while inside.left:
            kind = inside.variable()
            form = _TYPES.get(kind)
            if form is None:
                raise Malformed(MALFORMED)
            if form in _NUMBERS:
                numbers[kind] = inside.number(_NUMBERS[form])
            elif form == _VARIABLE:
                inside.variable()
            else:
                for _ in range(2 if form == _PAIR else 1):
                    inside.binary()
        return numbers, raw

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def rest(self) -> bytes:
        return self.take(self.left)


def packet(head: int, body: bytes) -> bytes:
    """Put the fixed header before a body."""
    return bytes([head]) + number(len(body)) + body


def number(value: int) -> bytes:
    """Write a variable byte integer."""
    digits = bytearray()
    while True:
        value, digit = divmod(value, 128)
        digits.append(digit | (128 if value else 0))
        if not value:
            return bytes(digits)


def text(value: str) -> bytes:
    """Write a text with its length."""
    return struct.pack(">H", len(value.encode())) + value.encode()


def packed(kind: int, value: int) -> bytes:
    """Write a property's number as its kind wants it."""
    return struct.pack(_NUMBERS[_TYPES[kind]], value)
