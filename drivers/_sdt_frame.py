"""Frames of the SDT protocol that resident-ID-card readers speak: pure functions, no I/O.

A frame is ``AA AA AA 96 69``, a big-endian length of what follows, the body, and the XOR of everything from
the length on (GA/T 467).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor

from drivers._sdt_status import CARD_FOUND, OK

PREAMBLE = b"\xaa\xaa\xaa\x96\x69"
HEADER_BYTES = len(PREAMBLE) + 2
MIN_LENGTH = 4
MAX_LENGTH = 4096
WITH_DATA = frozenset({OK, CARD_FOUND})


def body_bytes(head: bytes) -> int | None:
    """Return how many bytes follow the *head* of an answer; ``None``: no answer begins so."""
    length = int.from_bytes(head[len(PREAMBLE) : HEADER_BYTES], "big")
    return length if head.startswith(PREAMBLE) and MIN_LENGTH <= length <= MAX_LENGTH else None


@dataclass(frozen=True, repr=False)
class Answer:
    """One answer: ``status`` is SW3, ``card_word`` is SW1 SW2, ``data`` may be a person's record."""

    status: int
    card_word: bytes
    data: bytes


def checksum(data: bytes) -> int:
    """Return the XOR of all bytes of *data*."""
    return reduce(xor, data, 0)


def request(command: int, parameter: int, data: bytes = b"") -> bytes:
    """Return the frame that sends *command* to a reader."""
    body = bytes((command, parameter)) + data
    counted = (len(body) + 1).to_bytes(2, "big") + body
    return PREAMBLE + counted + bytes((checksum(counted),))


class Hunter:
    """Find answers in a stream that may hold noise, and pieces of frames, before and between them.

    A false preamble (bad length, bad checksum) costs one byte: the hunt goes on behind it, within what was
    received, so that noise never swallows a real frame. An error with data is noise too: one vendor's nine
    bytes for "timeout" and the beginning of the next answer have a right checksum together.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.broken = False
        """Whether a complete frame was refused: its checksum is wrong, or an error that carries data."""

    @property
    def begun(self) -> bool:
        """Whether a frame has begun and not ended yet."""
        return self._buffer.startswith(PREAMBLE)

    def feed(self, data: bytes) -> None:
        """Add what was received."""
        self._buffer += data

    def take(self) -> Answer | None:
        """Return the next whole answer, or ``None`` when more bytes are needed."""
        while self._seek() and len(self._buffer) >= HEADER_BYTES:
            length = int.from_bytes(self._buffer[len(PREAMBLE) : HEADER_BYTES], "big")
            if not MIN_LENGTH <= length <= MAX_LENGTH:
                del self._buffer[0]
                continue
            end = HEADER_BYTES + length
            if len(self._buffer) < end:
                return None
            frame = bytes(self._buffer[:end])
            answer = Answer(status=frame[9], card_word=frame[7:9], data=frame[10:-1])
            if checksum(frame[len(PREAMBLE) :]) or (answer.data and answer.status not in WITH_DATA):
                self.broken = True
                del self._buffer[0]
                continue
            del self._buffer[:end]
            return answer
        return None

    def give_up(self) -> Answer | None:
        """Treat the frame that has begun as a false one and return an answer received behind it, if any."""
        while self.begun:
            del self._buffer[0]
            answer = self.take()
            if answer is not None:
                return answer
        return None

    def _seek(self) -> bool:
        """Drop what lies before the next preamble; keep what may be its beginning."""
        start = self._buffer.find(PREAMBLE)
        del self._buffer[: start if start >= 0 else max(0, len(self._buffer) - len(PREAMBLE) + 1)]
        return start >= 0
