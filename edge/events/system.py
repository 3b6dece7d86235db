"""What the daemon says about its own events."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.events.base import Payload, RequestId, Token


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
