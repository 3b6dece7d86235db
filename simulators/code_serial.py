"""Behave like a scan gun on a serial line: text goes out framed as the gun is set up; the host is ignored."""

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import ClassVar

from simulators.model import BAUD_HELP, Binder, Deed, Model, Output, baud_options
from simulators.words import ScenarioError, Words, to_bytes, to_number, to_seconds

TERMINATORS = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "tab": b"\t", "none": b""}
ENCODINGS = ("utf-8", "gb18030", "ascii", "latin-1")
MOST_CODES = 10_000_000

FRAME_HELP: Mapping[str, str] = {
    "encoding": ", ".join(ENCODINGS),
    "aim": "symbology identifier before the data, such as ]Q1",
    "prefix": "text before everything, or bytes as 0x02",
    "suffix": "text after the data, or bytes as 0x03",
    "terminator": ", ".join(TERMINATORS),
    "pace": "seconds between two bytes",
}


@dataclass(frozen=True, slots=True)
class Framing:
    """Say how a code goes out: ``prefix aim data suffix terminator``."""

    encoding: str = "utf-8"
    aim: str = ""
    prefix: str = ""
    suffix: str = ""
    terminator: str = "cr"
    pace_s: float = 0.0

    def read(self, words: Words) -> "Framing":
        """Take what the words change."""
        return Framing(
            encoding=words.choice("encoding", ENCODINGS, self.encoding),
            aim=words.text("aim", self.aim),
            prefix=words.text("prefix", self.prefix),
            suffix=words.text("suffix", self.suffix),
            terminator=words.choice("terminator", tuple(TERMINATORS), self.terminator),
            pace_s=words.seconds("pace", self.pace_s),
        )

    def encoded(self, text: str) -> bytes:
        """Encode the data of a code."""
        try:
            return text.encode(self.encoding)
        except UnicodeEncodeError:
            raise ScenarioError(f"the text cannot be written in {self.encoding}") from None

    def frame(self, data: bytes) -> bytes:
        """Put everything around the data."""
        before = _text_or_bytes(self.prefix) + self.encoded(self.aim)
        return before + data + _text_or_bytes(self.suffix) + TERMINATORS[self.terminator]


@dataclass(slots=True)
class _Burst:
    """Codes that go out one after the other."""

    codes: Iterator[bytes]
    left: int
    every_s: float
    at: float
    pace_s: float


class ScanGun(Model):
    """Keep what a gun keeps: its setting, and the codes it has yet to send."""

    summary = "scan gun, serial or USB-CDC"
    options: ClassVar[Mapping[str, str]] = {**BAUD_HELP, **FRAME_HELP}

    def __init__(self, words: Words, seed: int = 0) -> None:
        super().__init__()
        del seed
        self.baud, self.garbles_wrong_baud = baud_options(words, 0, garbles=True)
        self._framing = Framing().read(words)
        words.done()
        self._framing.frame(b"")
        self._bursts: deque[_Burst] = deque()

    def actions(self) -> Mapping[str, Binder]:
        """Name what a person can do with the gun."""
        return {"scan": self._bind_scan, "flood": self._bind_flood}

    def power_off(self) -> None:
        """Forget what is not sent yet."""
        super().power_off()
        self._bursts.clear()

    def due(self, now: float) -> list[Output]:
        """Give the codes whose time has come."""
        outputs = []
        while self._bursts and (burst := self._bursts[0]).at <= now:
            outputs.append(Output(next(burst.codes), pace_s=burst.pace_s))
            self.counters["codes"] += 1
            burst.at += burst.every_s
            burst.left -= 1
            if not burst.left:
                self._bursts.popleft()
        return outputs

    def next_due(self) -> float | None:
        """Tell when the next code goes out."""
        return self._bursts[0].at if self._bursts else None

    def _send(self, burst: _Burst) -> list[Output]:
        if not self.powered:
            return []
        self._bursts.append(burst)
        return self.due(burst.at)

    def _bind_scan(self, words: Words) -> Deed:
        """``scan TEXT|hex=HEX [repeat=N gap=S] [gun options]``: read a code, N times S seconds apart."""
        text = words.required("TEXT")
        framing = self._framing.read(words)
        count = words.number("repeat", 1, 1, MOST_CODES)
        gap_s = words.seconds("gap", 0.1)
        words.done()
        if text.startswith("hex="):
            code = framing.frame(to_bytes(text.removeprefix("hex="), "hex"))
        else:
            code = framing.frame(framing.encoded(text))

        def start(now: float) -> list[Output]:
            return self._send(_Burst(repeat(code), count, gap_s, now, framing.pace_s))

        return Deed(start, self._is_idle, until_sent=True, limit_s=math.inf)

    def _bind_flood(self, words: Words) -> Deed:
        """``flood N rate=R [options of the gun]``: send N different codes SIM-0000001…, R a second."""
        count = to_number(words.required("N"), "N", 1, MOST_CODES)
        rate = to_seconds(words.text("rate", "10"), "rate")
        framing = self._framing.read(words)
        words.done()
        if not rate:
            raise ScenarioError("rate must be more than 0")
        framing.frame(b"")

        def start(now: float) -> list[Output]:
            codes = (framing.frame(f"SIM-{n:07}".encode()) for n in range(1, count + 1))
            return self._send(_Burst(codes, count, 1 / rate, now, framing.pace_s))

        return Deed(start, self._is_idle, until_sent=True, limit_s=math.inf)

    def _is_idle(self) -> bool:
        return not self._bursts


def _text_or_bytes(text: str) -> bytes:
    """Encode a prefix or suffix: ``0x`` and hexadecimal digits stand for bytes."""
    return to_bytes(text[2:], "prefix or suffix") if text.startswith("0x") else text.encode()
