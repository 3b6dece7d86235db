"""What the ports of driver tests have in common: everything that a driver of a byte stream does not use."""

from __future__ import annotations

from contextlib import AbstractContextManager

from edge.events import BlobRef, MediaType
from edge.links.address import Address


class BytePort:
    """Base of a test's own port; whatever the test does not override must not be used."""

    address = Address("serial", "/nowhere", {})

    def idle(self, wait_s: float) -> bool:
        raise AssertionError(f"a driver with a link waits {wait_s} s at its port")

    def proved(self) -> None:
        raise AssertionError("a driver with a link proves its device's life itself")

    def slow(self, limit_s: float) -> AbstractContextManager[None]:
        raise AssertionError(f"a byte device needs no {limit_s} s for a call")

    def blob(self, data: object, media_type: MediaType) -> BlobRef:
        raise AssertionError(f"a byte device brings {media_type} of {type(data).__name__}")
