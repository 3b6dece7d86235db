"""An ordered set of sequence numbers, held as inclusive ranges."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

Pair = tuple[int, int]


class Ranges:
    """Sequence numbers as few inclusive ``(first, last)`` ranges, lowest first."""

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in pairs:
            self.add(first, last)

    def __iter__(self) -> Iterator[Pair]:
        return iter(list(zip(self._firsts, self._lasts, strict=True)))

    def __len__(self) -> int:
        """Return how many ranges there are (not how many numbers)."""
        return len(self._firsts)

    def __contains__(self, seq: int) -> bool:
        at = bisect_right(self._firsts, seq) - 1
        return at >= 0 and seq <= self._lasts[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    def lowest(self) -> int | None:
        return self._firsts[0] if self._firsts else None

    def add(self, first: int, last: int) -> None:
        """Add *first* … *last*; nothing when *last* < *first*."""
        if last < first:
            return
        low = high = bisect_right(self._firsts, first)
        if low and self._lasts[low - 1] >= first - 1:
            low -= 1
            first = self._firsts[low]
            last = max(last, self._lasts[low])
        while high < len(self._firsts) and self._firsts[high] <= last + 1:
            last = max(last, self._lasts[high])
            high += 1
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def remove(self, first: int, last: int | None = None) -> None:
        """Take *first* … *last* (default: *first* alone) out, as far as it is in."""
        last = first if last is None else last
        for low, high in self.within(first, last):
            at = bisect_right(self._firsts, low) - 1
            rest = [(self._firsts[at], low - 1), (high + 1, self._lasts[at])]
            kept = [pair for pair in rest if pair[0] <= pair[1]]
            self._firsts[at : at + 1] = [pair[0] for pair in kept]
            self._lasts[at : at + 1] = [pair[1] for pair in kept]

    def within(self, first: int, last: int) -> list[Pair]:
        """Return what of *first* … *last* is in the set; nothing when *last* < *first*."""
        if last < first:
            return []
        found: list[Pair] = []
        at = max(bisect_right(self._firsts, first) - 1, 0)
        while at < len(self._firsts) and self._firsts[at] <= last:
            if self._lasts[at] >= first:
                found.append((max(first, self._firsts[at]), min(last, self._lasts[at])))
            at += 1
        return found

    def shorten(self, limit: int) -> None:
        """Forget the lowest ranges until at most *limit* are left."""
        excess = len(self._firsts) - limit
        if excess > 0:
            del self._firsts[:excess], self._lasts[:excess]


def covers(pairs: Iterable[Pair], seq: int) -> bool:
    """Return whether *seq* is in one of *pairs*."""
    return any(first <= seq <= last for first, last in pairs)


def cut(pairs: Iterable[Pair], count: int) -> list[Pair]:
    """Return the first *count* numbers of *pairs*."""
    first_ones: list[Pair] = []
    for first, last in pairs:
        if count <= 0:
            break
        first_ones.append((first, min(last, first + count - 1)))
        count -= last - first + 1
    return first_ones
