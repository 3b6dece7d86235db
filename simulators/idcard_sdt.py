"""Behave like an ID-card reader with a SAM: find, select, read, as SDT frames (GA/T 467).

A card that was read is "handled": find denies it until it is lifted. A stage lives three seconds.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from simulators.model import BAUD_HELP, Binder, Deed, Model, Output, baud_options, flipped
from simulators.people import INSERT_HELP, make, read_wishes
from simulators.records import Citizen, address_entry, text_record
from simulators.sdt_frames import LENGTH_WRONG, Request, answer_frame, cut_request, sam_id_bytes
from simulators.words import ScenarioError, Words, to_bytes

OK, CARD_FOUND, NOTHING_STORED, NO_CARD, SELECT_FAILED, BAD_COMMAND = 0x90, 0x9F, 0x91, 0x80, 0x81, 0x21

RESET, STATUS, SAM_ID = b"\x10\xff", b"\x11\xff", b"\x12\xff"
FIND, SELECT = b"\x20\x01", b"\x20\x02"
READ, READ_WITH_FINGERPRINTS = b"\x30\x01", b"\x30\x10"
READ_ADDRESSES, READ_CARD_BODY = b"\x30\x03", b"\x30\x05"
SET_BAUD, MAX_RF_BYTES = b"\x60", b"\x61\xff"

RATES = (115200, 57600, 38400, 19200, 9600)
HALF_FRAME_S = 0.5
CARD_BODY = bytes(8) + bytes(range(1, 21))

NATURAL_PLACE: Mapping[int, tuple[bytes, ...]] = {
    CARD_FOUND: (FIND,),
    NO_CARD: (FIND,),
    SELECT_FAILED: (SELECT,),
    NOTHING_STORED: (READ_ADDRESSES,),
    0x37: (READ_WITH_FINGERPRINTS,),
    **dict.fromkeys((0x31, 0x32, 0x33, 0x3F, 0x40, 0x41, 0x47), (READ, READ_WITH_FINGERPRINTS)),
}
"""The commands that a real reader answers with a status; every command for the statuses not named."""

Reply = tuple[int, bytes]


@dataclass(slots=True)
class _Forced:
    status: int
    commands: tuple[bytes, ...]
    times: int


class IdCardReader(Model):
    """Keep what a SAM keeps: power, card, stage of the card, whether it is handled, and the rate."""

    summary = "ID-card reader with a SAM, SDT frames"
    options: ClassVar[Mapping[str, str]] = {
        **BAUD_HELP,
        "requires-removal": "0: find the same card again without lifting it",
        "lenient": "1: answers find with 80 and select with 81, and reads anyway",
        "wrong-order": "41, 21 or 24: the answer to a read without find and select",
        "sam-id": "as printed, 05.03-20140124-0001234567-0012345678",
        "reset-silence": "seconds of silence after a reset",
        "power-on-silence": "seconds of silence after plugging in",
        "stage-life": "seconds after which found and selected are forgotten; 0 = never",
        "read-time": "seconds that reading a card takes",
    }

    def __init__(self, words: Words, seed: int = 0) -> None:
        super().__init__()
        self.baud, self.garbles_wrong_baud = baud_options(words, RATES[0], garbles=False)
        self._requires_removal = words.flag("requires-removal", default=True)
        self._lenient = words.flag("lenient")
        self._wrong_order = int(words.choice("wrong-order", ("41", "21", "24"), "41"), 16)
        self._sam_id = sam_id_bytes(words.text("sam-id", "05.03-20140124-0001234567-0012345678"))
        self._reset_silence_s = words.seconds("reset-silence", 0.0)
        self._power_on_silence_s = words.seconds("power-on-silence", 0.0)
        self._stage_life_s = words.seconds("stage-life", 3.0)
        self._read_time_s = words.seconds("read-time", 0.0)
        words.done()
        self._rng = random.Random(seed)
        self._card: Citizen | None = None
        self._phase, self._phase_until = "idle", 0.0
        self._handled = False
        self._self_test = OK
        self._forced: list[_Forced] = []
        self._buffer, self._heard_at, self._deaf_until = bytearray(), 0.0, 0.0
        self._replies: dict[bytes, Callable[[float], Reply]] = {
            RESET: self._reset,
            STATUS: lambda _: (OK, b""),
            SAM_ID: lambda _: (OK, self._sam_id),
            FIND: self._find,
            SELECT: self._select,
            READ: lambda _: self._read(with_fingerprints=False),
            READ_WITH_FINGERPRINTS: lambda _: self._read(with_fingerprints=True),
            READ_ADDRESSES: lambda _: self._read_addresses(),
            READ_CARD_BODY: lambda _: self._read_card_body(),
            MAX_RF_BYTES: lambda _: (OK, b""),
            **{SET_BAUD + bytes((n,)): self._rate_setter(rate) for n, rate in enumerate(RATES)},
        }
        self.kinds = frozenset(self._replies)

    def actions(self) -> Mapping[str, Binder]:
        """Name what a person can do to the reader."""
        return {
            "insert": self._bind_insert,
            "remove": self._bind_remove,
            "status": self._bind_status,
            "selftest-bad": self._bind_selftest_bad,
            "selftest-ok": self._bind_selftest_ok,
        }

    def power_on(self, now: float) -> None:
        """Come up at the stored rate; a card may be lying there already."""
        super().power_on(now)
        self._deaf_until = now + self._power_on_silence_s

    def power_off(self) -> None:
        """Forget the stage of the card and half a request."""
        super().power_off()
        self._phase, self._handled = "idle", False
        self._buffer.clear()

    def receive(self, data: bytes, now: float) -> list[Output]:
        """Answer every whole request."""
        if now < self._deaf_until:
            return []
        self._buffer += data
        self._heard_at = now
        outputs = []
        while request := cut_request(self._buffer):
            outputs.append(self._answer(request, now))
            if now < self._deaf_until:
                self._buffer.clear()
        return outputs

    def due(self, now: float) -> list[Output]:
        """Give up a request whose rest does not come."""
        if not self._buffer or now - self._heard_at < HALF_FRAME_S:
            return []
        self._buffer.clear()
        return [self._answer(Request(refusal=LENGTH_WRONG), now)]

    def next_due(self) -> float | None:
        """Tell when half a request is given up."""
        return self._heard_at + HALF_FRAME_S if self._buffer else None

    def spoiled(self, data: bytes) -> bytes:
        """Turn over the check byte."""
        return flipped(data, -1)

    def _answer(self, request: Request, now: float) -> Output:
        status, data = self._reply(request, now)
        self.counters["commands" if not request.refusal else "bad_frames"] += 1
        if request.command:
            self.counters[f"command_{request.command.hex().upper()}"] += 1
        slow = request.command[:1] == READ[:1] and status == OK
        return Output(answer_frame(status, data), request.command, self._read_time_s if slow else 0.0)

    def _reply(self, request: Request, now: float) -> Reply:
        if request.refusal:
            return request.refusal, b""
        reply = self._replies.get(request.command)
        if reply and len(request.data) != (request.command == MAX_RF_BYTES):
            return LENGTH_WRONG, b""
        for forced in self._forced:
            if request.command.startswith(forced.commands):
                return self._obey(forced, request.command)
        if self._self_test != OK:
            return self._self_test, b""
        if self._stage_life_s and now >= self._phase_until:
            self._phase = "idle"
        return reply(now) if reply else (BAD_COMMAND, b"")

    def _obey(self, forced: _Forced, command: bytes) -> Reply:
        forced.times -= 1
        if not forced.times:
            self._forced.remove(forced)
        if command[:1] in (FIND[:1], READ[:1]):
            self._phase = "idle"
        return forced.status, b""

    def _enter(self, phase: str, now: float) -> None:
        self._phase, self._phase_until = phase, now + self._stage_life_s

    def _reset(self, now: float) -> Reply:
        self._phase, self._handled = "idle", False
        self._deaf_until = now + self._reset_silence_s
        return OK, b""

    def _find(self, now: float) -> Reply:
        if self._lenient or not self._card or (self._handled and self._requires_removal):
            return NO_CARD, b""
        self._enter("found", now)
        return CARD_FOUND, bytes(4)

    def _select(self, now: float) -> Reply:
        if self._phase != "found":
            return SELECT_FAILED, b""
        self._enter("selected", now)
        return OK, bytes(8)

    def _read(self, *, with_fingerprints: bool) -> Reply:
        if not self._card or not (self._lenient or self._phase == "selected"):
            return self._wrong_order, b""
        self._phase, self._handled = "idle", True
        parts = [text_record(self._card), self._card.photo]
        if with_fingerprints:
            parts.append(self._card.fingerprints)
        return OK, b"".join(len(part).to_bytes(2, "big") for part in parts) + b"".join(parts)

    def _read_addresses(self) -> Reply:
        if not self._card or not self._handled:
            return self._wrong_order, b""
        entries = b"".join(address_entry(address) for address in self._card.addresses)
        return (OK, entries) if entries else (NOTHING_STORED, b"")

    def _read_card_body(self) -> Reply:
        return (OK, CARD_BODY) if self._card and self._handled else (self._wrong_order, b"")

    def _rate_setter(self, rate: int) -> Callable[[float], Reply]:
        """Make the answer to "set baud": it still goes out at the old rate."""

        def set_rate(_: float) -> Reply:
            if self.baud:
                self.baud = rate
            return OK, b""

        return set_rate

    def _put(self, card: Citizen | None) -> list[Output]:
        self._card, self._handled, self._phase = card, False, "idle"
        return []

    def _bind_insert(self, words: Words) -> Deed:
        wishes = read_wishes(words)
        return Deed(lambda _: self._put(make(wishes, self._rng.randrange(2**31))))

    def _bind_remove(self, words: Words) -> Deed:
        """``remove``: lift the card."""
        words.done()
        return Deed(lambda _: self._put(None))

    def _bind_status(self, words: Words) -> Deed:
        """``status SW [answer=HEX] [times=N]``: answer the next command that can have status SW with it."""
        status = to_bytes(words.required("SW"), "SW")
        if len(status) != 1:
            raise ScenarioError("SW must be one byte such as 32")
        named = words.raw("answer")
        commands = NATURAL_PLACE.get(status[0], (b"",)) if named is None else (named,)
        times = words.number("times", 1, 1, 1_000_000)
        words.done()

        def force(_: float) -> list[Output]:
            self._forced.append(_Forced(status[0], commands, times))
            return []

        return Deed(force)

    def _bind_selftest_bad(self, words: Words) -> Deed:
        """``selftest-bad [60|66]``: refuse every command from now on."""
        status = words.optional() or "60"
        words.done()
        if status not in ("60", "66"):
            raise ScenarioError(f"selftest-bad is 60 or 66, not {status!r}")
        return Deed(lambda _: self._test_as(int(status, 16)))

    def _bind_selftest_ok(self, words: Words) -> Deed:
        """``selftest-ok``: be healthy again."""
        words.done()
        return Deed(lambda _: self._test_as(OK))

    def _test_as(self, status: int) -> list[Output]:
        self._self_test = status
        return []

    _bind_insert.__doc__ = f"``insert TYPE [key=value…]``: lay a card on the reader. {INSERT_HELP}"
