"""A port, a link and a job on a clock that moves only when somebody waits; and the pads' own bytes.

The bytes are written here by hand after ``docs/pads.md``, so that a mistake of the codec cannot hide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from operator import xor
from typing import Any

import pytest

from drivers.pad_serial import PadSettings, SerialPad
from edge.errors import DeviceLost, JobCancelled
from edge.events import Evaluate, Payload, Rated
from edge.links import Line
from tests.support.port import BytePort

SESSION = "0f8fad5b-d9cb-469f-a165-70867728950e"


@dataclass
class FakeLink:
    """A device that says things at their time; ``answers`` reacts to what is written."""

    clock: float = 100.0
    incoming: list[tuple[float, bytes]] = field(default_factory=list)
    written: list[tuple[float, bytes]] = field(default_factory=list)
    answers: Callable[[bytes], None] = lambda _data: None
    lost_at: float = float("inf")
    write_error: Exception | None = None
    closed: int = 0
    simulated: bool = True

    def say(self, data: bytes, after_s: float = 0.0) -> None:
        self.incoming.append((self.clock + after_s, data))
        self.incoming.sort(key=lambda item: item[0])

    def sent(self) -> list[bytes]:
        return [data for _, data in self.written]

    def idle(self, wait_s: float) -> bool:
        assert wait_s >= 0
        moment = min([self.lost_at, *(at for at, _ in self.incoming)])
        self.clock = max(self.clock, min(moment, self.clock + wait_s))
        return moment <= self.clock

    def read(self, wait_s: float) -> bytes:
        if not self.idle(wait_s):
            return b""
        data = b"".join(data for at, data in self.incoming if at <= self.clock)
        if not data:
            raise DeviceLost("the fake went away")
        self.incoming = [(at, data) for at, data in self.incoming if at > self.clock]
        return data

    def write(self, data: bytes) -> None:
        if self.clock >= self.lost_at:
            raise DeviceLost("the fake went away")
        if self.write_error is not None:
            raise self.write_error
        self.written.append((self.clock, data))
        self.answers(data)

    def discard(self) -> None:
        while self.read(0):
            pass

    def set_baud(self, baud: int) -> None:
        raise NotImplementedError

    def wake(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.closed += 1


class FakePort(BytePort):
    """Opens the one link; keeps the log lines."""

    def __init__(self, link: FakeLink) -> None:
        self.link = link
        self.line: Line | None = None
        self.lines: list[tuple[str, dict[str, float | str | bool]]] = []

    def open(self, line: Line | None = None) -> FakeLink:
        self.line = line
        return self.link

    def monotonic(self) -> float:
        return self.link.clock

    def digest(self, text: str) -> str:
        raise NotImplementedError

    def log(self, message: str, **fields: float | str | bool) -> None:
        self.lines.append((message, fields))

    def messages(self) -> list[str]:
        return [message for message, _ in self.lines]


class FakeJob:
    """A job that is cancelled at a moment, and knows when it was checked."""

    request_id = SESSION

    def __init__(self, link: FakeLink, cancel_after_s: float = float("inf")) -> None:
        self._link = link
        self._cancel_at = link.clock + cancel_after_s
        self.checked_at = [link.clock]

    def longest_pause_s(self) -> float:
        times = [*self.checked_at, self._link.clock]
        return max(later - earlier for earlier, later in pairwise(times))

    def check(self) -> None:
        self.checked_at.append(self._link.clock)
        if self._link.clock >= self._cancel_at:
            raise JobCancelled("cancelled by the test")

    def remaining_s(self) -> float:
        return 60.0

    def report(self, text_code: str, step: int | None = None, of: int | None = None) -> None:
        raise NotImplementedError


def _aa55(body: str) -> bytes:
    counted = bytes([len(bytes.fromhex(body))]) + bytes.fromhex(body)
    return b"\x55\xaa" + counted + bytes([reduce(xor, counted)])


def _stx(data: bytes) -> bytes:
    return b"\x02" + len(data).to_bytes(2, "big") + data + bytes([reduce(xor, data)]) + b"\x03"


def addressable(body: str, address: int = 1) -> bytes:
    counted = bytes([address]) + bytes.fromhex(body)
    length = bytes([len(counted)])
    return b"\xff\x68" + length * 2 + b"\x68" + counted + bytes([sum(counted) & 0xFF]) + b"\x16"


@dataclass(frozen=True)
class PadBytes:
    """What is on a pad's line, asked for 30 s and staff 42; empty where the dialect has no such frame."""

    keys: Mapping[int, bytes]
    declined: bytes = b""
    timed_out: bytes = b""
    unmapped: bytes = b""
    request: bytes = b""
    cancel: bytes = b""
    taken: bytes = b""
    accepted: bytes = b""
    heartbeat: bytes = b""
    repeat_s: float = 0.0


