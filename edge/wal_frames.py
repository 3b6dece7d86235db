"""Reads a store's WAL as it stands, to tell a power cut from rot (SQLite's file format, 4.1 and 4.2).

SQLite takes a WAL up to the first frame whose checksum is wrong: what follows was not synced when the power was cut.
A bit that flips in the middle looks the same, and would silently undo everything that was accepted after it. But a
transaction is begun only when the one before is synced: a wrong frame before the end of a transaction that another
one follows was right once.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

_HEADER, _FRAME, _PAGE = 32, 24, 4096
_BIG_ENDIAN = 0x377F0683
_MOST = 4000
"""Frames that are looked at: a second's work, and four times what is in a WAL before it is emptied."""

Sums = tuple[int, int]


class Frame(NamedTuple):
    """A page in the WAL: where it begins, which it is, whether its transaction ends there, and whether it is right."""

    place: int
    page: int
    ends: bool
    good: bool


class Wal(NamedTuple):
    """The frames since the WAL was last begun anew, and whether its own header is right."""

    good: bool
    frames: list[Frame]

    @property
    def rotten(self) -> bool:
        """Whether something in it that was synced once is wrong now."""
        ends = [number for number, frame in enumerate(self.frames) if frame.ends]
        if not self.good:
            return bool(ends)
        wrong = next((number for number, frame in enumerate(self.frames) if not frame.good), len(self.frames))
        return any(wrong <= end < len(self.frames) - 1 for end in ends)


def read_wal(path: Path) -> Wal:
    """Return what is in the WAL of the store *path*; raises ``OSError``."""
    wal = path.with_name(f"{path.name}-wal")
    if not wal.exists():
        return Wal(good=True, frames=[])
    with wal.open("rb") as file:
        head = file.read(_HEADER)
        if len(head) < _HEADER:
            return Wal(good=True, frames=[])
        order = ">" if int.from_bytes(head[:4], "big") == _BIG_ENDIAN else "<"
        sums = _sums(head[:24], (0, 0), order)
        good = sums == struct.unpack(">II", head[24:])
        salts = head[16:24] if good else None
        frames: list[Frame] = []
        own = 0
        for number in range(_MOST):
            place = _HEADER + number * (_FRAME + _PAGE)
            frame, page = file.read(_FRAME), file.read(_PAGE)
            if len(page) < _PAGE:
                break
            salts = salts or frame[8:16]
            found = _sums(page, _sums(frame[:8], sums, order), order)
            sums = struct.unpack(">II", frame[16:])
            ours = frame[8:16] == salts
            number_of, size = struct.unpack(">II", frame[:8])
            frames.append(Frame(place + _FRAME, number_of, ours and size > 0, ours and found == sums))
            own = len(frames) if ours else own
        return Wal(good, frames[:own])  # behind it: left from an earlier round


def _sums(data: bytes, before: Sums, order: str) -> Sums:
    first, second = before
    for one, other in struct.iter_unpack(f"{order}II", data):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second
