"""Card models read without a reader: what the driver makes of them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable

from drivers._card_apdu import Talk
from drivers._card_atr import parse_atr
from drivers._card_reading import Reading, read_card
from drivers._card_settings import Want
from edge.events import CardRead, CardRejected, SmartCardField, SocialSecurityCard, revealed
from simulators.cards import T0, Card, make_card, with_check
from simulators.words import Words

TODAY = dt.date(2026, 11, 23)
FULL = Want("full", "test", None)
PRESENCE = Want("presence")
TYPE_B = with_check("3B8880010000000000000000")
Transmit = Callable[[bytes], bytes]


class Reader:
    """A card model, and what it was sent."""

    def __init__(self, words: str) -> None:
        kind, *rest = words.split()
        self.card: Card = make_card(kind, Words(rest), 1)
        self.card.power_on()
        self.sent: list[bytes] = []

    def transmit(self, apdu: bytes) -> bytes:
        self.sent.append(apdu)
        return self.card.transmit(apdu)

    def read(self, want: Want, transmit: Transmit | None = None) -> CardRead | CardRejected:
        talk = Talk(transmit or self.transmit, t0=self.card.protocols == T0)
        return read_card(Reading(talk, self.card.atr, parse_atr(self.card.atr), want, digest, TODAY))


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:32]


def read(words: str, want: Want = FULL) -> CardRead:
    event = Reader(words).read(want)
    assert isinstance(event, CardRead), revealed(event)
    return event


def refused(words: str, want: Want = FULL) -> CardRejected:
    event = Reader(words).read(want)
    assert isinstance(event, CardRejected)
    return event


def fields(*names: SmartCardField) -> Want:
    return Want("fields", None, frozenset(names))


def person(event: CardRead) -> SocialSecurityCard:
    assert event.person is not None
    return event.person
