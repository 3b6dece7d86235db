"""Smart cards through PC/SC: social-security cards, storage cards, and what does not belong on this reader."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge.events.base import Coded, Digest, Params, Payload, Personal
from edge.events.id_card import Advice

Interface = Literal["contact", "contactless", "unknown"]
CardKind = Literal["social-security", "storage", "id-card", "cpu", "unknown"]
"""``id-card``: a PRC ID card, which only a certified ID-card reader can read."""
SmartCardField = Literal[
    "name", "number", "sex", "nation", "birthplace", "birth_date",
    "card_number", "identification", "card_class", "version", "organisation", "issue_date", "valid_until",
    "uid", "atr",
]  # fmt: skip
SmartCardRejection = Literal[
    "removed-too-early", "mute", "needs-psam", "use-id-card-reader", "not-supported", "read-failed",
    "unreadable-record", "held",
]  # fmt: skip
"""``held``: another program has the card for itself."""
SmartCardWarning = Literal["check-digit", "expired", "unusual-length", "unknown-nation", "incomplete"]
Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})+$(?!\n)", description="bytes in hex")]


class SocialSecurityCard(Personal, frozen=True, kw_only=True, omit_defaults=True):
    """What a card says (人社信息函〔2012〕37号, EF05 and EF06); a field that was not asked for is absent."""

    name: str | None = None
    number: str | None = None
    sex: Coded | None = None
    nation: Coded | None = None
    birthplace: str | None = None
    birth_date: str | None = None
    card_number: str | None = None
    identification: str | None = None
    card_class: str | None = None
    version: str | None = None
    organisation: str | None = None
    issue_date: str | None = None
    valid_until: str | None = None
    uid: Hex | None = None
    atr: Hex | None = None


class CardInserted(Payload, frozen=True, kw_only=True):
    """A card is in the reader, or lies on it. ``product`` names storage cards (PC/SC part 3)."""

    kind = "smart-card"
    type = "inserted"
    interface: Interface
    card: CardKind
    product: str | None = None


class CardRead(Payload, frozen=True, kw_only=True):
    """A card was read, as far as the read mode allows. ``chip`` is a keyed digest of what identifies the card."""

    kind = "smart-card"
    type = "read"
    sealed_fields = frozenset({"person"})
    mode: Literal["presence", "fields", "full"]
    interface: Interface
    card: CardKind
    chip: Digest
    warnings: tuple[SmartCardWarning, ...] = ()
    purpose: str | None = None
    person: SocialSecurityCard | None = None


class CardRemoved(Payload, frozen=True, kw_only=True):
    """The card was taken away."""

    kind = "smart-card"
    type = "removed"


class CardRejected(Payload, frozen=True, kw_only=True):
    """A card was there and could not be read; ``advice`` is what the clerk does now."""

    kind = "smart-card"
    type = "rejected"
    reason: SmartCardRejection
    advice: Advice
    status: Annotated[str, Meta(pattern=r"^[0-9a-f]{4}$(?!\n)", description="SW1 SW2, hex")] | None = None


class Transmitted(Payload, frozen=True, kw_only=True):
    """What the card answered to the APDUs of a ``transmit`` request, in their order."""

    kind = "smart-card"
    type = "transmitted"
    sealed_fields = frozenset({"answers"})
    request: str
    count: Annotated[int, Meta(ge=0)]
    answers: tuple[Hex, ...] | None = None


class ReadSmartCard(Params, frozen=True, kw_only=True):
    """Arm the reader for one card; the card that is in it now counts."""

    kind = "smart-card"
    command = "read"
    tier = "act"
    purpose: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


class Transmit(Params, frozen=True, kw_only=True):
    """Send APDUs to the card in the reader. Off unless configured, and only with prefixes it allows."""

    kind = "smart-card"
    command = "transmit"
    tier = "act"
    sealed_params = frozenset({"apdus"})
    apdus: Annotated[tuple[Annotated[str, Meta(pattern=r"^([0-9a-f]{2}){4,261}$(?!\n)")], ...], Meta(max_length=32)]
