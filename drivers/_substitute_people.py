"""Invented people for recordings: numbers, names and addresses in the shape of real ones. No I/O.

The area of a number is 000000 (foreigners: 900999), which is nobody's; its birth date, sex and check character fit.
"""

from __future__ import annotations

import datetime as dt
import random
import re
from dataclasses import dataclass

from drivers._sdt_record import check_character, normal_number
from edge.substitute import Substitute

NOBODYS_AREA, FOREIGN_AREA, NOBODYS_COUNTRY = "000000", "900999", "UTO"
SURNAMES, GIVEN = "样测例试虚拟模仿", "一二三四五六七八九十"
PAIR, PRIVATE_USE = "\U00020bb7", "\ue863"
ADDRESS, ISSUER = "样本省样本市样本区样本街{}号", "样本市公安局样本分局"
CARD_NUMBER = re.compile(r"(?<![0-9])[0-9]{17}[0-9Xx](?![0-9A-Za-z])", re.ASCII)
_PRIVATE_AREA = range(0xE000, 0xF900)
_ASCII, _BMP = 0x80, 0x10000
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_LONG_RUN = 6  # digits: from there on a number begins with a zero, so that it is nobody's number or telephone
_FOREIGN_2017 = re.compile(r"[A-Z]{3}[0-9]{12}", re.ASCII)


@dataclass(frozen=True, repr=False)
class Person:
    """Who stands for somebody else."""

    number: str
    birth: str
    sex: str


def person(substitute: Substitute, number: str) -> Person:
    """Return who stands for the holder of *number*: always the same in one recording."""
    number = normal_number(number)
    dice = substitute.dice("person", number)
    birth = dt.date(1940, 1, 1) + dt.timedelta(days=dice.randrange(65 * 365))
    sex = dice.choice("12")
    digits = f"{birth:%Y%m%d}{dice.randrange(100):02d}{2 * dice.randrange(5) + int(sex) % 2}"
    if _FOREIGN_2017.fullmatch(number):
        new = f"{NOBODYS_COUNTRY}{dice.randrange(10**11):012d}"
    elif len(number) == len("000000YYYYMMDDSSSC"):
        first = (FOREIGN_AREA if number[:1] == "9" else NOBODYS_AREA) + digits
        new = first + check_character(first)
    else:
        new = like(dice, number)
    return Person(new, f"{birth:%Y%m%d}", sex)


def name(dice: random.Random, text: str) -> str:
    """Return a name in the shape of *text*: as many characters, rare ones for rare ones."""
    return dice.choice(SURNAMES) + like(dice, text[1:]) if text and _is_common(text[0]) else like(dice, text)


def address(dice: random.Random) -> str:
    """Return an address that does not exist."""
    return ADDRESS.format(dice.randint(1000, 9999))


def like(dice: random.Random, text: str) -> str:
    """Return text of the same shape: digits for digits, letters for letters; signs and blanks stay."""
    runs: list[str] = re.findall(r"[0-9]+|[^0-9]+", text)
    return "".join((_digits if run[0] in "0123456789" else _others)(dice, run) for run in runs)


def _digits(dice: random.Random, run: str) -> str:
    new = "".join(dice.choices("0123456789", k=len(run)))
    return f"0{new[1:]}" if len(run) >= _LONG_RUN else new


def _others(dice: random.Random, run: str) -> str:
    return "".join(_character(dice, one) for one in run)


def _character(dice: random.Random, one: str) -> str:
    if ord(one) < _ASCII:
        if not one.isalpha():
            return one
        return dice.choice(_LETTERS if one.isupper() else _LETTERS.lower())
    if ord(one) >= _BMP:
        return PAIR
    if ord(one) in _PRIVATE_AREA:
        return PRIVATE_USE
    return dice.choice(GIVEN) if one.isalnum() else one


def _is_common(one: str) -> bool:
    return _ASCII <= ord(one) < _BMP and ord(one) not in _PRIVATE_AREA and one.isalnum()
