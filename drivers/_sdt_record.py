"""What an ID card says, from its 256-byte text record: pure functions, no I/O.

Four records (GA/T 490): resident ``' '``, Hong Kong/Macau/Taiwan ``J``, foreigner 2017 ``I``, foreigner 2023
``Y``. UTF-16LE in fixed fields, padded at the end with spaces or NULs. Nothing here is ever logged.
"""

from __future__ import annotations

import datetime as dt
import hmac
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import get_args

from drivers import _sdt_tables as tables
from edge.events import CardHolder, CardRejection, CardWarning, DocumentType, PersonField
from edge.secret import Secret

TEXT_BYTES, PHOTO_BYTES, FINGERPRINT_BYTES = 256, 1024, 512
ADDRESS_BYTES = 70
LONG_TERM = "长期"
TYPE_AT = 248
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"

_Layout = Mapping[str, tuple[tuple[int, int], ...]]
"""Field → its places (offset, bytes); several places are joined without anything between."""

DOCUMENTS: Mapping[str, DocumentType] = {
    " ": "prc-resident",
    "\0": "prc-resident",
    "J": "hmt-residence",
    "I": "foreigner-2017",
    "Y": "foreigner-2023",
}
_RESIDENT: _Layout = {
    "name": ((0, 30),),
    "sex": ((30, 2),),
    "nation": ((32, 4),),
    "birth_date": ((36, 16),),
    "address": ((52, 70),),
    "number": ((122, 36),),
    "issuer": ((158, 30),),
    "valid_from": ((188, 16),),
    "valid_until": ((204, 16),),
}
LAYOUTS: Mapping[DocumentType, _Layout] = {
    "prc-resident": _RESIDENT,
    "hmt-residence": {
        **{name: places for name, places in _RESIDENT.items() if name != "nation"},
        "permit_number": ((220, 18),),
        "issue_count": ((238, 4),),
    },
    "foreigner-2017": {
        "name": ((0, 120),),
        "sex": ((120, 2),),
        "number": ((122, 30),),
        "nationality": ((152, 6),),
        "name_zh": ((158, 30),),
        "valid_from": ((188, 16),),
        "valid_until": ((204, 16),),
        "birth_date": ((220, 16),),
    },
    "foreigner-2023": {
        "name_zh": ((0, 30),),
        "sex": ((30, 2),),
        "issue_count": ((32, 4),),
        "birth_date": ((36, 16),),
        "name": ((52, 70), (220, 22)),
        "number": ((122, 36),),
        "valid_from": ((188, 16),),
        "valid_until": ((204, 16),),
        "nationality": ((242, 6),),
        "related_number": ((250, 6),),
    },
}


class UnreadableError(Exception):
    """A record that cannot be used; ``reason`` says why, never what it holds."""

    def __init__(self, reason: CardRejection) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, repr=False)
class Sections:
    """The parts of one read answer, as declared by their own lengths."""

    text: bytes
    photo: bytes
    fingerprints: bytes | None


@dataclass(frozen=True, repr=False)
class Record:
    """One card: ``number`` is what identifies its holder (foreigner-2017: the permit number)."""

    document: DocumentType
    number: str
    holder: CardHolder
    warnings: tuple[CardWarning, ...]


def split(data: bytes, *, with_fingerprints: bool) -> Sections:
    """Cut the data of a read answer by its declared section lengths (u16, big-endian)."""
    count = 3 if with_fingerprints else 2
    sizes = [int.from_bytes(data[2 * i : 2 * i + 2], "big") for i in range(count)]
    if len(data) != 2 * count + sum(sizes) or sizes[0] < TEXT_BYTES:
        raise UnreadableError("unreadable-record")
    parts, at = [], 2 * count
    for size in sizes:
        parts.append(data[at : at + size])
        at += size
    return Sections(parts[0], parts[1], parts[2] if with_fingerprints else None)


def parse(sections: Sections, today: dt.date, new_addresses: tuple[str, ...] | None = None) -> Record:
    """Return what the card says; raises :class:`UnreadableError` (type not known, no number)."""
    document = DOCUMENTS.get(decoded(sections.text[TYPE_AT : TYPE_AT + 2]))
    if document is None:
        raise UnreadableError("unknown-type")
    raw = {name: field_of(sections.text, places) for name, places in LAYOUTS[document].items()}
    if not raw["number"]:
        raise UnreadableError("unreadable-record")
    birth, start, end = (iso_date(raw[name]) for name in ("birth_date", "valid_from", "valid_until"))
    words = {name: raw.get(name) or None for name in LAYOUTS[document] if name not in {"sex", "nation"}}
    words |= {"birth_date": birth, "valid_from": start, "valid_until": end}
    holder = CardHolder(
        **words,
        sex=tables.sex(raw["sex"]),
        nation=tables.nation(raw.get("nation", "")),
        long_term=True if raw["valid_until"] == LONG_TERM else None,
        new_addresses=new_addresses,
        photo_wlt=sections.photo or None,
        fingerprints=_templates(sections.fingerprints),
    )
    found = {*_length_warnings(sections), *validity_warnings(start, end, today)}
    if document == "prc-resident" and raw["nation"] not in tables.NATIONS:
        found.add("unknown-nation")
    if document != "foreigner-2017":
        found.update(number_warnings(document, raw["number"], raw["birth_date"], raw["sex"]))
    return Record(document, raw["number"], holder, _ordered(found))


