"""The vocabulary: every kind, event, field and command that crosses the broker, in one place.

JSON Schemas and the AsyncAPI document are generated from here (``edge.contract``). Changes within ``v1`` are
additive. A field listed in ``sealed_fields`` travels only in the sealed view of its event; everything else is
public, so it must never say who somebody is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

Level = Annotated[int, Meta(ge=1, le=5, description="5 非常满意, 4 满意, 3 基本满意, 2 不满意, 1 非常不满意")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$(?!\n)", description="keyed: equal means same, nothing more")]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)")]
Milliseconds = Annotated[int, Meta(ge=0)]
RequestId = Annotated[str, Meta(pattern=r"^[0-9a-fA-F-]{36}$(?!\n)", description="UUID")]
Token = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$(?!\n)")]

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


class Params(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of a command's parameters; ``sealed_params`` are accepted only in a sealed request."""

    kind: ClassVar[str]
    command: ClassVar[str]
    sealed_params: ClassVar[frozenset[str]] = frozenset()


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of every event's ``data``. Its repr never shows more than the event's name."""

    kind: ClassVar[str]
    type: ClassVar[str]
    sealed_fields: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        return f"<{self.kind}.{self.type}>"

    def hidden(self) -> frozenset[str]:
        """Return the names of the fields of this event that hold personal data."""
        return frozenset(name for name in self.sealed_fields if getattr(self, name) is not None)

    def sensitivity(self) -> int:
        """Return the class of the whole event: 0 public, 1 operational, 2 personal, 3 sensitive."""
        return 3 if self.hidden() else 1

    def view(self, *, sealed: bool) -> dict[str, Any]:
        """Return ``data`` as builtins: the full body when *sealed*, else without the personal fields."""
        full: dict[str, Any] = msgspec.to_builtins(self)
        return full if sealed else {key: value for key, value in full.items() if key not in self.hidden()}


class Coded(msgspec.Struct, frozen=True):
    """A code of a national table with its name (GB/T 2261.1 sex, GB/T 3304 nation)."""

    code: str
    name: str


class CardHolder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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

    def __repr__(self) -> str:
        return "<CardHolder: personal>"


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


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a citizen was not satisfied, in the pad's or form's own numbering."""

    code: Token
    text: Annotated[str, Meta(max_length=64)] | None = None


RatingFlag = Literal["too-fast", "burst"]


class Rated(Payload, frozen=True, kw_only=True):
    """A citizen rated the service on the pad: a fact from the pad's own bytes, one per session."""

    kind = "evaluation-pad"
    type = "rated"
    session: RequestId
    level: Level
    reasons: tuple[Reason, ...] = ()
    form_id: Token | None = None
    form_version: Token | None = None
    dwell_ms: Milliseconds
    flags: tuple[RatingFlag, ...] = ()


class Declined(Payload, frozen=True, kw_only=True):
    """The citizen pressed the key that refuses to rate."""

    kind = "evaluation-pad"
    type = "declined"
    session: RequestId
    dwell_ms: Milliseconds


class TimedOut(Payload, frozen=True, kw_only=True):
    """Nobody pressed a key: not a level, whatever a default may say."""

    kind = "evaluation-pad"
    type = "timed-out"
    session: RequestId
    waited_ms: Milliseconds


class Interrupted(Payload, frozen=True, kw_only=True):
    """The session ended without the citizen: cancelled, or the pad went away."""

    kind = "evaluation-pad"
    type = "interrupted"
    session: RequestId
    reason: Literal["cancelled", "device-error"]
    waited_ms: Milliseconds


