"""Look for many short byte strings in a lot of data at once: 10 MB in some 0.1 s, whatever the number of strings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import numpy as np

KEY_BYTES = 4
_BLOCK = 4 << 20
_LOOKS = 10
T = TypeVar("T")


class Search(Generic[T]):
    """Finds *needles*, each of at least four bytes, with what they stand for.

    A needle's rarest four bytes are its key. Two tables of 65,536 entries say where a key may begin; what is left is
    compared with all keys, and what is left then byte by byte.
    """

    def __init__(self, needles: Iterable[tuple[bytes, T]]) -> None:
        self._needles: dict[int, list[tuple[int, bytes, T]]] = defaultdict(list)
        self._longest = KEY_BYTES
        self._head, self._tail = np.zeros(1 << 16, bool), np.zeros(1 << 16, bool)
        for needle, meant in needles:
            at = _rarest(needle)
            key = int.from_bytes(needle[at : at + KEY_BYTES], "little")
            self._needles[key].append((at, needle, meant))
            self._head[key & 0xFFFF] = self._tail[key >> 16] = True
            self._longest = max(self._longest, len(needle))
        self._keys = np.array(sorted(self._needles), np.uint32)

    def __call__(self, data: bytes) -> Iterator[tuple[int, T]]:
        """Yield where in *data* needles begin, and what they stand for."""
        if not len(self._keys):
            return
        for start in range(0, len(data), _BLOCK):  # overlapping by a key, so that none falls between
            for at, key in self._candidates(data[start : start + _BLOCK + KEY_BYTES - 1]):
                for before, needle, meant in self._needles.get(key, ()):
                    begin = start + at - before
                    if begin >= 0 and data.startswith(needle, begin):
                        yield begin, meant

    def _candidates(self, block: bytes) -> Iterable[tuple[int, int]]:
        if len(block) < KEY_BYTES:
            return ()
        octets = np.frombuffer(block, np.uint8).astype(np.uint16)
        pairs = octets[:-1] | octets[1:] << np.uint16(8)
        places = np.flatnonzero(self._head[pairs[:-2]] & self._tail[pairs[2:]])
        keys = pairs[places] | pairs[places + 2].astype(np.uint32) << np.uint32(16)
        nearest = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        hits = self._keys[nearest] == keys
        return zip(places[hits].tolist(), keys[hits].tolist(), strict=True)


def _rarest(needle: bytes) -> int:
    """Return where four bytes of *needle* begin that hardly stand in other data; only some places are looked at."""
    counts = Counter(needle)

    def usual(at: int) -> int:
        key = needle[at : at + KEY_BYTES]
        return sum(counts[octet] + (octet in b"\0\xff") * 8 + (octet < 0x80) * 2 for octet in key)

    last = len(needle) - KEY_BYTES
    return min(range(0, last + 1, max(1, last // _LOOKS)), key=usual)
