"""Ratings: facts from an evaluation pad's own bytes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.events.base import Milliseconds, Params, Payload, RequestId, Token

Level = Annotated[int, Meta(ge=1, le=5, description="5 非常满意, 4 满意, 3 基本满意, 2 不满意, 1 非常不满意")]


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


class Evaluate(Params, frozen=True, kw_only=True):
    """Ask the citizen for a rating: opens a session that ends with one event."""

    kind = "evaluation-pad"
    command = "evaluate"
    tier = "act"
    timeout_s: Annotated[int, Meta(ge=3, le=180)] = 30
    form_id: Token | None = None
    form_version: Token | None = None
    staff: Annotated[str, Meta(pattern=r"^[0-9]{1,6}$(?!\n)", description="number shown on the pad")] | None = None