class Scanned(Payload, frozen=True, kw_only=True):
    """A bar code or QR code was read. ``text`` and ``raw`` are sealed when the content is personal."""

    kind = "code-scanner"
    type = "scanned"
    sealed_fields = frozenset({"text", "raw"})

    content: Literal["personal", "public"]
    symbology: str | None = None
    aim: Annotated[str, Meta(pattern=r"^\][A-Za-z][0-9A-Za-z]$(?!\n)", description="AIM identifier]cm")] | None = None
    length_bytes: Annotated[int, Meta(ge=0)]
    encoding: Literal["utf-8", "gb18030", "latin-1"] = "utf-8"
    text: str | None = None
    raw: Annotated[bytes, Meta(description="as scanned, base64; absent when text says the same")] | None = None

    def hidden(self) -> frozenset[str]:
        """Return nothing for public content such as queue tickets."""
        return super().hidden() if self.content == "personal" else frozenset()

    def sensitivity(self) -> int:
        """Return 2 (personal) or 1 (operational)."""
        return 2 if self.content == "personal" else 1


class StandsFor(msgspec.Struct, frozen=True, omit_defaults=True):
    """The event that can no longer be sent, as far as it is still known."""

    reason: Literal["confirmed-and-deleted", "retention", "damaged", "quarantined"]
    id: str | None = None
    type: str | None = None


class Tombstone(Payload, frozen=True, kw_only=True):
    """Stands, under the same ``seq``, for an event that can no longer be sent."""

    kind = "system"
    type = "tombstone"
    event: StandsFor


class Quarantined(Payload, frozen=True, kw_only=True):
    """The broker refused an event for good; it is kept in the store and the queue goes on."""

    kind = "system"
    type = "quarantined"
    refused_seq: str
    refused_id: str
    puback: Annotated[int, Meta(ge=0, le=255, description="MQTT 5 reason code; 149 also when we refused the size")]


class ReadCard(Params, frozen=True, kw_only=True):
    """Arm the reader for one card. ``number`` (sealed requests only): only say whether the card bears it."""

    kind = "id-card"
    command = "read"
    sealed_params = frozenset({"number"})
    number: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    purpose: Annotated[str, Meta(min_length=1, max_length=128)] | None = None

    def __repr__(self) -> str:
        return "<ReadCard>"


class Evaluate(Params, frozen=True, kw_only=True):
    """Ask the citizen for a rating: opens a session that ends with one event."""

    kind = "evaluation-pad"
    command = "evaluate"
    timeout_s: Annotated[int, Meta(ge=3, le=180)] = 30
    form_id: Token | None = None
    form_version: Token | None = None
    staff: Annotated[str, Meta(pattern=r"^[0-9]{1,6}$(?!\n)", description="number shown on the pad")] | None = None


EVENTS: tuple[type[Payload], ...] = (
    Presented, Read, Removed, Rejected, Rated, Declined, TimedOut, Interrupted, Scanned, Tombstone, Quarantined,
)  # fmt: skip
COMMANDS: tuple[type[Params], ...] = (ReadCard, Evaluate)
KINDS: tuple[str, ...] = tuple(dict.fromkeys(event.kind for event in EVENTS if event.kind != "system"))
BY_TYPE: Mapping[str, type[Payload]] = {f"hall.{event.kind}.{event.type}.v1": event for event in EVENTS}


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """CloudEvents 1.0 in structured JSON, with hall-edge's extension attributes."""

    specversion: Literal["1.0"]
    id: Annotated[str, Meta(pattern=r"^[0-9a-f-]{36}$(?!\n)", description="UUIDv7, never changed on resend")]
    source: Annotated[str, Meta(description="urn:hall:{hall}:{window}:{device}")]
    type: str
    time: Annotated[str, Meta(description="RFC 3339 with offset")]
    dataschema: str
    datacontenttype: Literal["application/json"]
    epoch: int
    seq: Annotated[str, Meta(pattern=r"^[0-9]{1,20}$(?!\n)", description="one unbroken series per window")]
    boot: str
    mono: Annotated[str, Meta(description="monotonic nanoseconds")]
    clock: Literal["synced", "free"]
    mode: Literal["live", "simulated", "maintenance"]
    class_: Annotated[int, Meta(ge=0, le=3)] = msgspec.field(name="class")
    data: msgspec.Raw | dict[str, Any]
    subject: str | None = None
    sealed: bool = False
    lab: bool = False
