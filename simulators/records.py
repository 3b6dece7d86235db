"""Lay out the 256 bytes of text of a card: fixed-width UTF-16LE, padded with U+0020 (GA/T 467, GA 1080)."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["resident", "J", "I", "Y"]

TEXT_SIZE = 256
LONG_TERM = "长期"
ENGLISH_Y_FIRST = 35
"""Characters of the English name in its first field on a Y card; the rest is in a second field."""


@dataclass(frozen=True, slots=True, repr=False)
class Citizen:
    """Describe one person who does not exist, and what the card holds besides the text.

    Dates are YYYYMMDD or 长期. ``nation`` is the code of GB/T 3304; ``type_mark`` the character at byte 248.
    ``issues`` counts issues (J), renewals (Y) or the card version (I), two digits.
    """

    kind: Kind
    seed: int
    name: str
    sex: str
    birth: str
    number: str
    valid_from: str
    valid_until: str
    type_mark: str
    photo: bytes
    fingerprints: bytes
    nation: str = ""
    address: str = ""
    issuer: str = ""
    english_name: str = ""
    nationality: str = ""
    travel_permit: str = ""
    issues: str = ""
    accepting_authority: str = ""
    former_card: str = ""
    addresses: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Name the kind and the seed: enough to make the person again, and nothing personal."""
        return f"<Citizen {self.kind} seed={self.seed}>"


def check_digit(first17: str) -> str:
    """Compute the last character of an 18-character number (GB 11643, ISO 7064 MOD 11-2)."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(digit) * weight for digit, weight in zip(first17, weights, strict=True))
    return "10X98765432"[total % 11]


def field(text: str, size: int) -> bytes:
    """Write one field of ``size`` bytes."""
    data = text.encode("utf-16-le")
    if len(data) > size:
        raise ValueError(f"text of {len(data)} bytes in a field of {size}")
    return data + " ".encode("utf-16-le") * ((size - len(data)) // 2)


def text_record(citizen: Citizen) -> bytes:
    """Write the text of a card: 256 bytes, one of four layouts."""
    layout = {"resident": _like_resident, "J": _like_resident, "I": _foreigner_2017, "Y": _foreigner_2023}
    record = b"".join(field(text, size) for text, size in layout[citizen.kind](citizen))
    if len(record) != TEXT_SIZE:
        raise AssertionError(f"text record of {len(record)} bytes")
    return record


def address_entry(address: str) -> bytes:
    """Write one additional address: 70 bytes."""
    return field(address, 70)


def _like_resident(citizen: Citizen) -> list[tuple[str, int]]:
    """Order the fields of a resident card; a J card has no nation and fills the reserved part."""
    return [
        (citizen.name, 30),
        (citizen.sex, 2),
        (citizen.nation, 4),
        (citizen.birth, 16),
        (citizen.address, 70),
        (citizen.number, 36),
        (citizen.issuer, 30),
        (citizen.valid_from, 16),
        (citizen.valid_until, 16),
        (citizen.travel_permit, 18),
        (citizen.issues, 4),
        ("", 6),
        (citizen.type_mark, 2),
        ("", 6),
    ]


def _foreigner_2017(citizen: Citizen) -> list[tuple[str, int]]:
    return [
        (citizen.english_name, 120),
        (citizen.sex, 2),
        (citizen.number, 30),
        (citizen.nationality, 6),
        (citizen.name, 30),
        (citizen.valid_from, 16),
        (citizen.valid_until, 16),
        (citizen.birth, 16),
        (citizen.issues, 4),
        (citizen.accepting_authority, 8),
        (citizen.type_mark, 2),
        ("", 6),
    ]


def _foreigner_2023(citizen: Citizen) -> list[tuple[str, int]]:
    return [
        (citizen.name, 30),
        (citizen.sex, 2),
        (citizen.issues, 4),
        (citizen.birth, 16),
        (citizen.english_name[:ENGLISH_Y_FIRST], 70),
        (citizen.number, 36),
        ("", 30),
        (citizen.valid_from, 16),
        (citizen.valid_until, 16),
        (citizen.english_name[ENGLISH_Y_FIRST:], 22),
        (citizen.nationality, 6),
        (citizen.type_mark, 2),
        (citizen.former_card, 6),
    ]
