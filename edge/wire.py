"""All that crosses the broker besides events: retained states, requests, replies, acknowledgements.

With ``edge.events`` this is the contract; ``edge.contract`` generates ``docs/contract/`` from both.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge.events import BlobId, MediaType, RequestId, Sha256, Token

Seq = Annotated[str, Meta(pattern=r"^[0-9]{1,20}$(?!\n)", description="64-bit number as text")]
PartNumber = Annotated[int, Meta(ge=0, le=2147483647)]
Stamp = Annotated[str, Meta(description="RFC 3339 with offset")]
State = Literal[
    "starting", "ready", "busy", "attention", "absent", "denied", "held", "stuck", "fault", "disabled", "maintenance",
]  # fmt: skip
CompletionCode = Literal[
    "ok", "cancelled", "timed-out", "device-error", "busy", "unsupported", "refused", "invalid",
]  # fmt: skip


class _Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the JSON bodies."""


class WindowStatus(_Body, frozen=True, kw_only=True):
    """``status`` (retained, also the last will): is this window's daemon there, and which life of it."""

    state: Literal["online", "offline"]
    epoch: int
    boot: str
    version: str
    since: Stamp
    lab: bool = False
    code: Annotated[str, Meta(description="why it went offline by itself, or takes nothing")] | None = None
    key: Annotated[dict[str, Any], Meta(description="public JWK for requests with personal parameters")] | None = None


class DeviceStatus(_Body, frozen=True, kw_only=True):
    """``device/{device}/status`` (retained)."""

    state: State
    epoch: int
    since: Stamp
    last_proven: Annotated[str, Meta(description="when the device last said anything")] | None = None
    reason: str | None = None
    code: str | None = None
    action: str | None = None


class DeviceAbout(_Body, frozen=True, kw_only=True):
    """``device/{device}/about`` (retained): what the device is and can do."""

    kind: str
    driver: str
    mode: Literal["live", "simulated", "maintenance"]
    model: str | None = None
    firmware: str | None = None
    serial_digest: str | None = None
    proof_s: (
        Annotated[
            float,
            Meta(
                description="while it is ready it has proved to live within so many seconds; absent: it cannot be asked"
            ),
        ]
        | None
    ) = None
    events: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


class Ladder(_Body, frozen=True, kw_only=True):
    """How far the events of this epoch have come: the last ``seq`` of each rung."""

    accepted: Seq
    sent: Seq
    brokered: Seq
    confirmed: Annotated[Seq, Meta(description="by every registered subscriber")] | None = None


class OutboxHealth(_Body, frozen=True, kw_only=True):
    """What waits in the store. ``expired`` and ``damaged`` count since it was made: each has its tombstone."""

    depth: int
    oldest_s: float | None = None
    quarantined: int
    expired: int = 0
    damaged: int = 0


class LinkHealth(_Body, frozen=True, kw_only=True):
    """The connection to the broker; ``unheard`` counts events that nobody was subscribed to."""

    state: Literal["up", "down"]
    connects: int
    unheard: int
    code: str | None = None


class DiskHealth(_Body, frozen=True, kw_only=True):
    """The disk that holds the store; not ``accepting``: there is no room for another event."""

    free_mb: int
    used_percent: int
    accepting: bool = True


class SubscriberHealth(_Body, frozen=True, kw_only=True):
    """How far one registered subscriber has confirmed, and when it last did."""

    upto_seq: Seq
    acked: Stamp | None = None


class BlobsHealth(_Body, frozen=True, kw_only=True):
    """Pictures and documents: how many are kept, and their size on the disk; ``waiting``: not wholly sent yet.

    ``quarantined``: the broker refuses them for good, or their file is lost. ``link``: their connection, which is
    made with the first blob.
    """

    count: int
    bytes: int
    waiting: int
    quarantined: int
    link: Literal["idle", "up", "down"] = "idle"
    code: str | None = None


class HealthProblem(_Body, frozen=True, kw_only=True):
    """What is wrong now: a stable code, what is seen, one action. A ``notice`` keeps nothing from working."""

    code: str
    message: str
    action: str
    level: Literal["attention", "notice"] = "attention"


