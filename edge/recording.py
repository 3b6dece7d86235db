"""What is said between a driver and its device, as the lines of a recording (``edge.links.replay``), replaced."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from edge.errors import EdgeError
from edge.substitute import Sign, Substitute


class Said(NamedTuple):
    """A piece of traffic: bytes as they were read or written, or a command (JSON)."""

    at: float
    sign: Sign
    data: bytes


class Lines:
    """Makes the lines of one recording. What a device said is told in the pieces and at the times in which it came."""

    def __init__(self, substitute: Substitute) -> None:
        self._substitute = substitute
        self._waiting: deque[Said] = deque()  # what the device said and is held back
        self._ready = b""
        self._heard_at: float | None = None
        self._told_at: float | None = None

    def of(self, said: Said) -> list[str]:
        """Return the lines that *said* completes."""
        if said.sign == "<":
            gap_s = 0.0 if self._heard_at is None else said.at - self._heard_at
            self._heard_at = said.at
            self._waiting.append(said)
            return list(self._whole(self._substitute.feed(said.data, gap_s)))
        lines = self.rest()
        if said.sign == ">":
            said = said._replace(data=self._substitute.sent(said.data))
        return [*lines, *self._line(said)]

    def end(self, at: float) -> list[str]:
        """Return what was held back, and how long nothing was said until now."""
        lines = self.rest()
        passed_ms = 0 if self._told_at is None else round((at - self._told_at) * 1e3)
        return [*lines, f"= {passed_ms / 1e3:g}"] if passed_ms > 0 else lines

    def rest(self) -> list[str]:
        """Return what was held back: the device is not heard any more, or the driver speaks."""
        lines = list(self._whole(self._substitute.flush()))
        if self._waiting or self._ready:
            raise EdgeError("the driver's substitute changes the number of bytes", code="REC-107")
        return lines

    def _whole(self, replaced: bytes) -> Iterator[str]:
        """Yield the lines of all pieces that are replaced as a whole."""
        self._ready += replaced
        while self._waiting and len(self._ready) >= (size := len(self._waiting[0].data)):
            data, self._ready = self._ready[:size], self._ready[size:]
            yield from self._line(self._waiting.popleft()._replace(data=data))

    def _line(self, said: Said) -> Iterator[str]:
        if self._told_at is not None and (passed_ms := round((said.at - self._told_at) * 1e3)) > 0:
            yield f"= {passed_ms / 1e3:g}"
            self._told_at += passed_ms / 1e3
        if self._told_at is None:
            self._told_at = said.at
        yield f"{said.sign} {said.data.decode('ascii') if said.sign == '$' else said.data.hex(' ').upper()}"


def opening_lines(substitute: Substitute, opening: Iterable[Said]) -> list[str]:
    """Return the lines of what was said while the device was opened."""
    lines = Lines(substitute)
    return [line for said in opening for line in lines.of(said)] + lines.rest()
