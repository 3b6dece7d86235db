"""What a social-security card says, in words: padding, BCD, GBK, dates, and what is odd about it. No I/O.

Numbers (cn) are left-aligned and filled with F, texts (an) with 00. Nothing here is ever logged.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import get_args

from drivers import _sdt_tables as tables
from drivers._card_social import ITEMS, Found
from drivers._sdt_record import check_character, iso_date
from edge.events import Coded, SmartCardField, SmartCardWarning, SocialSecurityCard
from edge.secret import Secret

_FILLING = " \u3000"
_NUMBER_DIGITS = 17
_WHOLE_NAME = ITEMS["name"].size


def digits(value: bytes, size: int) -> str:
    """Return a number: BCD without its F, or the ASCII digits that some issuers write into twice the room."""
    if len(value) == 2 * size and value.isdigit():
        return Secret(value.decode("ascii"))
    return Secret(value.hex().upper().rstrip("F"))


def text(value: bytes) -> str:
    """Return a text without its padding (00, and FF where nothing was written). GB 18030 holds all of GBK."""
    raw = value.rstrip(b"\xff").split(b"\0")[0]
    return Secret(raw.decode("gb18030", errors="replace").rstrip(_FILLING))


def day(value: bytes) -> str | None:
    """Return a day as ``YYYY-MM-DD``, ``None`` when it is none."""
    return iso_date(digits(value, ITEMS["birth_date"].size))


def _plain(value: bytes) -> str | None:
    return text(value) or None


def _number_of(name: SmartCardField) -> Callable[[bytes], str | None]:
    return lambda value: digits(value, ITEMS[name].size) or None


def _card_class(value: bytes) -> str | None:
    return text(value) if value.isalnum() else value.hex() or None


def _sex(value: bytes) -> Coded | None:
    return tables.sex(text(value) if value.isdigit() else value.hex()[-1:])


def _nation(value: bytes) -> Coded | None:
    return tables.nation(digits(value, ITEMS["nation"].size))


_DECODE: Mapping[SmartCardField, Callable[[bytes], str | Coded | None]] = {
    "identification": _number_of("identification"),
    "card_class": _card_class,
    "version": _plain,
    "organisation": _number_of("organisation"),
    "issue_date": day,
    "valid_until": day,
    "card_number": _plain,
    "number": _plain,
    "name": _plain,
    "sex": _sex,
    "nation": _nation,
    "birthplace": _number_of("birthplace"),
    "birth_date": day,
}


def describe(
    found: Found, asked: frozenset[SmartCardField], today: dt.date
) -> tuple[SocialSecurityCard, tuple[SmartCardWarning, ...]]:
    """Return the fields of *asked* that were found, and what is odd about all that was found."""
    said = {name: _DECODE[name](value) for name, value in found.values.items()}
    odd = set(_warnings(found, said, today))
    if any(name not in said or said[name] is None for name in asked if name in ITEMS):
        odd.add("incomplete")
    card = SocialSecurityCard(**{name: value for name, value in said.items() if name in asked})  # type: ignore[arg-type]
    return card, tuple(warning for warning in get_args(SmartCardWarning) if warning in odd)


def _warnings(found: Found, said: Mapping[SmartCardField, object], today: dt.date) -> list[SmartCardWarning]:
    odd: list[SmartCardWarning] = []
    if any(len(value) != ITEMS[name].size for name, value in found.values.items()):
        odd.append("unusual-length")
    if "number" in said and not _number_is_right(number if isinstance(number := said["number"], str) else ""):
        odd.append("check-digit")
    until = said.get("valid_until")
    if isinstance(until, str) and until < today.isoformat():
        odd.append("expired")
    nation = said.get("nation")
    if isinstance(nation, Coded) and nation.code not in tables.NATIONS:
        odd.append("unknown-nation")
    name = said.get("name")
    if isinstance(name, str) and ("\ufffd" in name or len(found.values["name"].rstrip(b"\0 ")) >= _WHOLE_NAME):
        odd.append("incomplete")  # characters that nobody can read, or a name that fills its field
    return odd


def _number_is_right(number: str) -> bool:
    head, check = number[:_NUMBER_DIGITS], number[_NUMBER_DIGITS:]
    regular = len(head) == _NUMBER_DIGITS and head.isascii() and head.isdigit()
    return regular and check_character(head) == check.upper()
