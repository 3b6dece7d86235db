"""Know the pad's side of the four serial profiles of ``docs/pads.md``: pure bytes, no time, no state."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import ClassVar, Literal

from simulators.model import flipped
from simulators.words import ScenarioError

LEVELS = ("5", "4", "3", "2", "1")
"""Canonical levels, 5 = very satisfied."""
KEY_CODES: Mapping[str, int] = {level: code for code, level in enumerate(LEVELS, start=1)}
DECLINED = "declined"
TIMED_OUT = "timed-out"


@dataclass(frozen=True, slots=True)
class Heard:
    """Tell what the host said; ``seconds`` belongs to a request."""

    what: Literal["request", "cancel", "ack", "noise"]
    seconds: int = 0


NOISE = Heard("noise")


class Profile(ABC):
    """Say one dialect. ``asks``: the host asks for evaluations; ``repeats``: of a key without an ack."""

    baud: ClassVar[int] = 0
    kinds: ClassVar[frozenset[bytes]]
    outcomes: ClassVar[frozenset[str]]
    asks: ClassVar[bool] = True
    repeat_s: ClassVar[float] = 0.0
    repeats: ClassVar[int] = 0
    heartbeat_s: ClassVar[float] = 0.0
    reason_digits: ClassVar[int] = 0

    def __init__(self, address: int = 1) -> None:
        self.address = address

    @abstractmethod
    def hear(self, buffer: bytearray) -> Heard | None:
        """Take one frame of the host out of the buffer, None while there is no whole one."""

    @abstractmethod
    def outcome(self, outcome: str, reasons: str = "") -> bytes:
        """Write the frame for one of ``outcomes``: a level, DECLINED, TIMED_OUT."""

    @abstractmethod
    def kind(self, frame: bytes) -> bytes:
        """Give the head of a frame that faults are aimed by."""

    def accepted(self) -> bytes:
        """Write the answer to a request, empty where there is none."""
        return b""

    def heartbeat(self) -> bytes:
        """Write the heartbeat, empty where there is none."""
        return b""

    def spoiled(self, frame: bytes) -> bytes:
        """Give the frame with a wrong checksum."""
        return flipped(frame, -2)


def skip_to(buffer: bytearray, head: bytes) -> bool:
    """Drop the noise before ``head`` and tell whether it is there; half a head at the end stays."""
    start = buffer.find(head)
    if start >= 0:
        del buffer[:start]
        return True
    keep = next((n for n in range(len(head) - 1, 0, -1) if buffer.endswith(head[:n])), 0)
    del buffer[: len(buffer) - keep]
    return False


def take(buffer: bytearray, size: int) -> bytes:
    """Take ``size`` bytes out of the buffer."""
    data = bytes(buffer[:size])
    del buffer[:size]
    return data


def meaning(said: bytes, *, request: int, cancel: int, ack: int) -> Heard:
    """Understand a command byte, followed by the seconds in a request and by nothing else."""
    match tuple(said):
        case (command, seconds) if command == request:
            return Heard("request", seconds)
        case (command,) if command == cancel:
            return Heard("cancel")
        case (command,) if command == ack:
            return Heard("ack")
    return NOISE


class AsciiKeys(Profile):
    """One character a press and a carriage return; the host never speaks."""

    baud = 9600
    asks = False
    kinds = frozenset(level.encode() for level in (*LEVELS, "0"))
    outcomes = frozenset((*LEVELS, DECLINED))

    def hear(self, buffer: bytearray) -> Heard | None:
        """Understand nothing."""
        return NOISE if take(buffer, len(buffer)) else None

    def outcome(self, outcome: str, reasons: str = "") -> bytes:
        """Write ``'1'``…``'5'`` or ``'0'``, then 0D."""
        del reasons
        return (outcome if outcome in LEVELS else "0").encode() + b"\r"

    def kind(self, frame: bytes) -> bytes:
        """Give the character."""
        return frame[:1]

    def spoiled(self, frame: bytes) -> bytes:
        """Refuse: there is no checksum."""
        del frame
        raise ScenarioError("a pad of profile ascii_keys has no checksum")


class Aa55Xor(Profile):
    """``55 AA | len | body | xor``; the length counts the body, the xor covers length and body."""

    baud = 115200
    kinds = frozenset((b"\x81",))
    repeat_s = 0.3
    repeats = 10
    codes: ClassVar[Mapping[str, int]] = {**KEY_CODES, TIMED_OUT: 0, DECLINED: 0x0F}
    outcomes = frozenset(codes)

    head = b"\x55\xaa"
    length_at = 2
    around_body = 4

    def hear(self, buffer: bytearray) -> Heard | None:
        """Understand ``01 tt``, ``02`` and ``06``."""
        if not skip_to(buffer, self.head) or len(buffer) <= self.length_at:
            return None
        size = buffer[self.length_at] + self.around_body
        if len(buffer) < size:
            return None
        if reduce(xor, buffer[self.length_at : size]):
            take(buffer, len(self.head))
            return NOISE
        return meaning(take(buffer, size)[self.length_at + 1 : -1], request=0x01, cancel=0x02, ack=0x06)

    def outcome(self, outcome: str, reasons: str = "") -> bytes:
        """Write the body ``81 kk``."""
        del reasons
        counted = bytes((2, 0x81, self.codes[outcome]))
        return self.head + counted + bytes((reduce(xor, counted),))

    def kind(self, frame: bytes) -> bytes:
        """Give the first byte of the body."""
        return frame[3:4]

    def spoiled(self, frame: bytes) -> bytes:
        """Turn over the last byte."""
        return flipped(frame, -1)


class StxLen16(Profile):
    """``02 | lenH lenL | data | xor | 03``; the length counts the data, the xor covers the data."""

    baud = 19200
    kinds = frozenset((b"EV00", b"EV01", b"EV02"))
    reason_digits = 3
    codes: ClassVar[Mapping[str, bytes]] = {
        **{level: b"EV00" + bytes((ord("A") + i,)) for i, level in enumerate(LEVELS)},
        TIMED_OUT: b"EV01",
        DECLINED: b"EV02",
    }
    outcomes = frozenset(codes)

    head = b"\x02"
    tail = b"\x03"
    data_at = 3
    around_data = 5
    longest_data = 1024

    def hear(self, buffer: bytearray) -> Heard | None:
        """Understand ``'EV'`` + staff number of six digits + one byte of seconds, and ``'CN'``."""
        if not skip_to(buffer, self.head) or len(buffer) < self.data_at:
            return None
        size = int.from_bytes(buffer[1 : self.data_at], "big")
        if len(buffer) < size + self.around_data and size <= self.longest_data:
            return None
        data = bytes(buffer[self.data_at : self.data_at + size])
        end = bytes((reduce(xor, data, 0),)) + self.tail
        if size > self.longest_data or buffer[self.data_at + size : size + self.around_data] != end:
            take(buffer, len(self.head))
            return NOISE
        take(buffer, size + self.around_data)
        if request := re.fullmatch(rb"EV[0-9]{6}(.)", data, re.DOTALL):
            return Heard("request", request[1][0])
        return Heard("cancel") if data == b"CN" else NOISE

    def outcome(self, outcome: str, reasons: str = "") -> bytes:
        """Write ``'EV00'`` + key + reasons, ``'EV01'`` or ``'EV02'``."""
        data = self.codes[outcome] + reasons.encode("ascii")
        return self.head + len(data).to_bytes(2, "big") + data + bytes((reduce(xor, data),)) + self.tail

    def kind(self, frame: bytes) -> bytes:
        """Give the first four bytes of the data."""
        return frame[3:7]


class Addressable(Profile):
    """``FF 68 | L | L | 68 | addr | cmd | data | SUM | 16``; L and SUM cover addr to the last data byte."""

    baud = 9600
    kinds = frozenset((b"\x51", b"\xd0", b"\x10"))
    repeat_s = 0.5
    repeats = 3
    heartbeat_s = 5.0
    codes: ClassVar[Mapping[str, int]] = {**KEY_CODES, TIMED_OUT: 0}
    outcomes = frozenset(codes)

    head = b"\xff\x68"
    length_at = 2
    counted_at = 5
    around_counted = 7

    def hear(self, buffer: bytearray) -> Heard | None:
        """Understand commands 50 (data ``tt``), 52 and D1 to its own address."""
        if not skip_to(buffer, self.head) or len(buffer) <= self.length_at:
            return None
        size = buffer[self.length_at]
        if len(buffer) < size + self.around_counted:
            return None
        counted = bytes(buffer[self.counted_at : self.counted_at + size])
        if self._around(counted) != buffer[: size + self.around_counted]:
            take(buffer, len(self.head))
            return NOISE
        take(buffer, size + self.around_counted)
        if counted[:1] != bytes((self.address,)):
            return NOISE
        return meaning(counted[1:], request=0x50, cancel=0x52, ack=0xD1)

    def outcome(self, outcome: str, reasons: str = "") -> bytes:
        """Write command 51."""
        del reasons
        return self._around(bytes((self.address, 0x51, self.codes[outcome])))

    def accepted(self) -> bytes:
        """Write command D0."""
        return self._around(bytes((self.address, 0xD0, 0)))

    def heartbeat(self) -> bytes:
        """Write command 10."""
        return self._around(bytes((self.address, 0x10)))

    def kind(self, frame: bytes) -> bytes:
        """Give the command."""
        return frame[6:7]

    def _around(self, counted: bytes) -> bytes:
        length = len(counted)
        return bytes((*self.head, length, length, 0x68, *counted, sum(counted) & 0xFF, 0x16))


PROFILES: Mapping[str, type[Profile]] = {
    "ascii_keys": AsciiKeys,
    "aa55_xor": Aa55Xor,
    "stx_len16": StxLen16,
    "addressable": Addressable,
}
