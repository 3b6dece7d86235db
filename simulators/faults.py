"""Spoil the next answers of a device byte by byte, and put a time on every piece of them."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from simulators.model import Model, Output
from simulators.words import ScenarioError, Words, to_bytes, to_number, to_seconds

PULL_GRACE_S = 0.01
"""How long the bytes before a pulled cable travel at least: what the host did not fetch is lost with the port."""

LONGEST = 1_000_000


@dataclass(slots=True)
class Sending:
    """One answer on its way through the faults."""

    data: bytes
    after_s: float
    pace_s: float
    lead: bytes = b""
    chunk: int = 0
    gap_s: float = 0.0
    keep: int | None = None
    pull_at: int | None = None


@dataclass(slots=True)
class Fault:
    """One fault waiting for the answers it is for: ``kind`` is the beginning of their ``Output.kind``."""

    spoil: Callable[[Sending], None]
    kind: bytes
    times: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes with the moment they go out, or the moment at which the cable is pulled."""

    at: float
    data: bytes
    pull: bool = False


class Line:
    """Carry answers in their order: nothing overtakes what was said before."""

    def __init__(self, seed: int) -> None:
        self.noise = random.Random(seed)
        self._faults: list[Fault] = []
        self._pieces: deque[Piece] = deque()

    def add(self, fault: Fault) -> None:
        """Spoil the next answers that the fault is for."""
        self._faults.append(fault)

    def say(self, output: Output, now: float) -> None:
        """Take one answer of the device."""
        sending = Sending(output.data, output.after_s, output.pace_s)
        for fault in [fault for fault in self._faults if output.kind.startswith(fault.kind)]:
            fault.spoil(sending)
            fault.times -= 1
            if not fault.times:
                self._faults.remove(fault)
        at = now + sending.after_s
        if self._pieces:
            at = max(at, self._pieces[-1].at)
        self._pieces.extend(pieces(sending, at))

    def take(self, now: float) -> Piece | None:
        """Give the next piece whose time has come."""
        return self._pieces.popleft() if self._pieces and self._pieces[0].at <= now else None

    def put_off(self, piece: Piece, until: float) -> None:
        """Take a piece back that cannot go out yet."""
        self._pieces.appendleft(Piece(until, piece.data, piece.pull))

    def next_due(self) -> float | None:
        """Tell when the next piece goes out."""
        return self._pieces[0].at if self._pieces else None

    def idle(self) -> bool:
        """Tell whether all is said."""
        return not self._pieces

    def clear(self) -> None:
        """Lose what is on its way; the faults wait on."""
        self._pieces.clear()


def pieces(sending: Sending, at: float) -> list[Piece]:
    """Cut one answer into timed pieces; byte counts of faults do not count the garbage before it."""
    data = sending.data if sending.keep is None else sending.data[: sending.keep]
    if sending.pull_at is not None:
        data = data[: sending.pull_at]
    data = sending.lead + data
    size, gap_s = (sending.chunk, sending.gap_s) if sending.chunk else (1, sending.pace_s)
    if not sending.chunk and not sending.pace_s:
        size = max(len(data), 1)
    out = [Piece(at + gap_s * n, data[i : i + size]) for n, i in enumerate(range(0, len(data), size))]
    if sending.pull_at is not None:
        out.append(Piece((out[-1].at if out else at) + PULL_GRACE_S, b"", pull=True))
    return out


def fault_from(action: str, words: Words, model: Model, noise: random.Random) -> Callable[[], Fault]:
    """Check the words of a fault action and give a maker of that fault."""
    spoil = SPOILERS[action](words, model, noise)
    kind = words.raw("answer") or b""
    times = words.number("times", 1, 1, LONGEST)
    words.done()
    if kind and not any(known.startswith(kind) for known in model.kinds):
        known_kinds = ", ".join(sorted(known.hex().upper() for known in model.kinds)) or "none"
        raise ScenarioError(f"answer={kind.hex()} is never sent by this device; known: {known_kinds}")
    return lambda: Fault(spoil, kind, times)


Spoiler = Callable[[Sending], None]


def _unplug_after(words: Words, model: Model, noise: random.Random) -> Spoiler:
    """``unplug-after K [answer=HEX] [times=N]``: pull the cable after K bytes of the next answer."""
    del model, noise
    count = to_number(words.required("K"), "K", 0, LONGEST)

    def spoil(sending: Sending) -> None:
        sending.pull_at = count

    return spoil


def _garbage(words: Words, model: Model, noise: random.Random) -> Spoiler:
    """``garbage N | garbage hex=HEX [answer=HEX] [times=N]``: send noise before the next answer."""
    del model
    count = words.optional()
    given = words.raw("hex")
    if (count is None) == (given is None):
        raise ScenarioError("garbage needs either a number of bytes or hex=")
    size = 0 if count is None else to_number(count, "N", 1, LONGEST)

    def spoil(sending: Sending) -> None:
        sending.lead += noise.randbytes(size) if given is None else given

    return spoil


def _late(words: Words, model: Model, noise: random.Random) -> Spoiler:
    """``late S [answer=HEX] [times=N]``: send the next answer, and what follows, S seconds late."""
    del model, noise
    delay_s = to_seconds(words.required("S"), "S")

    def spoil(sending: Sending) -> None:
        sending.after_s += delay_s

    return spoil


def _truncate(words: Words, model: Model, noise: random.Random) -> Spoiler:
    """``truncate K [answer=HEX] [times=N]``: send K bytes of the next answer; the rest never comes."""
    del model, noise
    count = to_number(words.required("K"), "K", 0, LONGEST)

    def spoil(sending: Sending) -> None:
        sending.keep = count

    return spoil


def _chunk(words: Words, model: Model, noise: random.Random) -> Spoiler:
    """``chunk N [gap=S] [answer=HEX] [times=N]``: send the next answer N bytes at a time, S seconds apart."""
    del model, noise
    size = to_number(words.required("N"), "N", 1, LONGEST)
    gap_s = words.seconds("gap", 0.0)

    def spoil(sending: Sending) -> None:
        sending.chunk, sending.gap_s = size, gap_s

    return spoil


def _wrong_checksum(words: Words, model: Model, noise: random.Random) -> Spoiler:
    """``wrong-checksum [answer=HEX] [times=N]``: send the next answer with a wrong checksum."""
    del words, noise
    model.spoiled(bytes(8))

    def spoil(sending: Sending) -> None:
        sending.data = model.spoiled(sending.data)

    return spoil


def _replace(words: Words, model: Model, noise: random.Random) -> Spoiler:
    """``replace HEX [answer=HEX] [times=N]``: send these bytes instead of the next answer."""
    del model, noise
    data = to_bytes(words.required("HEX"), "HEX")

    def spoil(sending: Sending) -> None:
        sending.data = data

    return spoil


SPOILERS: dict[str, Callable[[Words, Model, random.Random], Spoiler]] = {
    "unplug-after": _unplug_after,
    "garbage": _garbage,
    "late": _late,
    "truncate": _truncate,
    "chunk": _chunk,
    "wrong-checksum": _wrong_checksum,
    "replace": _replace,
}
