"""Recordings of cards: what a card was asked and what it answered, and what the driver made of it.

    .venv/bin/python -m tests.drivers.apdu_recording        makes them anew, from the simulated cards

``NAME.apdus`` in ``tests/recordings/card_pcsc`` holds ``> command`` and ``< answer`` lines behind its head;
``NAME.golden.json`` the event. **Never record a citizen's card**: the people in them do not exist.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from drivers._card_apdu import Talk
from drivers._card_atr import parse_atr
from drivers._card_reading import Reading, read_card
from drivers._card_settings import CardSettings, wanted
from drivers._card_status import CardProblem
from edge.events import Payload
from simulators.cards import T0, make_card
from simulators.words import Words
from tests.support.project import ROOT

FOLDER = ROOT / "tests" / "recordings" / "card_pcsc"
HEAD = "# hall-edge APDU recording 1"
TODAY = dt.date(2026, 11, 23)
FULL: Mapping[str, object] = {"read": "full", "purpose": "recordings"}
PUBLIC: Mapping[str, object] = {}
SCRIPTS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "t1_full": ("social-security seed=1", FULL),
    "t0_full": ("social-security seed=2 protocol=t0", FULL),
    "by_tag_fields": ("social-security seed=3 by=tag le=exact", {"read": "fields", "fields": ["name", "number"]}),
    "by_short_id": ("social-security seed=4 interface=contactless by=sfi chain=1", FULL),
    "presence": ("social-security seed=5", PUBLIC),
    "needs_psam": ("social-security seed=6 psam=read", FULL),
    "odd": ("social-security seed=7 bad-check=1 bad-gbk=1 short=1 nation=77 expired=1", FULL),
    "storage": ("storage seed=8 product=4k", PUBLIC),
    "bank_card": ("cpu seed=9", FULL),
}


class Recording(NamedTuple):
    """One card that was read once."""

    atr: bytes
    t0: bool
    settings: dict[str, object]
    steps: tuple[tuple[bytes, bytes], ...]

    def written(self) -> str:
        """Return the file's text."""
        lines = [
            HEAD,
            f"atr {self.atr.hex()}",
            f"protocol T={0 if self.t0 else 1}",
            f"settings {json.dumps(self.settings)}",
        ]
        for asked, answered in self.steps:
            lines += [f"> {asked.hex()}", f"< {answered.hex()}"]
        return "\n".join([*lines, ""])

    @classmethod
    def parsed(cls, text: str) -> Recording:
        """Return what *text* holds."""
        head, atr, protocol, settings, *lines = text.splitlines()
        assert head == HEAD
        data = [bytes.fromhex(line[2:]) for line in lines]
        steps = tuple(zip(data[::2], data[1::2], strict=True))
        return cls(
            bytes.fromhex(atr.removeprefix("atr ")),
            protocol.endswith("0"),
            json.loads(settings.removeprefix("settings ")),
            steps,
        )


def read(settings: Mapping[str, object], atr: bytes, talk: Talk) -> Payload:
    """Return what the driver makes of a card."""
    own = msgspec.convert(settings, CardSettings)
    assert own.problems() == {}
    return read_card(Reading(talk, atr, parse_atr(atr), wanted(own, None), digest, TODAY))


def digest(text: str) -> str:
    return hashlib.sha256(b"recordings" + text.encode()).hexdigest()[:32]


def recorded(name: str) -> tuple[Recording, Payload]:
    """Read the card of the script *name*."""
    words, settings = SCRIPTS[name]
    kind, *rest = words.split()
    card = make_card(kind, Words(rest), 0)
    card.power_on()
    steps: list[tuple[bytes, bytes]] = []

    def send(apdu: bytes) -> bytes:
        answer = card.transmit(apdu)
        steps.append((apdu, answer))
        return answer

    t0 = card.protocols == T0
    event = read(settings, card.atr, Talk(send, t0=t0))
    return Recording(card.atr, t0, dict(settings), tuple(steps)), event


def replayed(recording: Recording, torn_at: int | None = None) -> Payload:
    """Read the recorded card again; all else than was asked is a mistake. *torn_at*: the card goes at this step."""
    rest = iter(enumerate(recording.steps))

    def send(apdu: bytes) -> bytes:
        number, (asked, answered) = next(rest)
        if number == torn_at:
            raise CardProblem("removed")
        assert apdu == asked, f"step {number}: {apdu.hex()} instead of {asked.hex()}"
        return answered

    event = read(recording.settings, recording.atr, Talk(send, t0=recording.t0))
    assert next(rest, None) is None, "the recording was not used up"
    return event


def golden(event: Payload) -> str:
    """Return the text of a golden file."""
    facts: dict[str, Any] = {"type": f"{event.kind}.{event.type}", "data": event.view(sealed=True)}
    return json.dumps(facts, ensure_ascii=False, indent=1) + "\n"


def path(name: str, suffix: str) -> Path:
    return FOLDER / f"{name}{suffix}"


def main() -> None:
    """Make all recordings anew."""
    FOLDER.mkdir(exist_ok=True)
    for name in SCRIPTS:
        recording, event = recorded(name)
        path(name, ".apdus").write_text(recording.written(), encoding="ascii")
        path(name, ".golden.json").write_text(golden(event), encoding="utf-8")


if __name__ == "__main__":
    main()
