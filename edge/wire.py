"""All that crosses the broker besides events: retained states, requests, replies, acknowledgements.

With ``edge.events`` this is the contract; ``edge.contract`` generates ``docs/contract/`` from both.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge.events import RequestId, Token

Seq = Annotated[str, Meta(pattern=r"^[0-9]{1,20}$(?!\n)", description="64-bit number as text")]
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
    events: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


class Ladder(_Body, frozen=True, kw_only=True):
    """How far the events of this epoch have come: the last ``seq`` of each rung."""

    accepted: Seq
    sent: Seq
    brokered: Seq
    confirmed: Annotated[Seq, Meta(description="by every registered subscriber")] | None = None


class OutboxHealth(_Body, frozen=True, kw_only=True):
    """What waits in the store."""

    depth: int
    oldest_s: float | None = None
    quarantined: int


class LinkHealth(_Body, frozen=True, kw_only=True):
    """The connection to the broker; ``unheard`` counts events that nobody was subscribed to."""

    state: Literal["up", "down"]
    connects: int
    unheard: int
    code: str | None = None


class DiskHealth(_Body, frozen=True, kw_only=True):
    """The disk that holds the store."""

    free_mb: int
    used_percent: int


class SubscriberHealth(_Body, frozen=True, kw_only=True):
    """How far one registered subscriber has confirmed, and when it last did."""

    upto_seq: Seq
    acked: Stamp | None = None


class Health(_Body, frozen=True, kw_only=True):
    """``health`` (retained, every 15 s and after bursts)."""

    epoch: int
    head_seq: Seq
    delivery: Literal["confirmed", "broker-only"]
    ladder: Ladder
    outbox: OutboxHealth
    link: LinkHealth
    disk: DiskHealth
    subscribers: dict[str, SubscriberHealth] = {}
    replayed: int = 0


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``request/{device}/{command}``, with Response Topic and Correlation Data, not retained."""

    request_id: RequestId
    deadline: Annotated[str, Meta(max_length=40, description="RFC 3339 with offset, at most an hour ahead")]
    params: dict[str, Any] = {}
    case: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}$(?!\n)")] | None = None

    def __repr__(self) -> str:
        return f"<request {self.request_id}>"


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
    """``ack/{subscriber}``: everything up to ``upto_seq`` is complete, but for ``missing``."""

    epoch: int
    upto_seq: Seq
    missing: Annotated[list[tuple[Seq, Seq]], Meta(max_length=1000)] = []


class ReplayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``replay/{subscriber}``: please send these again on ``replayed/{subscriber}``."""

    epoch: int
    from_seq: Seq
    to_seq: Seq
