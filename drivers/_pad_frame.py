"""Frames of pads: put together, cut out of a stream, checked. Pure bytes: no I/O, no time.

The engine knows no pad. A :class:`Shape` says how a frame looks; a :class:`Cutter` finds frames in what
arrives and hunts on from the byte after a false head, so that noise costs no good frame.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import xor
from typing import Literal

from drivers._pad_notation import Field, Part, render, width_of

Cut = Literal["length-field", "end-mark", "fixed-length", "idle-gap", "report"]
ChecksumKind = Literal["xor", "sum8", "sum8-twos-complement", "crc16-modbus", "crc16-ccitt", "crc16-xmodem"]

NEED_MORE = 0
FALSE_START = -1


def crc16_modbus(data: bytes) -> int:
    """Return the CRC-16 of Modbus: polynomial 8005 reflected, start FFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


CHECKSUMS: Mapping[ChecksumKind, tuple[int, Callable[[bytes], int]]] = {
    "xor": (1, lambda data: reduce(xor, data, 0)),
    "sum8": (1, lambda data: sum(data) & 0xFF),
    "sum8-twos-complement": (1, lambda data: -sum(data) & 0xFF),
    "crc16-modbus": (2, crc16_modbus),
    "crc16-ccitt": (2, lambda data: binascii.crc_hqx(data, 0xFFFF)),
    "crc16-xmodem": (2, lambda data: binascii.crc_hqx(data, 0)),
}
"""Width in bytes and function of every kind. CCITT is the variant that starts with FFFF, XMODEM with 0."""


@dataclass(frozen=True)
class Shape:
    """How a frame looks: ``before``, the body, ``after``; all but the body has a fixed width."""

    cut: Cut
    before: tuple[Part, ...]
    after: tuple[Part, ...]
    max_body: int
    body_bytes: int = 0  # fixed-length only
    length_adds: int = 0  # what the length counts besides the body
    checksum: ChecksumKind | None = None
    checksum_start: int = 0  # bytes of the frame left out before the checked range
    checksum_end: int = 0  # bytes left out between the checked range and the checksum

    @cached_property
    def width_before(self) -> int:
        """Return how many bytes stand before the body."""
        return width_of(self.before)

    @cached_property
    def width_after(self) -> int:
        """Return how many bytes stand behind the body."""
        return width_of(self.after)

    @property
    def head(self) -> bytes:
        """Return the bytes that every frame begins with."""
        return self.before[0] if self.before and isinstance(self.before[0], bytes) else b""

    @cached_property
    def tail(self) -> bytes:
        """Return the bytes that every frame ends with."""
        return self.after[-1] if self.after and isinstance(self.after[-1], bytes) else b""

    @cached_property
    def max_size(self) -> int:
        """Return the size of the longest frame."""
        return self.width_before + self.max_body + self.width_after

    def encode(self, body: bytes, address: int) -> bytes:
        """Return the frame around *body*; raises ``OverflowError`` when the length does not fit."""
        values = {"length": len(body) + self.length_adds, "address": address}
        frame = render(self.before, values) + body
        for part in self.after:
            frame += part if isinstance(part, bytes) else part.encode(self._sum(frame))
        return frame

    def _sum(self, frame_so_far: bytes) -> int:
        """Return the checksum that comes next."""
        if self.checksum is None:
            return 0
        return CHECKSUMS[self.checksum][1](frame_so_far[self.checksum_start : len(frame_so_far) - self.checksum_end])

    def measure(self, data: bytes) -> int:
        """Return the size of the frame that *data* begins with, ``NEED_MORE`` or ``FALSE_START``."""
        length = self._length(data)
        if length == FALSE_START:
            return FALSE_START
        around = self.width_before + self.width_after
        if len(data) <= self.width_before:
            return NEED_MORE
        for body in self._body_sizes(data, length):
            if not 1 <= body <= self.max_body:
                return FALSE_START
            if len(data) < around + body:
                return NEED_MORE
            if self._ends_well(data, self.width_before + body):
                return around + body
        return NEED_MORE if self.cut == "end-mark" and len(data) < self.max_size else FALSE_START

    def _length(self, data: bytes) -> int:
        """Check what stands before the body as far as it has arrived; return the body's length if told."""
        at, length = 0, NEED_MORE
        for part in self.before:
            width = len(part) if isinstance(part, bytes) else part.width
            seen = data[at : at + width]
            if isinstance(part, bytes):
                if not part.startswith(seen):
                    return FALSE_START
            elif part.name == "length" and len(seen) == width:
                value = part.decode(seen)
                told = -1 if value is None else value - self.length_adds
                if not 1 <= told <= self.max_body or length not in (NEED_MORE, told):
                    return FALSE_START
                length = told
            at += width
        return length

    def _body_sizes(self, data: bytes, length: int) -> Iterable[int]:
        """Yield the sizes the body can have."""
        if self.cut == "length-field":
            yield length
        elif self.cut == "fixed-length":
            yield self.body_bytes
        elif self.cut in ("idle-gap", "report"):
            yield len(data) - self.width_before - self.width_after
        else:
            around = self.width_before + self.width_after - len(self.tail)
            at = data.find(self.tail, around + 1, self.max_size)
            while at >= 0:
                yield at - around
                at = data.find(self.tail, at + 1, self.max_size)

    def _ends_well(self, data: bytes, at: int) -> bool:
        """Return whether checksum and tail stand at *at*, behind the body."""
        for part in self.after:
            wanted = part if isinstance(part, bytes) else part.encode(self._sum(data[:at]))
            if data[at : at + len(wanted)] != wanted:
                return False
            at += len(wanted)
        return True

    def address_in(self, frame: bytes) -> int | None:
        """Return the address that *frame* carries, if its shape has one."""
        at = 0
        for part in self.before:
            if isinstance(part, Field) and part.name == "address":
                return part.decode(frame[at : at + part.width])
            at += len(part) if isinstance(part, bytes) else part.width
        return None

    def body_in(self, frame: bytes) -> bytes:
        """Return the body of *frame*."""
        return frame[self.width_before : len(frame) - self.width_after]


