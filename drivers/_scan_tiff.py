"""The first page of a TIFF file (TIFF 6.0): its size, its resolution, and whether all of its strips are there."""

from __future__ import annotations

from collections.abc import Mapping

_WIDTH, _HEIGHT, _OFFSETS, _COUNTS, _X_RESOLUTION, _UNIT = 256, 257, 273, 279, 282, 296
_TILE_OFFSETS, _TILE_COUNTS = 324, 325
_SIZES: Mapping[int, int] = {1: 1, 3: 2, 4: 4, 5: 8}
"""Bytes of a value by its type: BYTE, SHORT, LONG, RATIONAL."""
_UNITS_PER_INCH: Mapping[int, float] = {2: 1.0, 3: 2.54}
_ENTRY_BYTES, _INLINE_BYTES = 12, 4


class _Reader:
    """Reads numbers in the file's byte order; raises ``ValueError`` beyond its end."""

    def __init__(self, data: bytes) -> None:
        if data[:4] not in (b"II*\0", b"MM\0*"):
            raise ValueError("no TIFF")
        self._data = data
        self._little = data[:1] == b"I"

    def number(self, at: int, size: int) -> int:
        if at + size > len(self._data):
            raise ValueError("the TIFF ends too early")
        return int.from_bytes(self._data[at : at + size], "little" if self._little else "big")

    def numbers(self, entry: int) -> list[int]:
        """Return the values of a directory entry; a RATIONAL gives two."""
        kind, count = self.number(entry + 2, 2), self.number(entry + 4, 4)
        size = _SIZES.get(kind, 0)
        if not size or count * size > len(self._data):
            return []
        at = entry + 8 if count * size <= _INLINE_BYTES else self.number(entry + 8, 4)
        step = min(size, 4)
        return [self.number(place, step) for place in range(at, at + count * size, step)]


def facts(data: bytes) -> tuple[int, int, float | None, bool]:
    """Return width, height, dpi and completeness; raises ``ValueError`` when the size cannot be told."""
    reader = _Reader(data)
    directory = reader.number(4, 4)
    found: dict[int, list[int]] = {}
    entries = range(directory + 2, directory + 2 + reader.number(directory, 2) * _ENTRY_BYTES, _ENTRY_BYTES)
    for entry in entries:
        found[reader.number(entry, 2)] = reader.numbers(entry)
    starts = found.get(_OFFSETS) or found.get(_TILE_OFFSETS) or []
    counts = found.get(_COUNTS) or found.get(_TILE_COUNTS) or []
    ends = [start + count for start, count in zip(starts, counts, strict=True)]
    dpi = None
    if (ratio := found.get(_X_RESOLUTION)) and ratio[1]:
        dpi = ratio[0] / ratio[1] * _UNITS_PER_INCH.get((found.get(_UNIT) or [2])[0], 0)
    complete = bool(ends) and max(ends) <= len(data)
    return found.get(_WIDTH, [0])[0], found.get(_HEIGHT, [0])[0], dpi, complete
