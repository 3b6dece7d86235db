"""The vocabulary: every kind, event, field and command that crosses the broker, one module a kind.

JSON Schemas and the AsyncAPI document are generated from here (``edge.contract``). Changes within ``v1`` are
additive. A field listed in ``sealed_fields`` travels only in the sealed view of its event; everything else is
public, so it must never say who somebody is.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge.events.base import Coded, Day, Digest, Milliseconds, Params, Payload, Personal, RequestId, Token, revealed
from edge.events.blob import BlobId, BlobRef, Content, MediaType, Sha256, WithBlob
from edge.events.code_scanner import Scanned
from edge.events.document_camera import (
    Capture,
    Captured,
    CaptureWarning,
    CodeOnPage,
    LostPicture,
    PictureFlaw,
    Point,
    Ratio,
)
from edge.events.envelope import Envelope
from edge.events.evaluation_pad import Declined, Evaluate, Interrupted, Level, Rated, RatingFlag, Reason, TimedOut
from edge.events.id_card import (
    Advice,
    CardHolder,
    CardRejection,
    CardWarning,
    DocumentType,
    PersonField,
    Presented,
    Read,
    ReadCard,
    ReadMode,
    Rejected,
    Removed,
)
from edge.events.scanner import (
    ColorMode,
    Count,
    Number,
    Page,
    Scan,
    ScanCompleted,
    ScanStarted,
    ScanStopped,
    Side,
    Source,
    StopReason,
)
from edge.events.smart_card import (
    CardInserted,
    CardKind,
    CardRead,
    CardRejected,
    CardRemoved,
    Hex,
    Interface,
    ReadSmartCard,
    SmartCardField,
    SmartCardRejection,
    SmartCardWarning,
    SocialSecurityCard,
    Transmit,
    Transmitted,
)
from edge.events.system import Audit, Quarantined, RunSelfTest, SelfTest, SelfTestCheck, StandsFor, Tombstone

__all__ = [
    "BY_TYPE",
    "COMMANDS",
    "EVENTS",
    "KINDS",
    "WINDOW_COMMANDS",
    "Advice",
    "Audit",
    "BlobId",
    "BlobRef",
    "Capture",
    "CaptureWarning",
    "Captured",
    "CardHolder",
    "CardInserted",
    "CardKind",
    "CardRead",
    "CardRejected",
    "CardRejection",
    "CardRemoved",
    "CardWarning",
    "CodeOnPage",
    "Coded",
    "ColorMode",
    "Content",
    "Count",
    "Day",
    "Declined",
    "Digest",
    "DocumentType",
    "Envelope",
    "Evaluate",
    "Hex",
    "Interface",
    "Interrupted",
    "Level",
    "LostPicture",
    "MediaType",
    "Milliseconds",
    "Number",
    "Page",
    "Params",
    "Payload",
    "PersonField",
    "Personal",
    "PictureFlaw",
    "Point",
    "Presented",
    "Quarantined",
    "Rated",
    "RatingFlag",
    "Ratio",
    "Read",
    "ReadCard",
    "ReadMode",
    "ReadSmartCard",
    "Reason",
    "Rejected",
    "Removed",
    "RequestId",
    "RunSelfTest",
    "Scan",
    "ScanCompleted",
    "ScanStarted",
    "ScanStopped",
    "Scanned",
    "SelfTest",
    "SelfTestCheck",
    "Sha256",
    "Side",
    "SmartCardField",
    "SmartCardRejection",
    "SmartCardWarning",
    "SocialSecurityCard",
    "Source",
    "StandsFor",
    "StopReason",
    "TimedOut",
    "Token",
    "Tombstone",
    "Transmit",
    "Transmitted",
    "WithBlob",
    "revealed",
]

EVENTS: tuple[type[Payload], ...] = (
    Presented, Read, Removed, Rejected,
    CardInserted, CardRead, CardRemoved, CardRejected, Transmitted,
    Captured, LostPicture,
    Scanned,
    ScanStarted, Page, ScanCompleted, ScanStopped,
    Rated, Declined, TimedOut, Interrupted,
    Tombstone, Quarantined, Audit, SelfTest,
)  # fmt: skip
COMMANDS: tuple[type[Params], ...] = (ReadCard, ReadSmartCard, Transmit, Capture, Scan, Evaluate)
WINDOW_COMMANDS: tuple[type[Params], ...] = (RunSelfTest,)
"""Commands to the daemon itself that take their time; ``case-open`` and ``case-close`` are done at once."""
KINDS: tuple[str, ...] = tuple(dict.fromkeys(event.kind for event in EVENTS if event.kind != "system"))
BY_TYPE: Mapping[str, type[Payload]] = {f"hall.{event.kind}.{event.type}.v1": event for event in EVENTS}