class Health(_Body, frozen=True, kw_only=True):
    """``health`` (retained, every 15 s, after bursts, and within 2 s of every change of ``problems``)."""

    epoch: int
    head_seq: Seq
    delivery: Literal["confirmed", "broker-only"]
    ladder: Ladder
    outbox: OutboxHealth
    link: LinkHealth
    disk: DiskHealth
    subscribers: dict[str, SubscriberHealth] = {}
    replayed: int = 0
    blobs: BlobsHealth | None = None
    problems: tuple[HealthProblem, ...] = ()


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``request/{device}/{command}``, with Response Topic and Correlation Data, not retained."""

    request_id: RequestId
    deadline: Annotated[str, Meta(max_length=40, description="RFC 3339 with offset, at most an hour ahead")]
    params: dict[str, Any] = {}
    case: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}$(?!\n)")] | None = None

    def __repr__(self) -> str:
        return f"<request {self.request_id}>"


class SignedRequest(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload of a signed request: with a requester's key configured, no other is taken.

    Compact JWS with content type ``application/jose+json``; header ``alg`` (ES256 or Ed25519), ``kid`` and ``typ``
    ``hall-request+jwt``, and nothing else. A personal one is signed first and then sealed.
    """

    iss: Annotated[str, Meta(max_length=32, description="the requester's name in the window's configuration")]
    aud: Annotated[str, Meta(max_length=65, description="{hall}/{window}")]
    iat: Annotated[int, Meta(ge=0, le=2**53, description="seconds since 1970; not more than 5 s ahead")]
    exp: Annotated[int, Meta(ge=0, le=2**53, description="at most 30 s after iat; signed anew when sent again")]
    device: Annotated[str, Meta(max_length=32, description="as in the topic")]
    command: Annotated[str, Meta(max_length=64, description="as in the topic")]

    def __repr__(self) -> str:
        return f"<signed request {self.request_id}>"


class RequestAck(_Body, frozen=True, kw_only=True, tag_field="reply", tag="ack"):
    """The request was accepted; *position* requests are before it."""

    request_id: str
    position: int
    deadline: Stamp


class Progress(_Body, frozen=True, kw_only=True, tag_field="reply", tag="progress"):
    """A step of a request under way."""

    request_id: str
    text_code: Token
    step: int | None = None
    of: int | None = None


class Told(_Body, frozen=True, kw_only=True):
    """Why a request did not end with ``ok``: a stable code, what was seen, one action."""

    code: str
    message: str
    action: str


class EventName(_Body, frozen=True, kw_only=True):
    """An event that a request has led to."""

    id: str
    seq: Seq
    type: str


class Completion(_Body, frozen=True, kw_only=True, tag_field="reply", tag="completion"):
    """The one end of a request; alone when the request was not accepted."""

    request_id: str
    code: CompletionCode
    events: tuple[EventName, ...] = ()
    data: dict[str, Any] | None = None
    error: Told | None = None


Reply = RequestAck | Progress | Completion


class Ack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``ack/{subscriber}``: everything up to ``upto_seq`` is complete, but for ``missing``.

    ``upto_id`` is the id of the event ``upto_seq``. An acknowledgement of another event than the one that has the
    number here, or of a number never given out here, deletes nothing: this store is an older copy of itself.
    """

    epoch: int
    upto_seq: Seq
    missing: Annotated[list[tuple[Seq, Seq]], Meta(max_length=1000)] = []
    upto_id: Annotated[str, Meta(max_length=64)] | None = None


class ReplayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``replay/{subscriber}``: please send these again on ``replayed/{subscriber}``."""

    epoch: int
    from_seq: Seq
    to_seq: Seq


class BlobReplayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``replay/{subscriber}``: please send the manifest and these parts of a blob again.

    Ranges of part numbers, both ends included; none: the manifest alone. What goes beyond the last part counts
    for nothing, and so does what was not sent a first time yet: that is on its way.
    """

    blob: BlobId
    parts: Annotated[list[tuple[PartNumber, PartNumber]], Meta(max_length=1000)]


class Manifest(_Body, frozen=True, kw_only=True):
    """``blob/{blob}/manifest``: what the parts of a blob make. ``size`` and ``sha256`` are of the plain bytes.

    Part ``n`` (from 0) are the bytes from ``n * part_size`` on, ``part_size`` of them but for the last one. Those
    of a ``sealed`` blob are A256GCM each (16 bytes longer): key ``blob_key`` of the sealed event, nonce the part
    number in 96 bits, additional data the text ``{blob}/{n}``.
    """

    blob: BlobId
    event: Annotated[str, Meta(description="id of the event that brings it")]
    epoch: int
    seq: Seq
    media_type: MediaType
    size: Annotated[int, Meta(ge=1)]
    sha256: Sha256
    part_size: Annotated[int, Meta(ge=1, le=65536)]
    parts: Annotated[int, Meta(ge=1)]
    sealed: bool


class BlobGone(_Body, frozen=True, kw_only=True):
    """``blob/{blob}/gone``, only as an answer on ``replayed/{subscriber}``: it will not come.

    ``unknown``: deleted after it was acknowledged, or never here. ``refused``: the broker does not take it.
    ``lost``: its file is damaged or gone.
    """

    blob: BlobId
    reason: Literal["unknown", "refused", "lost"]
