"""What the daemon says about its own events."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.events.base import Params, Payload, RequestId, Token

MOST_CHECKS = 100
"""So many checks of a self-test fit an event."""


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


class SelfTestCheck(msgspec.Struct, frozen=True, omit_defaults=True):
    """One check of a self-test; *seen* tells of one that is not ``ok``, in English."""

    part: Token
    name: Token
    code: Annotated[str, Meta(pattern=r"^[A-Z]{3}-[0-9]{3}$(?!\n)")]
    result: Literal["ok", "warn", "fail", "skip"]
    seen: Annotated[str, Meta(max_length=120)] | None = None


class SelfTest(Payload, frozen=True, kw_only=True):
    """A self-test that a back office asked for: can this window open?"""

    kind = "system"
    type = "selftest"
    answer: Literal["usable", "partial", "closed"]
    level: Literal["internal", "external"]
    version: Annotated[str, Meta(max_length=64)]
    took_s: Annotated[float, Meta(ge=0)]
    failed: Annotated[int, Meta(ge=0)]
    warned: Annotated[int, Meta(ge=0)]
    checks: Annotated[
        tuple[SelfTestCheck, ...],
        Meta(max_length=MOST_CHECKS, description="what is not ok comes first; what is too many is left out"),
    ]


class RunSelfTest(Params, frozen=True, kw_only=True):
    """Test the window: ``internal`` disturbs nobody, ``external`` may move paper, beep and light a lamp."""

    kind = "window"
    command = "selftest"
    tier = "test"
    level: Literal["internal", "external"] = "internal"
    devices: Annotated[
        tuple[Token, ...], Meta(max_length=64, description="only these; none: all, and the window itself")
    ] = ()


class Audit(Payload, frozen=True, kw_only=True):
    """A signed request of the tier ``act`` was accepted, or ``count`` requests were forbidden; never their content."""

    kind = "system"
    type = "audit"
    outcome: Literal["accepted", "refused"]
    requester: Annotated[Token, Meta(description="only of a request whose signature is good")] | None = None
    request: RequestId | None = None
    device: Token | None = None
    command: Token | None = None
    code: Annotated[str, Meta(description="why they were refused; at most one event a minute for each code")] | None = (
        None
    )
    count: Annotated[int, Meta(ge=1, description="since the last event with this code")] | None = None
