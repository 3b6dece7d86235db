"""The envelope of every event: CloudEvents 1.0."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta


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
