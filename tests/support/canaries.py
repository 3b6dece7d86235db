"""Planted canaries: what a citizen's data would look like if it leaked, in every form it could take.

A canary is a text (a name, a number, an address, an account) or bytes (a photo, a page, a chip's file).
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from simulators.card_files import holder
from simulators.people import citizen
from simulators.records import Citizen
from simulators.words import Words
from tests.support.search import Search

Canary = str | bytes
_NOBODYS = ("storage", "id-card", "cpu", "mute", "script")  # cards that say nothing of a person
_SOCIAL = ("social-security", "slow")
_SHORTEST = 2  # characters of a text
_SHORTEST_FORM = 6  # bytes: shorter ones stand in sealed bodies by chance
_SHORTEST_CODED = 8  # characters of base64 or hex, likewise
_PIECE_BYTES, _MOST_PIECES, _DIFFERENT = 32, 48, 3
_CODED_PIECES = 6
_TAGS = {"identification": 0x01, "card number": 0x07}

OPEN_PICTURES: dict[str, bytes] = {
    "a JPEG": bytes.fromhex("ffd8ffe000104a464946"),
    "tables of a JPEG": bytes.fromhex("ffc4001f0000010501010101010100000000000000000102030405060708090a0b"),
    "a PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "a PDF": b"%PDF-1.",
}
"""How pictures and documents begin, or what stands in most of them: never where all content is sealed."""


def of_citizen(person: Citizen) -> list[Canary]:
    """Return what nobody but the back office may see."""
    texts = [person.name, person.english_name, person.number, person.address, person.travel_permit, *person.addresses]
    shown = [text for text in texts if len(text) >= _SHORTEST]
    secret = [data for data in (person.photo, person.fingerprints) if any(data)]
    digests = [hashlib.sha256(data) for data in secret]  # a photo can be recognised by it
    return [*shown, *secret, *(one.digest() for one in digests), *(one.hexdigest() for one in digests)]


def of_card(words: Sequence[str], seed: int) -> list[Canary]:
    """Return the canaries of the holder of a card that is inserted: an ID card, or one for a smart-card reader."""
    if words[0] in _SOCIAL:
        of_the_person = [word for word in words[1:] if word.startswith(("seed=", "name=", "bad-check="))]
        rare = [] if any(word.startswith("name=") for word in of_the_person) else ["rare=0"]
        person = citizen(shlex.join(["resident", "long=0", *rare, *of_the_person]), seed)
        items = holder(Words(list(of_the_person)), seed).items
        identification, account = (items[tag] for tag in _TAGS.values())
        return [person.name, person.number, account.decode(), identification.hex().upper().rstrip("F"), identification]
    if words[0] in _NOBODYS:
        return []
    return of_citizen(citizen(shlex.join(words), seed))


def of_line(line: str, seed: int = 0) -> list[Canary]:
    """Return the canaries that a simulator line plants: the citizen of an ``insert``, the text of a ``scan``."""
    _, action, *rest = line.split(maxsplit=2)
    if action == "insert":
        return of_card(shlex.split(rest[0]), seed)
    return [shlex.split(rest[0])[0]] if action == "scan" and rest else []


def forms(canary: Canary) -> Iterator[bytes]:
    """Yield *canary* as it could stand in a log, a packet or a file."""
    yield from _of_bytes(canary) if isinstance(canary, bytes) else _of_text(canary)


def _of_text(text: str) -> Iterator[bytes]:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "gb18030"):
        raw = text.encode(encoding)
        if len(raw) >= _SHORTEST_FORM:
            yield raw
        yield from (form for form in _coded(raw) if len(form) >= _SHORTEST_CODED)
        yield quote(raw).encode()
        yield quote(raw, safe="").lower().encode()
        if any(octet >= 0x80 for octet in raw):  # else it is the raw text
            yield repr(raw)[2:-1].encode()
    yield text.encode("unicode_escape")


def _of_bytes(data: bytes) -> Iterator[bytes]:
    """Yield pieces of *data*; those of one or two colours prove nothing."""
    step = max(1, len(data) // _MOST_PIECES)
    pieces = [data[at : at + _PIECE_BYTES] for at in range(0, max(1, len(data) - _PIECE_BYTES + 1), step)]
    pieces = [piece for piece in pieces if len(set(piece)) >= _DIFFERENT]
    yield from pieces
    for piece in pieces[:: max(1, len(pieces) // _CODED_PIECES)]:
        yield from _coded(piece)


def _coded(raw: bytes) -> Iterator[bytes]:
    """Yield *raw* in hex, and in base64 at its three alignments without characters that neighbours share."""
    for shift in range(3):
        own = slice(-(-shift * 8 // 6), (shift + len(raw)) * 8 // 6)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * shift + raw)[own]
    yield from (raw.hex().encode(), raw.hex().upper().encode(), raw.hex(" ").encode())


def found(canaries: Iterable[Canary], places: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return where canaries stand, each once a place, without repeating them."""
    needles = [(form, number) for number, canary in enumerate(canaries) for form in set(forms(canary))]
    search = Search((form, number) for form, number in needles if len(form) >= _SHORTEST_FORM)
    hits: dict[tuple[int, str], int] = {}
    for place, data in places:
        for at, number in search(data):
            hits.setdefault((number, place), at)
    return [f"canary {number} in {place} at byte {at}" for (number, place), at in hits.items()]


def open_pictures(places: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return where pictures or documents stand in clear."""
    search = Search((head, what) for what, head in OPEN_PICTURES.items())
    hits = {(what, place): at for place, data in places for at, what in search(data)}
    return [f"{what} in {place} at byte {at}" for (what, place), at in hits.items()]
