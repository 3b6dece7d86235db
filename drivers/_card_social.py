"""The social-security application (社保卡, 人社信息函〔2012〕37号): SSSE, EF05 and EF06, item by item.

Sources differ in how an item is asked for, so the ways are tried in the order of a table until one gives the tag
that was asked for; an item is ``tag length value``. Only what is wanted is asked for. Nothing here is ever logged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from drivers._card_apdu import Talk
from drivers._card_status import SW_NEEDS_PSAM, SW_OK, SW_WRONG_LENGTH, SW_WRONG_P1P2
from edge.events import SmartCardField

SSSE = bytes.fromhex("7378312E73682EC9E7BBE1B1A3D5CF")
"""``sx1.sh.`` and 社会保障 in GBK."""
SELECT_SSSE = bytes.fromhex("00A404000F") + SSSE + b"\0"
_SELECT, _READ_RECORD = bytes.fromhex("00A4"), bytes.fromhex("00B2")
_SELECT_MODES = (0x02, 0x00)
"""P1: the file below the application; many cards take 00 too."""


@dataclass(frozen=True)
class Item:
    """Where a field stands: file, tag, place in the file, and the length of its value."""

    file: int
    tag: int
    record: int
    size: int


ITEMS: Mapping[SmartCardField, Item] = {
    "identification": Item(5, 0x01, 1, 16),
    "card_class": Item(5, 0x02, 2, 1),
    "version": Item(5, 0x03, 3, 4),
    "organisation": Item(5, 0x04, 4, 12),
    "issue_date": Item(5, 0x05, 5, 4),
    "valid_until": Item(5, 0x06, 6, 4),
    "card_number": Item(5, 0x07, 7, 9),
    "number": Item(6, 0x08, 1, 18),
    "name": Item(6, 0x09, 2, 30),
    "sex": Item(6, 0x0A, 3, 1),
    "nation": Item(6, 0x0B, 4, 1),
    "birthplace": Item(6, 0x0C, 5, 3),
    "birth_date": Item(6, 0x0D, 6, 4),
}
HOLDER_FILE = 6


@dataclass(frozen=True)
class Way:
    """One way to ask for an item: by its tag or its place, in the selected file or with a short file id."""

    by_tag: bool
    short_id: bool

    def command(self, item: Item) -> bytes:
        """Return READ RECORD without Le."""
        mode = (0 if self.by_tag else 4) | (item.file << 3 if self.short_id else 0)
        return _READ_RECORD + bytes((item.tag if self.by_tag else item.record, mode))


WAYS = (
    Way(by_tag=False, short_id=False),
    Way(by_tag=True, short_id=False),
    Way(by_tag=False, short_id=True),
    Way(by_tag=True, short_id=True),
)


@dataclass(repr=False)
class Found:
    """What was read: values by field, and the last status word of fields that were not to be had."""

    values: dict[SmartCardField, bytes] = field(default_factory=dict)
    refused: dict[SmartCardField, int] = field(default_factory=dict)


def select(talk: Talk) -> bool:
    """Select the application; return whether the card has it."""
    return talk.ask(SELECT_SSSE).status in SW_OK


def read(talk: Talk, fields: Iterable[SmartCardField]) -> Found:
    """Read *fields* of the selected application; raises ``CardProblem`` when the card goes away: nothing is half."""
    found = Found()
    wanted = [name for name in ITEMS if name in set(fields)]
    ways: tuple[Way, ...] = WAYS
    for file in sorted({ITEMS[name].file for name in wanted}):
        names = [name for name in wanted if ITEMS[name].file == file]
        status = _select_file(talk, file)
        if status in SW_OK:
            ways = _read_file(talk, names, ways, found)
        else:
            found.refused.update(dict.fromkeys(names, status))
    return found


def _select_file(talk: Talk, file: int) -> int:
    status = 0
    for mode in _SELECT_MODES:
        status = talk.ask(_SELECT + bytes((mode, 0, 2, 0xEF, file))).status
        if status not in SW_WRONG_P1P2:
            break
    return status


def _read_file(talk: Talk, names: Iterable[SmartCardField], ways: tuple[Way, ...], found: Found) -> tuple[Way, ...]:
    """Read items of the selected file into *found*; return the ways to try next, the one that worked first."""
    worked: Way | None = None
    for name in names:
        for way in ways if worked is None else (worked,):
            value, status = _read_item(talk, ITEMS[name], way)
            if value is not None:
                found.values[name] = value
                found.refused.pop(name, None)
                worked = way
                break
            found.refused[name] = status
            if status in SW_NEEDS_PSAM:
                break
    return ways if worked is None else (worked, *(way for way in WAYS if way != worked))


def _read_item(talk: Talk, item: Item, way: Way) -> tuple[bytes | None, int]:
    """Ask for one item; return its value, or ``None``, and the status word."""
    status = SW_WRONG_LENGTH
    for length in _lengths(item):
        answer = talk.ask(way.command(item) + bytes((length,)))
        status = answer.status
        if status in SW_OK:
            return _value(answer.data, item.tag), status
        if status != SW_WRONG_LENGTH:
            break
    return None, status


def _lengths(item: Item) -> Iterator[int]:
    """Yield Le: everything, then what sources say where a card takes only the right one."""
    yield from (0, item.size + 2, item.size)


def _value(data: bytes, tag: int) -> bytes | None:
    """Return the value of ``tag length value``; ``None`` when this is another item, or only a part of one."""
    if len(data) < 2 or data[0] != tag or len(data) < 2 + data[1]:  # noqa: PLR2004
        return None
    return data[2 : 2 + data[1]]
