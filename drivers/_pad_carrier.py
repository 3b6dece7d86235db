"""By what a pad's frames travel: a serial line as they are, or a HID device as key strokes or reports. No I/O."""

from __future__ import annotations

from typing import Protocol

from drivers._hid_keys import KeyDecoder
from drivers._pad_profile import Profile, ReportSection
from edge.links import HidLine, Line, SerialLine


class Carrier(Protocol):
    """Turns what a link reads into the pad's bytes, and the pad's frames into what a link writes."""

    @property
    def line(self) -> Line:
        """What to ask of the link."""

    def unpack(self, data: bytes) -> list[bytes]:
        """Return the pad's bytes in what was read, in the pieces in which the pad sent them."""

    def pack(self, frame: bytes) -> bytes:
        """Return what to write for *frame*."""

    def reset(self) -> None:
        """Forget what has arrived by halves."""


class SerialCarrier:
    """A line of bytes."""

    def __init__(self, profile: Profile) -> None:
        line = profile.line
        self.line = SerialLine(line.baud, line.data_bits, line.parity, line.stop_bits)

    def unpack(self, data: bytes) -> list[bytes]:
        return [data]

    def pack(self, frame: bytes) -> bytes:
        return frame

    def reset(self) -> None: ...


class KeysCarrier:
    """A keyboard: every press is a character of ASCII, Enter is 0D. Nothing can be sent."""

    line = HidLine("keys")

    def __init__(self) -> None:
        self._decoder = KeyDecoder()

    def unpack(self, data: bytes) -> list[bytes]:
        return [typed] if (typed := self._decoder.feed(data)) else []

    def pack(self, frame: bytes) -> bytes:
        del frame
        return b""

    def reset(self) -> None:
        """Keep which shift keys are down: they are no part of a key that counts."""


class ReportsCarrier:
    """Reports with a number and of a fixed size. What is sent and shorter is filled up with zeros.

    The kernel gives one report a read; a recording may give pieces, which are put together. A whole report in one
    read is always a report, whatever was left of another.
    """

    line = HidLine("reports")

    def __init__(self, report: ReportSection) -> None:
        self._report = report
        self._head = bytes((report.id,)) if report.id else b""
        self._size = len(self._head) + report.bytes
        self._rest = b""

    def unpack(self, data: bytes) -> list[bytes]:
        """Return whole reports without their number; one with another number is left out."""
        if len(data) == self._size and data.startswith(self._head):
            self._rest = b""
        self._rest += data
        if not self._rest.startswith(self._head):
            self._rest = b""
        whole: list[bytes] = []
        while len(self._rest) >= self._size and self._rest.startswith(self._head):
            whole.append(self._rest[len(self._head) : self._size])
            self._rest = self._rest[self._size :]
        return whole

    def pack(self, frame: bytes) -> bytes:
        return bytes((self._report.number_out,)) + frame.ljust(self._report.size_out, b"\0")

    def reset(self) -> None:
        self._rest = b""


def carrier(profile: Profile) -> Carrier:
    """Return what carries the frames of such a pad."""
    if profile.link == "keys":
        return KeysCarrier()
    if profile.link == "reports" and profile.report is not None:
        return ReportsCarrier(profile.report)
    return SerialCarrier(profile)
