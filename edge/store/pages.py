"""Reads records straight out of a store's pages, for when SQLite cannot: whatever is damaged around them.

The format is SQLite's (its file format document, 1.6 b-tree pages, 2.1 records, 4.1 the WAL). Pages of the WAL stand
before those of the file. A page whose list of cells is damaged is tried at every byte; what is found that way
counts only when its check value is right, so that nothing can be mistaken for a row.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from edge.wal_frames import read_wal

PAGE_BYTES = 4096
_LEAF, _LOCAL, _LEAST = 0x0D, PAGE_BYTES - 35, (PAGE_BYTES - 12) * 32 // 255 - 23
_INT_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8}
_REAL, _FIRST_BLOB, _RESERVED = 7, 12, (10, 11)
_MAX_COLUMNS = 16
_HEADER_BYTES = range(2, 48)
_HEADER = re.compile(rb"(?=[\x02-\x2f][\x00\x0d-\x7f])")  # its size, and NULL for the key or a text
_SIZE_BYTES = 3
_MORE = 0x80  # this byte of a number is not the last one


class Record(NamedTuple):
    """A row as it is stored: its rowid and its columns (an INTEGER PRIMARY KEY among them is ``None``)."""

    rowid: int
    columns: tuple[Any, ...]


class Pages:
    """The pages of a store that nobody has open."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        wal = path.with_name(path.name + "-wal")
        self._wal = wal.open("rb") if wal.exists() else None
        frames = read_wal(path).frames
        self._newest = {frame.page: frame.place for frame in frames if frame.good}
        self._odd = [frame.place for frame in frames if not frame.good]
        self.count = max([path.stat().st_size // PAGE_BYTES, *self._newest])

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._wal is not None:
            self._wal.close()

    def page(self, number: int) -> bytes:
        """Return a page, the first one is 1; empty when there is none."""
        if number in self._newest and self._wal is not None:
            self._wal.seek(self._newest[number])
            return self._wal.read(PAGE_BYTES)
        if number < 1:
            return b""
        self._file.seek((number - 1) * PAGE_BYTES)
        return self._file.read(PAGE_BYTES)

    def odd(self) -> Iterator[bytes]:
        """Yield the pages in the WAL that are damaged: not even their numbers are sure."""
        for place in self._odd:
            if self._wal is not None:
                self._wal.seek(place)
                yield self._wal.read(PAGE_BYTES)


class Take(Protocol):
    """Takes a record, and returns whether it is one; *guessed*: nothing but its check value can say so."""

    def __call__(self, record: Record, *, guessed: bool) -> bool: ...


def records(pages: Pages, take: Take) -> None:
    """Offer every record to *take*."""
    overflow: set[int] = set()
    doubtful = []
    for number in range(1, pages.count + 1):
        page = pages.page(number)
        places = _cells(page, 100 if number == 1 else 0)
        found = [record_at(pages, page, place, overflow) for place in places or ()]
        if places is None or not all([record is not None and take(record, guessed=False) for record in found]):  # noqa: C419  # all of them are offered
            doubtful.append(number)
    left = (page for number in doubtful if number not in overflow and (page := pages.page(number)).strip(b"\0"))
    for page in (*left, *pages.odd()):
        for place in _guesses(page):
            if (record := record_at(pages, page, place, set())) is not None:
                take(record, guessed=True)


def _cells(page: bytes, start: int) -> list[int] | None:
    """Return where the cells of a leaf page begin; ``None``: it does not look like one."""
    if len(page) < PAGE_BYTES or page[start] != _LEAF:
        return None
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    pointers = page[start + 8 : start + 8 + 2 * count]
    if len(pointers) < 2 * count:
        return None
    return [place for (place,) in struct.iter_unpack(">H", pointers)]


def _guesses(page: bytes) -> Iterator[int]:
    """Yield where a cell may begin: behind its size and its rowid come the size of a header and a first type."""
    for header in _HEADER.finditer(page):
        place = header.start() - 1  # the last byte of the rowid; earlier ones have their highest bit set
        while place > 0 and page[place - 1] >= _MORE:
            place -= 1
        for _ in range(_SIZE_BYTES):  # of the size before it; where it begins nothing tells
            place -= 1
            if place < 0:
                break
            yield place
            if not place or page[place - 1] < _MORE:
                break


def record_at(pages: Pages, page: bytes, place: int, overflow: set[int]) -> Record | None:
    """Return the record of the cell at *place*; the pages that it goes on in are added to *overflow*."""
    try:
        size, place = _varint(page, place)
        rowid, place = _varint(page, place)
        rowid -= rowid >> 63 << 64
        if page[place] not in _HEADER_BYTES or size < page[place]:
            return None
        types = _types(page[place + 1 : place + page[place]])
        if page[place] + sum(map(_bytes_of, types)) != size:
            return None
        local = _local(size)
        payload = page[place : place + local]
        if local < size:
            following = int.from_bytes(page[place + local : place + local + 4], "big")
            payload += _rest(pages, following, size - local, overflow)
        return Record(rowid, _columns(payload, page[place], types)) if len(payload) == size else None
    except (IndexError, ValueError):
        return None


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for _ in range(8):
        byte = data[place]
        place += 1
        value = value << 7 | byte & 0x7F
        if byte < _MORE:
            return value, place
    return value << 8 | data[place], place + 1


def _types(header: bytes) -> list[int]:
    types, place = [], 0
    while place < len(header):
        type_, place = _varint(header, place)
        types.append(type_)
    if place != len(header) or len(types) > _MAX_COLUMNS:
        raise ValueError("no header of a record")
    return types


def _bytes_of(type_: int) -> int:
    if type_ in _RESERVED:
        raise ValueError("a reserved type")
    if type_ >= _FIRST_BLOB:
        return (type_ - _FIRST_BLOB) // 2
    return _INT_BYTES.get(type_, 0)


def _local(size: int) -> int:
    """Return how many bytes of a payload of *size* stand in the leaf."""
    if size <= _LOCAL:
        return size
    wanted = _LEAST + (size - _LEAST) % (PAGE_BYTES - 4)
    return wanted if wanted <= _LOCAL else _LEAST


def _rest(pages: Pages, number: int, size: int, overflow: set[int]) -> bytes:
    rest = b""
    passed = set()
    while len(rest) < size and number not in passed and len(page := pages.page(number)) == PAGE_BYTES:
        passed.add(number)
        rest += page[4 : 4 + size - len(rest)]
        number = int.from_bytes(page[:4], "big")
    if len(rest) == size:
        overflow |= passed
    return rest


def _columns(payload: bytes, place: int, types: list[int]) -> tuple[Any, ...]:
    columns: list[Any] = []
    for type_ in types:
        size = _bytes_of(type_)
        data = payload[place : place + size]
        place += size
        if type_ >= _FIRST_BLOB:
            columns.append(data if type_ % 2 == 0 else data.decode("utf-8"))  # UnicodeDecodeError is a ValueError
        elif type_ == _REAL:
            columns.append(struct.unpack(">d", data)[0])
        else:
            columns.append({0: None, 8: 0, 9: 1}.get(type_) if not size else int.from_bytes(data, "big", signed=True))
    return tuple(columns)
