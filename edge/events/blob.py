"""Events that bring a picture or a document. The bytes travel apart from the event, as a blob."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.events.base import Payload

BlobId = Annotated[str, Meta(pattern=r"^[0-9a-f-]{36}$(?!\n)", description="UUID; names the topics blob/{blob}/…")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
MediaType = Literal["image/jpeg", "image/png", "image/tiff", "application/pdf"]
Content = Literal["personal", "public"]


class BlobRef(msgspec.Struct, frozen=True, kw_only=True):
    """Names a blob; ``size`` and ``sha256`` are of the plain bytes."""

    id: BlobId
    media_type: MediaType
    size: Annotated[int, Meta(ge=1, description="bytes")]
    sha256: Sha256


class WithBlob(Payload, frozen=True, kw_only=True):
    """Base of events with a blob. The driver gives ``blob``; the core seals it and adds ``blob_key``."""

    sealed_fields = frozenset({"blob_key"})

    content: Content = "personal"
    blob: BlobRef
    blob_key: Annotated[bytes, Meta(min_length=32, max_length=32, description="A256GCM key of the parts")] | None = None

    def hidden(self) -> frozenset[str]:
        """Return nothing for public content such as notices of the hall."""
        return super().hidden() if self.content == "personal" else frozenset()

    def sensitivity(self) -> int:
        """Return 3 (sensitive): a page can be anything, an identity card too; 1 for public content."""
        return 3 if self.content == "personal" else 1
