"""The log that ``shim.c`` writes: one record for every step that changed the folder, or remark of the program."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEAD = struct.Struct("=iiqQ")


@dataclass(frozen=True, slots=True)
class Record:
    """One step. *kind*: O(pen) C(lose) W(rite) T(runcate) S(ync) F(ailed sync) U(nlink) D(irectory) R(ename)
    M(ark) B(egin of a process)."""

    kind: str
    fd: int
    number: int
    """The offset, the new size or the flags."""
    data: bytes

    @property
    def path(self) -> str:
        return os.fsdecode(self.data)

    @property
    def paths(self) -> tuple[str, str]:
        """Of a rename: from where, to where."""
        old, _, new = self.data.partition(b"\0")
        return os.fsdecode(old), os.fsdecode(new)

    @property
    def mark(self) -> dict[str, Any]:
        return dict(json.loads(self.data))


def records(log: Path) -> list[Record]:
    """Return everything in *log*."""
    return list(_records(log.read_bytes()))


def _records(raw: bytes) -> Iterator[Record]:
    at = 0
    while at < len(raw):
        kind, fd, number, size = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        yield Record(chr(kind), fd, number, raw[at : at + size])
        at += size
