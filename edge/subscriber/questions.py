"""When a subscriber asks a window for what is missing: at once, then with growing pauses. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable

from edge.subscriber.model import Limits
from edge.subscriber.ranges import Pair, covers, cut


class Questions:
    """The questions of one series."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._at: float | None = None
        self._asks = 0
        self._asked: list[Pair] = []
        self._answered = False

    def soon(self) -> None:
        """Ask at the next occasion, unless a time is set already."""
        self._at = self._at or 0.0

    def never(self) -> None:
        self._at = None

    def now(self, seq: int, now: float) -> None:
        """Ask now for *seq*, unless it was in the last question."""
        if not covers(self._asked, seq):
            self._asks, self._at = 0, now

    def after_break(self, now: float, *, wanted: bool) -> None:
        """Begin anew: nothing could arrive for a while."""
        self._asks = 0
        self._at = now + self._limits.ask_after_s if wanted else None

    def arrived(self, seq: int) -> None:
        """Note that the event *seq* is here."""
        self._answered = self._answered or covers(self._asked, seq)

    def tick(self, now: float) -> None:
        """Give the window time for the rest of an answer that is coming."""
        if self._answered and self._at is not None:
            self._asks, self._at = 0, max(self._at, now + self._limits.ask_every_s)
        self._answered = False

    def due(self, now: float) -> bool:
        return self._at is not None and now >= self._at

    def ask(self, now: float, wanted: Iterable[Pair], *, lost: bool) -> list[Pair]:
        """Return what of *wanted* to ask for now; *lost*: go on asking, also when there is nothing just now."""
        self._asked = sorted(cut(wanted, self._limits.ask_chunk))
        pause_s = self._limits.ask_every_s * 2 ** min(self._asks, 16)
        self._asks += 1
        self._at = now + min(pause_s, self._limits.ask_pause_s) if self._asked or lost else None
        return self._asked
