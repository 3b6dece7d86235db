"""Cut a gun's byte stream into codes, and tell the same code from a new one. Pure: no I/O, time comes in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

Terminator = Literal["auto", "cr", "lf", "crlf", "tab", "none"]
MARKS: Mapping[Terminator, bytes] = {"auto": b"\n", "cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "tab": b"\t"}

BROKEN_OFF = "SCN-101"
TOO_LONG = "SCN-102"
PARTIAL_S = 0.2


def silence_s(terminator: Terminator, idle_gap_s: float) -> float:
    """Return the silence that ends a code, or drops one that has begun."""
    return idle_gap_s if terminator == "none" else PARTIAL_S


class CodeCutter:
    """Call :meth:`silence` when nothing came for a while and ``pending`` is true."""

    def __init__(self, terminator: Terminator, max_bytes: int, dropped: Callable[[str, int], None]) -> None:
        self.pending = False
        self._auto = terminator == "auto"
        self._mark = MARKS.get(terminator, b"")
        self._max_bytes = max_bytes
        self._dropped = dropped
        self._rest = b""
        self._skipped = 0  # bytes of a code that is too long, until it ends

    def feed(self, data: bytes) -> list[bytes]:
        """Return the codes that *data* completes, each without its terminator; empty ones are none."""
        if self._auto:
            data = data.replace(b"\r", b"\n")
        if self._rest:
            data = self._rest + data
        codes = data.split(self._mark) if self._mark else [data]
        self._rest = codes.pop()
        if codes and self._skipped:
            self._end_skipping(len(codes.pop(0)))
        if len(data) > self._max_bytes:
            codes = [code for code in codes if self._fits(code)]
            self._skip_rest()
        self.pending = bool(self._rest or self._skipped)
        return [code for code in codes if code]

    def silence(self) -> list[bytes]:
        """Return what a silence completes: the code of a gun without terminator; else drop what has begun."""
        rest, self._rest, self.pending = self._rest, b"", False
        if self._skipped:
            self._end_skipping(len(rest))
        elif not self._mark:
            return [rest] if rest else []
        elif rest:
            self._dropped(BROKEN_OFF, len(rest))
        return []

    def reset(self) -> None:
        """Forget what has arrived."""
        self._rest, self._skipped, self.pending = b"", 0, False

    def _fits(self, code: bytes) -> bool:
        if len(code) <= self._max_bytes:
            return True
        self._dropped(TOO_LONG, len(code))
        return False

    def _skip_rest(self) -> None:
        """Let go of a beginning that is too long already, but for half a terminator at its end."""
        keep = len(self._mark) - 1 if self._mark else 0
        if len(self._rest) > self._max_bytes + keep:
            at = len(self._rest) - keep
            self._skipped += at
            self._rest = self._rest[at:]

    def _end_skipping(self, more: int) -> None:
        self._dropped(TOO_LONG, self._skipped + more)
        self._skipped = 0


class RecentCodes:
    """Tells what was scanned within the last *keep_s* seconds. Keeps hashes, never a content."""

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._since = 0.0
        self._newer: dict[int, float] = {}
        self._older: dict[int, float] = {}

    def has(self, code: bytes, now: float) -> bool:
        """Return whether *code* was here within ``keep_s`` before *now*, and remember that it is here now."""
        if now - self._since >= self._keep_s:  # two generations: forgetting costs nothing a code
            self._older, self._newer, self._since = self._newer, {}, now
        key = hash(code)
        at = self._newer.get(key)
        if at is None:
            at = self._older.get(key)
        self._newer[key] = now
        return at is not None and now - at < self._keep_s