PADS: Mapping[str, PadBytes] = {
    "ascii_keys": PadBytes({level: b"%d\r" % level for level in range(1, 6)}, declined=b"0\r", unmapped=b"7\r"),
    "aa55_xor": PadBytes(
        {level: _aa55(f"81 0{6 - level}") for level in range(1, 6)},
        declined=_aa55("81 0F"),
        timed_out=_aa55("81 00"),
        unmapped=_aa55("81 09"),
        request=_aa55("01 1E"),
        cancel=_aa55("02"),
        taken=_aa55("06"),
        repeat_s=0.3,
    ),
    "stx_len16": PadBytes(
        {level: _stx(b"EV00" + b"EDCBA"[level - 1 : level]) for level in range(1, 6)},
        declined=_stx(b"EV02"),
        timed_out=_stx(b"EV01"),
        unmapped=_stx(b"EV00Z"),
        request=_stx(b"EV000042\x1e"),
        cancel=_stx(b"CN"),
    ),
    "addressable": PadBytes(
        {level: addressable(f"51 0{6 - level}") for level in range(1, 6)},
        timed_out=addressable("51 00"),
        unmapped=addressable("51 09"),
        request=addressable("50 1E"),
        cancel=addressable("52"),
        taken=addressable("D1"),
        accepted=addressable("D0 00"),
        heartbeat=addressable("10"),
        repeat_s=0.5,
    ),
}


def stx_key(data: str) -> bytes:
    return _stx(data.encode())


COMMAND = Evaluate(timeout_s=30, staff="42", form_id="f1", form_version="3")


class Desk:
    """An opened pad with everything around it."""

    def __init__(self, name: str, **settings: Any) -> None:
        self.pad: PadBytes = PADS[name]
        self.link = FakeLink()
        self.port = FakePort(self.link)
        self.driver = SerialPad(PadSettings(profile=name, **settings), self.port)
        self.driver.open()
        self.link.answers = self.obey

    def obey(self, written: bytes) -> None:
        """Accept a request where the dialect says so."""
        if written == self.pad.request and self.pad.accepted:
            self.link.say(self.pad.accepted, 0.02)

    def job(self, cancel_after_s: float = float("inf")) -> FakeJob:
        return FakeJob(self.link, cancel_after_s)

    def start(self, job: FakeJob | None = None) -> Iterator[Payload]:
        return self.driver.execute(COMMAND, job or self.job())

    def rate(self, level: int, after_s: float = 2.0) -> Rated:
        """Run one session with one key press."""
        self.link.say(self.pad.keys[level], after_s)
        (event,) = list(self.start())
        assert isinstance(event, Rated)
        return event

    def poll(self, wait_s: float = 0.0) -> list[Payload]:
        return list(self.driver.poll(wait_s))


def test_the_bytes_are_those_of_the_document() -> None:
    assert PADS["aa55_xor"].keys[5] == bytes.fromhex("55AA 02 81 01 82")
    assert PADS["aa55_xor"].request == bytes.fromhex("55AA 02 01 1E 1D")
    assert PADS["stx_len16"].keys[5] == bytes.fromhex("02 0005 45 56 30 30 41 52 03")
    assert PADS["addressable"].heartbeat == bytes.fromhex("FF68 02 02 68 01 10 11 16")


def test_the_fake_waits_without_waiting() -> None:
    link = FakeLink()
    link.say(b"later", after_s=2)
    assert not link.idle(1)
    assert link.clock == 101
    assert link.read(5) == b"later"
    assert link.clock == 102
    link.lost_at = 103
    with pytest.raises(DeviceLost):
        link.read(9)
