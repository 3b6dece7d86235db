"""Bar codes and QR codes, from a scan gun."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge.events.base import Payload


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
