"""Planted canaries: what a citizen's data would look like if it leaked, in every form it could take."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from simulators.people import citizen
from simulators.records import Citizen

_NOBODYS = ("storage", "id-card", "cpu", "mute", "script")  # cards that say nothing of a person
_SHORTEST = 2  # characters of a text
_SHORTEST_FORM = 6  # bytes: shorter ones stand in sealed bodies by chance
_SHORTEST_CODED = 8  # characters of base64 or hex, likewise


def of_citizen(person: Citizen) -> list[str]:
    """Return the texts that nobody but the back office may see."""
    texts = [person.name, person.english_name, person.number, person.address, person.travel_permit, *person.addresses]
    return [text for text in texts if len(text) >= _SHORTEST]


def of_card(words: Sequence[str], seed: int) -> list[str]:
    """Return the canaries of the holder of a card that is inserted: an ID card, or one for a smart-card reader."""
    if words[0] == "social-security":
        of_the_person = [word for word in words[1:] if word.startswith(("seed=", "name=", "bad-check="))]
        rare = [] if any(word.startswith("name=") for word in of_the_person) else ["rare=0"]
        person = citizen(shlex.join(["resident", "long=0", *rare, *of_the_person]), seed)
        return [person.name, person.number]
    if words[0] in _NOBODYS:
        return []
    return of_citizen(citizen(shlex.join(words), seed))


def of_line(line: str, seed: int = 0) -> list[str]:
    """Return the canaries that a simulator line plants: the citizen of an ``insert``, the text of a ``scan``."""
    _, action, *rest = line.split(maxsplit=2)
    if action == "insert":
        return of_card(shlex.split(rest[0]), seed)
    return [shlex.split(rest[0])[0]] if action == "scan" and rest else []


def forms(text: str) -> Iterator[bytes]:
    """Yield *text* as it could stand in a log, a packet or a file."""
    for encoding in ("utf-8", "utf-16-le", "gb18030"):
        raw = text.encode(encoding)
        if len(raw) >= _SHORTEST_FORM:
            yield raw
        # base64 looks different at each of three alignments, and its edges depend on the neighbours
        coded = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
        coded += [raw.hex().encode(), raw.hex().upper().encode(), raw.hex(" ").encode()]
        yield from (form for form in coded if len(form) >= _SHORTEST_CODED)
    yield quote(text).encode()
    yield text.encode("unicode_escape")


def found(canaries: Iterable[str], places: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return where canaries stand, without repeating them."""
    needles = [(number, form) for number, text in enumerate(canaries) for form in set(forms(text))]
    return [
        f"canary {number} in {place} at byte {data.index(form)}"
        for place, data in places
        for number, form in needles
        if form in data
    ]
