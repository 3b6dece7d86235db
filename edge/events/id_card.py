"""ID cards: what a certified reader says about the card that lies on it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge.events.base import Coded, Digest, Params, Payload, Personal

DocumentType = Literal["prc-resident", "foreigner-2017", "foreigner-2023", "hmt-residence"]
CardWarning = Literal[
    "check-digit", "birth-mismatch", "sex-mismatch", "expired", "not-yet-valid",
    "unknown-nation", "unknown-type", "unusual-length",
]  # fmt: skip
CardRejection = Literal[
    "removed-too-early", "read-failed", "card-cannot-authenticate-reader", "card-not-genuine",
    "verification-failed", "fingerprint-failed", "length-error", "not-an-id-card", "not-permitted",
    "unrecognised-error", "unknown-type", "unreadable-record",
]  # fmt: skip
Advice = Literal["lay-card-again", "keep-card-still", "use-other-document", "call-technician"]
ReadMode = Literal["presence", "verify", "fields", "full"]
PersonField = Literal[
    "name", "name_zh", "sex", "nation", "birth_date", "address", "number", "issuer", "valid_from", "valid_until",
    "nationality", "permit_number", "issue_count", "related_number", "new_addresses", "photo_wlt", "fingerprints",
]  # fmt: skip


class CardHolder(Personal, frozen=True, kw_only=True, omit_defaults=True):
    """What a card says about its holder; a field that was not asked for is absent."""

    name: str | None = None
    name_zh: str | None = None
    sex: Coded | None = None
    nation: Coded | None = None
    nationality: Annotated[str, Meta(description="GB/T 2659 alpha-3")] | None = None
    birth_date: str | None = None
    address: str | None = None
    new_addresses: tuple[str, ...] | None = None
    number: str | None = None
    permit_number: Annotated[str, Meta(description="通行证号码, hmt-residence only")] | None = None
    issue_count: str | None = None
    related_number: str | None = None
    issuer: str | None = None
    valid_from: str | None = None
    valid_until: Annotated[str, Meta(description="absent together with long_term")] | None = None
    long_term: bool | None = None
    photo_wlt: Annotated[bytes, Meta(max_length=4096, description="WLT as on the chip, base64")] | None = None
    fingerprints: tuple[Annotated[bytes, Meta(max_length=512)], ...] | None = None


class Presented(Payload, frozen=True, kw_only=True):
    """A card lies on the reader."""

    kind = "id-card"
    type = "presented"


class Read(Payload, frozen=True, kw_only=True):
    """A card was read, as far as the read mode allows."""

    kind = "id-card"
    type = "read"
    sealed_fields = frozenset({"person"})

    mode: ReadMode
    document: DocumentType
    warnings: tuple[CardWarning, ...] = ()
    holder: Digest
    verified: bool | None = None
    purpose: str | None = None
    person: CardHolder | None = None


class Removed(Payload, frozen=True, kw_only=True):
    """The card was taken away."""

    kind = "id-card"
    type = "removed"


class Rejected(Payload, frozen=True, kw_only=True):
    """A card was there and could not be read; ``advice`` is what the clerk does now."""

    kind = "id-card"
    type = "rejected"
    reason: CardRejection
    advice: Advice
    status: Annotated[str, Meta(pattern=r"^[0-9a-f]{2}$(?!\n)", description="the reader's own, hex")] | None = None


class ReadCard(Params, frozen=True, kw_only=True):
    """Arm the reader for one card. ``number`` (sealed requests only): only say whether the card bears it."""

    kind = "id-card"
    command = "read"
    tier = "act"
    sealed_params = frozenset({"number"})
    number: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    purpose: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