def pick(holder: CardHolder, fields: Iterable[PersonField]) -> CardHolder:
    """Return only the listed fields of *holder*; ``long_term`` belongs to ``valid_until``."""
    wanted = set(fields)
    kept = {name: getattr(holder, name) for name in wanted}
    return CardHolder(**kept, long_term=holder.long_term if "valid_until" in wanted else None)


def addresses(data: bytes) -> tuple[str, ...]:
    """Return the additional addresses of a 30 03 answer, oldest first, blank entries left out."""
    entries = (data[at : at + ADDRESS_BYTES] for at in range(0, len(data), ADDRESS_BYTES))
    return tuple(text for entry in entries if (text := _strip(decoded(entry))))


def sam_id(data: bytes) -> str:
    """Return the 16 bytes of a SAM id as printed on the reader (little-endian, unlike the frames)."""
    kind, sort = (int.from_bytes(data[at : at + 2], "little") for at in (0, 2))
    date, serial, extra = (int.from_bytes(data[at : at + 4], "little") for at in (4, 8, 12))
    return f"{kind:02d}.{sort:02d}-{date:08d}-{serial:010d}-{extra:010d}"


def check_character(digits: str) -> str:
    """Return the check character of 17 digits (GB 11643, ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
    return _CHECK_CHARACTERS[total % 11]


def normal_number(text: str) -> str:
    """Return *text* as numbers are compared: half-width, upper case, without spaces."""
    return Secret("".join(unicodedata.normalize("NFKC", text).upper().split()))


def same_number(one: str, other: str) -> bool:
    """Compare two numbers in a time that tells nothing about where they differ."""
    first, second = (normal_number(text).encode("utf-8", "surrogatepass") for text in (one, other))
    return hmac.compare_digest(first, second)


def iso_date(text: str) -> str | None:
    """Return ``YYYYMMDD`` as ``YYYY-MM-DD``, ``None`` when it is no day of the calendar."""
    if len(text) != len("YYYYMMDD") or not (text.isascii() and text.isdigit()):
        return None
    try:
        return dt.date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat()
    except ValueError:
        return None


def validity_warnings(valid_from: str | None, valid_until: str | None, today: dt.date) -> list[CardWarning]:
    """Compare a card's days (ISO, both included) with *today*; a day that is not known warns of nothing."""
    found: list[CardWarning] = []
    if valid_until is not None and today.isoformat() > valid_until:
        found.append("expired")
    if valid_from is not None and today.isoformat() < valid_from:
        found.append("not-yet-valid")
    return found


def number_warnings(document: DocumentType, number: str, birth: str, sex: str) -> list[CardWarning]:
    """Check an 18-character number against itself and against the birth date and the sex of the record."""
    found: list[CardWarning] = []
    digits, check = number[: len(_WEIGHTS)], number[len(_WEIGHTS) :]
    regular = len(digits) == len(_WEIGHTS) and digits.isascii() and digits.isdigit()
    foreign = document == "foreigner-2023"
    if not regular or check_character(digits) != check.upper() or (foreign and digits[0] != "9"):
        found.append("check-digit")
    if iso_date(birth) is None or number[6:14] != birth:
        found.append("birth-mismatch")
    if regular and not foreign and sex not in {"", "0", "9"} and sex != "21"[int(digits[-1]) % 2]:
        found.append("sex-mismatch")
    return found


def _length_warnings(sections: Sections) -> list[CardWarning]:
    odd = len(sections.text) != TEXT_BYTES or len(sections.photo) != PHOTO_BYTES
    odd = odd or len(sections.fingerprints or b"") not in {0, FINGERPRINT_BYTES, 2 * FINGERPRINT_BYTES}
    return ["unusual-length"] if odd else []


def _templates(block: bytes | None) -> tuple[bytes, ...] | None:
    if block is None:
        return None
    return tuple(block[at : at + FINGERPRINT_BYTES] for at in range(0, len(block), FINGERPRINT_BYTES))


def _ordered(found: set[CardWarning]) -> tuple[CardWarning, ...]:
    return tuple(warning for warning in get_args(CardWarning) if warning in found)


def field_of(text: bytes, places: tuple[tuple[int, int], ...]) -> str:
    return _strip(decoded(b"".join(text[at : at + size] for at, size in places)))


def decoded(data: bytes) -> Secret:
    """Decode 16-bit units; surrogate pairs and private-use characters (rare names) pass unchanged."""
    return Secret(data.decode("utf-16-le", errors="replace"))


def _strip(text: str) -> str:
    return text.rstrip(" \0")
