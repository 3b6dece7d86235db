"""Document scanners: one event a page, as it arrives; pages already scanned are never thrown away."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge.events.base import Params, Payload, RequestId
from edge.events.blob import WithBlob

Source = Literal["platen", "feeder"]
ColorMode = Literal["color", "gray", "mono"]
Side = Literal["front", "back"]
StopReason = Literal[
    "cancelled", "timed-out", "jam", "feeder-empty", "cover-open", "double-feed", "device-error", "device-lost",
]  # fmt: skip
Count = Annotated[int, Meta(ge=0)]
Number = Annotated[int, Meta(ge=1)]


class ScanStarted(Payload, frozen=True, kw_only=True):
    """The device has taken the job, with these settings after clamping to what it can."""

    kind = "scanner"
    type = "scan-started"
    job: RequestId
    source: Source
    duplex: bool = False
    color: ColorMode
    dpi: Number


class Page(WithBlob, frozen=True, kw_only=True):
    """One side of one sheet. ``number`` counts the pages of the job, ``sheet`` its sheets of paper."""

    kind = "scanner"
    type = "page"
    job: RequestId
    number: Number
    sheet: Number
    side: Side = "front"
    width: Annotated[int, Meta(ge=1, description="pixels")]
    height: Annotated[int, Meta(ge=1)]
    dpi: Number
    color: ColorMode
    blank: bool = False


class ScanCompleted(Payload, frozen=True, kw_only=True):
    """The job ended well; ``dropped`` blank pages were left out as asked."""

    kind = "scanner"
    type = "scan-completed"
    job: RequestId
    pages: Count
    dropped: Count = 0


class ScanStopped(Payload, frozen=True, kw_only=True):
    """The job ended early; the first ``pages`` pages are good and were published."""

    kind = "scanner"
    type = "scan-stopped"
    job: RequestId
    reason: StopReason
    pages: Count
    dropped: Count = 0


class Scan(Params, frozen=True, kw_only=True):
    """Scan what lies on the platen or in the feeder."""

    kind = "scanner"
    command = "scan"
    tier = "act"
    source: Literal["auto", "platen", "feeder"] = "auto"
    """``auto``: the feeder when paper lies in it, else the platen."""
    duplex: bool = False
    color: ColorMode = "color"
    dpi: Annotated[int, Meta(ge=75, le=1200)] = 300
    size: Literal["a3", "a4", "a5", "letter", "legal", "id-card", "max"] = "a4"
    drop_blank: bool = False
    max_pages: Annotated[int, Meta(ge=1, le=5000)] = 5000
