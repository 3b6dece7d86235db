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

    def unpack(self, data: bytes) -> bytes:
        """Return the pad's bytes in what was read at once."""

    def pack(self, frame: bytes) -> bytes:
        """Return what to write for *frame*."""

    def reset(self) -> None:
        """Forget what has arrived by halves."""


class SerialCarrier:
    """A line of bytes."""

    def __init__(self, profile: Profile) -> None:
        line = profile.line
        self.line = SerialLine(line.baud, line.data_bits, line.parity, line.stop_bits)

    def unpack(self, data: bytes) -> bytes:
        return data

    def pack(self, frame: bytes) -> bytes:
        return frame

    def reset(self) -> None: ...


class KeysCarrier:
    """A keyboard: every press is a character of ASCII, Enter is 0D. Nothing can be sent."""

    line = HidLine("keys")

    def __init__(self) -> None:
        self._decoder = KeyDecoder()

    def unpack(self, data: bytes) -> bytes:
        return self._decoder.feed(data)

    def pack(self, frame: bytes) -> bytes:
        del frame
        return b""

    def reset(self) -> None:
        """Keep which shift keys are down: they are no part of a key that counts."""


class ReportsCarrier:
    """Reports with a number and of a fixed size. What is shorter than a report is filled up with zeros."""

    line = HidLine("reports")

    def __init__(self, report: ReportSection) -> None:
        self._report = report

    def unpack(self, data: bytes) -> bytes:
        """Return the report without its number; nothing when it is another one."""
        if not self._report.id:
            return data
        return data[1:] if data[0] == self._report.id else b""

    def pack(self, frame: bytes) -> bytes:
        return bytes((self._report.number_out,)) + frame.ljust(self._report.size_out, b"\0")

    def reset(self) -> None: ...


def carrier(profile: Profile) -> Carrier:
    """Return what carries the frames of such a pad."""
    if profile.link == "keys":
        return KeysCarrier()
    if profile.link == "reports" and profile.report is not None:
        return ReportsCarrier(profile.report)
    return SerialCarrier(profile)