class Cutter:
    """Cut frames out of a stream. Call :meth:`silence` when nothing came for ``gap_s`` while ``pending``."""

    def __init__(self, shape: Shape, address: int, gap_s: float) -> None:
        self.gap_s = gap_s
        self.foreign = 0
        self._shape = shape
        self._address = address
        self._buffer = b""
        self._too_long = False

    @property
    def pending(self) -> bool:
        """Whether there is the beginning of a frame."""
        return bool(self._buffer)

    @property
    def gap_ends_frames(self) -> bool:
        """Whether a gap is the only end of a frame, so that time decides and not what comes next."""
        return self._shape.cut == "idle-gap"

    def reset(self) -> None:
        """Forget what has arrived."""
        self._buffer, self._too_long = b"", False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the bodies of the frames that *data* completes."""
        if self._shape.cut == "report":
            return self._report(data)
        self._buffer += data
        if self._shape.cut != "idle-gap":
            return self._hunt()
        if len(self._buffer) > self._shape.max_size:
            self._buffer, self._too_long = self._buffer[-1:], True
        return []

    def silence(self) -> list[bytes]:
        """Return what a silence of ``gap_s`` completes, and forget the rest: it is no frame any more."""
        bodies: list[bytes] = []
        if self._shape.cut == "idle-gap":
            if not self._too_long and self._shape.measure(self._buffer) == len(self._buffer):
                self._take(self._buffer, bodies)
            self.reset()
        while self._buffer:
            self._buffer = self._buffer[1:]
            bodies += self._hunt()
        return bodies

    def _report(self, data: bytes) -> list[bytes]:
        """Return the body of one report, which is a frame or nothing."""
        bodies: list[bytes] = []
        if self._shape.measure(data) == len(data):
            self._take(data, bodies)
        return bodies

    def _hunt(self) -> list[bytes]:
        data, at, bodies = self._buffer, 0, list[bytes]()
        first, longest = self._shape.head[:1], self._shape.max_size
        while at < len(data):
            at = data.find(first, at)
            if at < 0:
                at = len(data)
                break
            size = self._shape.measure(data[at : at + longest])
            if size == NEED_MORE:
                break
            if size == FALSE_START:
                at += 1
                continue
            self._take(data[at : at + size], bodies)
            at += size
        self._buffer = data[at:]
        return bodies

    def _take(self, frame: bytes, bodies: list[bytes]) -> None:
        if self._shape.address_in(frame) in (None, self._address):
            bodies.append(self._shape.body_in(frame))
        else:
            self.foreign += 1
