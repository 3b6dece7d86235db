"""Behave like an evaluation pad on USB: a keypad that types digits, or one with reports of 8 bytes of its own.

The typing one is never asked. The other takes keys only while it is asked to evaluate (``always=1``: at any time),
and ends an evaluation by itself when its time is over. It stands at a UNIX socket, which carries what the kernel's
node would: 24 bytes an input event, or one report a message.
"""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from simulators.hid_port import HidPort
from simulators.hosted import Hosted
from simulators.model import Binder, Deed, Output
from simulators.pad_profiles import DECLINED, KEY_CODES, LEVELS, NOISE, TIMED_OUT, Heard, Profile, meaning, take
from simulators.pad_serial import KEYS, EvaluationPad
from simulators.words import Words, to_number, to_seconds, unknown

EVENT = struct.Struct("@llHHi")
EV_SYN, EV_KEY = 0, 1
ENTER = 28
REPEAT_S = 0.033
FLOOD_RATE = "10000"
MOST_PRESSES = 100_000
RELEASED = "released"


def stroke(code: int) -> bytes:
    """Write a press and a release of one key."""
    return pressed(code, 1) + pressed(code, 0)


def pressed(code: int, value: int) -> bytes:
    """Write one event of a key, 1 down, 0 up, 2 held, and the end of its group."""
    return EVENT.pack(0, 0, EV_KEY, code, value) + EVENT.pack(0, 0, EV_SYN, 0, 0)


class Keypad(Profile):
    """Type the level as a digit, 0 for a refusal, with or without Enter."""

    kinds = frozenset((b"",))
    codes: ClassVar[Mapping[str, int]] = {**{level: int(level) + 1 for level in LEVELS}, DECLINED: 11}
    outcomes = frozenset(codes)
    asks = False

    def __init__(self, *, enter: bool = False) -> None:
        super().__init__()
        self._end = stroke(ENTER) if enter else b""

    def hear(self, buffer: bytearray) -> Heard | None:
        """Understand nothing: a keyboard is told nothing."""
        buffer.clear()
        return None

    def outcome(self, outcome: str, reasons: str = "") -> bytes:
        """Write the strokes."""
        del reasons
        return stroke(self.codes[outcome]) + self._end

    def kind(self, frame: bytes) -> bytes:
        """Tell that all strokes are alike."""
        del frame
        return b""

    def held(self, outcome: str) -> tuple[bytes, bytes, bytes]:
        """Write what a key says that goes down, that stays down, and that goes up."""
        code = self.codes[outcome]
        return pressed(code, 1), pressed(code, 2), pressed(code, 0)


class Reports(Profile):
    """``01 | cmd | data``, filled up to 8 bytes; ``51 FF`` tells that a key was released."""

    kinds = frozenset((b"\x51",))
    codes: ClassVar[Mapping[str, int]] = {**KEY_CODES, DECLINED: 0x0F, TIMED_OUT: 0, RELEASED: 0xFF}
    outcomes = frozenset(codes) - {RELEASED}

    number, size = 1, 8
    ask = 0x50

    def hear(self, buffer: bytearray) -> Heard | None:
        """Understand reports 50 (data ``tt``), 52 and D1."""
        if len(buffer) < self.size:
            return None
        report = take(buffer, self.size)
        if report[0] != self.number:
            return NOISE
        said = report[1:3] if report[1] == self.ask else report[1:2]
        return meaning(said, request=self.ask, cancel=0x52, ack=0xD1)

    def outcome(self, outcome: str, reasons: str = "") -> bytes:
        """Write a report 51."""
        del reasons
        return bytes((self.number, 0x51, self.codes[outcome])).ljust(self.size, b"\0")

    def kind(self, frame: bytes) -> bytes:
        """Give the command."""
        return frame[1:2]

    def held(self, outcome: str) -> tuple[bytes, bytes, bytes]:
        """Write what a key says that goes down, that stays down, and that goes up."""
        return self.outcome(outcome), self.outcome(outcome), self.outcome(RELEASED)


class HidPadModel(EvaluationPad):
    """Keep what a pad keeps, and its keys that stay down."""

    summary = "evaluation pad, HID"
    options: ClassVar[Mapping[str, str]] = {
        "kind": "keys or reports",
        "enter": "1: Enter behind every digit, for kind keys",
        "always": "1: takes keys without being asked",
    }

    def make_profile(self, words: Words) -> Keypad | Reports:
        """Choose between the two kinds."""
        kind = words.choice("kind", ("keys", "reports"), "keys")
        enter = words.flag("enter")
        self.hid: Keypad | Reports = Keypad(enter=enter) if kind == "keys" else Reports()
        return self.hid

    def actions(self) -> Mapping[str, Binder]:
        """Name what a person can do to the pad."""
        return {**super().actions(), "hold": self._bind_hold, "flood": self._bind_flood}

    def _bind_hold(self, words: Words) -> Deed:
        """``hold 5…1|decline S``: keep a key down for S seconds."""
        key, seconds = self._key(words.required("key")), to_seconds(words.required("S"), "S")
        words.done()
        down, stays, up = self.hid.held(key)
        times = [n * REPEAT_S for n in range(1, 1 + int(seconds / REPEAT_S))]

        def hold(_: float) -> list[Output]:
            if not self.powered:
                return []
            self.counters["presses"] += 1
            kind = self.hid.kind(down)
            said = [Output(down, kind), *(Output(stays, kind, after_s=at) for at in times)]
            return [*said, Output(up, kind, after_s=seconds)]

        return Deed(hold, until_sent=True, limit_s=seconds + 5)

    def _bind_flood(self, words: Words) -> Deed:
        """``flood N``: press all keys in turn, N times in all, faster than any hand."""
        count = to_number(words.required("N"), "N", 1, MOST_PRESSES)
        words.done()
        frames = [self.hid.outcome(level) for level in LEVELS]

        def flood(_: float) -> list[Output]:
            if not self.powered:
                return []
            self.counters["presses"] += count
            return [Output(frames[n % len(frames)], self.hid.kind(frames[0])) for n in range(count)]

        return Deed(flood, until_sent=True)

    def _key(self, word: str) -> str:
        usable = {word: outcome for word, outcome in KEYS.items() if outcome in self.hid.outcomes}
        if word not in usable:
            raise unknown("key", word, usable)
        return usable[word]


class HidPad(Hosted):
    """Keep a pad and its socket."""

    summary = "evaluation pad on USB, as a keyboard or with reports, at a UNIX socket"
    options = HidPadModel.options

    def __init__(self, place: Path, words: Words, seed: int = 0) -> None:
        super().__init__(place, words, seed, HidPadModel(words, seed), HidPort(place))

    @property
    def address(self) -> str:
        """Give the address of the socket."""
        return f"hid://{self.place}"
