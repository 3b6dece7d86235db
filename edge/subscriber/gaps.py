"""The gaps that were named and are not over; no I/O, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal

from edge.subscriber.model import Gap, Output
from edge.subscriber.ranges import Pair, Ranges


class OpenGap:
    """A gap that was named and is not over."""

    def __init__(self, window: str, epoch: int, first: int, last: int) -> None:
        self.window, self.epoch, self.first, self.last = window, epoch, first, last
        self.missing = Ranges([(first, last)])
        self.gone = self.lost = 0

    def arrived(self, seq: int, *, tombstone: bool) -> None:
        if seq in self.missing:
            self.missing.remove(seq)
            self.gone += tombstone

    def missing_again(self, seq: int) -> None:
        """Count *seq*, if it belongs to this gap, as not here: it was dropped, or others go before its blob."""
        if self.first <= seq <= self.last:
            self.missing.add(seq, seq)

    def passed(self, last: int) -> None:
        """Count what is missing up to *last* as lost."""
        below = self.missing.within(self.first, last)
        self.lost += sum(high - low + 1 for low, high in below)
        self.missing.remove(self.first, last)

    def report(self, over: Literal["new-store", "went-back"] | None = None) -> Gap:
        """Return the gap as it stands, or as it ends *over* what became of its store."""
        ended: Literal["lost", "gone", "filled"] = "lost" if self.lost else "gone" if self.gone else "filled"
        return Gap(
            window=self.window,
            epoch=self.epoch,
            first=self.first,
            last=self.last,
            state=over or ("open" if self.missing else ended),
            gone=self.gone,
            lost=self.lost,
        )


class Gaps:
    """The open gaps of one series. What is to be told goes to *out*."""

    def __init__(self, window: str, epoch: int, out: deque[Output]) -> None:
        self._window, self._epoch, self._out = window, epoch, out
        self._open: list[OpenGap] = []

    def __iter__(self) -> Iterator[Gap]:
        return iter([gap.report() for gap in self._open])

    def __len__(self) -> int:
        return len(self._open)

    def missing(self) -> list[Pair]:
        """Return what is missing of all open gaps."""
        return [pair for gap in self._open for pair in gap.missing]

    def named(self, seq: int) -> bool:
        """Return whether *seq* is missing in an open gap."""
        return any(seq in gap.missing for gap in self._open)

    def name(self, holes: Iterable[Pair]) -> None:
        """Report the holes that no open gap covers yet."""
        unnamed = Ranges(holes)
        for gap in self._open:
            unnamed.remove(gap.first, gap.last)
        new = [OpenGap(self._window, self._epoch, first, last) for first, last in unnamed]
        self._open += new
        self._out.extend(gap.report() for gap in new)

    def arrived(self, seq: int, *, tombstone: bool) -> None:
        """Note that the event *seq* is here, or its tombstone."""
        for gap in self._open:
            gap.arrived(seq, tombstone=tombstone)
        self._end()

    def missing_again(self, seqs: Iterable[int]) -> None:
        """Count *seqs* as not here."""
        for seq in seqs:
            for gap in self._open:
                gap.missing_again(seq)

    def passed(self, last: int) -> None:
        """Count what is missing up to *last* as lost."""
        for gap in self._open:
            gap.passed(last)
        self._end()

    def close(self, over: Literal["new-store", "went-back"]) -> None:
        """End all gaps with their store."""
        self._out.extend(gap.report(over) for gap in self._open)
        self._open.clear()

    def _end(self) -> None:
        self._out.extend(gap.report() for gap in self._open if not gap.missing)
        self._open = [gap for gap in self._open if gap.missing]
