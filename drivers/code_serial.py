"""Bar code and QR code scanners (扫码枪) on a serial line or a USB virtual COM port.

What it is
    A gun that sends what it has read, with a terminator behind it. It is never asked and never answered.

Configuration::

    [[device]]
    name = "gun-1"
    driver = "code_serial"
    address = "serial:///dev/hall-edge/scanner"

    Optional, with their defaults:
    terminator = "auto"      # cr, lf, crlf, tab, none; auto = any of CR, LF, CR LF
    idle_gap_s = 0.08        # terminator = "none": a code ends with such a silence
    encoding = "auto"        # utf-8, gb18030, latin-1; auto = the first of these that fits
    content = "personal"     # "public" only where every code is, as on queue tickets: nothing is sealed then
    duplicate_s = 1.5        # a code held before the gun is one event; 0 = every reading is one
    prefix = "", suffix = "" # text around every code that the gun adds; taken off where it is there
    max_bytes = 7089         # a longer code is dropped (the most that a QR code holds)
    baud = 9600              # what the address says (?baud=) wins

What it needs
    Read and write access to the serial node (group dialout, or the shipped udev rule). Chinese text needs a
    gun in serial mode: a keyboard cannot send it.

What its simulator does not do
    Trigger on command, read configuration codes, beep.

A TAB is data, not an end, under ``auto``: forms in QR codes separate their fields with it. A code with line
breaks inside is cut under ``auto``, ``cr`` and ``lf``; for such codes set the gun to no terminator and use
``none``, or to TAB and use ``tab``.
A code that breaks off (0.2 s of silence before its terminator) is dropped, never published in part.
A gun is silent until it reads: it counts as healthy as long as its port is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta
from msgspec.structs import replace

from drivers._code_cutter import BROKEN_OFF, TOO_LONG, CodeCutter, RecentCodes, Terminator, silence_s
from drivers._code_text import AIM_BYTES, SYMBOLOGIES, Encoding, decode
from drivers._selftest import patience
from drivers._serial_ports import NEEDS, unsure_offer
from drivers._substitute_codes import CodeSubstitute
from edge.driver import DeviceInfo, Driver, Finding, Job, Port, Settings
from edge.errors import DeviceLost
from edge.events import Payload, Scanned
from edge.links import Link, SerialLine
from edge.needs import Match
from edge.plugging.plugged import Offer, Plugged, address_of
from edge.selftest.model import Level

CODES: dict[str, str] = {
    BROKEN_OFF: "code without its terminator dropped",
    TOO_LONG: "code longer than max_bytes dropped",
    "SCN-201": "scan any code",
    "SCN-203": "the scan gun reads codes",
    "SCN-205": "no code was scanned",
}

MAKERS = {0x0536, 0x05F9, 0x080C, 0x0C2E, 0x1EAB}
"""Vendor ids of Hand Held Products, PSC and Datalogic, Metrologic (Honeywell), Newland: they make nothing else."""
MIXED_MAKERS = {0x05E0}
"""Symbol (Zebra) makes radios too."""
OWN_PORTS = tuple(f"{maker:04x}:*" for maker in sorted(MAKERS | MIXED_MAKERS))
CDC = 2
LOG_EVERY_S = 10.0


class CodeSettings(Settings, frozen=True, kw_only=True):
    """Keys of the ``[[device]]`` table."""

    terminator: Terminator = "auto"
    idle_gap_s: Annotated[float, Meta(gt=0, le=10)] = 0.08
    encoding: Literal["auto"] | Encoding = "auto"
    content: Literal["personal", "public"] = "personal"
    duplicate_s: Annotated[float, Meta(ge=0, le=3600)] = 1.5
    prefix: str = ""
    suffix: str = ""
    max_bytes: Annotated[int, Meta(ge=1, le=7089)] = 7089
    baud: Annotated[int, Meta(ge=50, le=4_000_000)] = 9600

    def needs_sealing(self) -> bool:
        """Return whether what is scanned may say something about a person."""
        return self.content == "personal"


class SerialScanner(Driver):
    """A scan gun that sends bytes. ``poll`` is the hot path: one wait, one read, all codes in one list."""

    kind = "code-scanner"
    settings_type = CodeSettings
    substitute = CodeSubstitute
    needs = replace(NEEDS, matches=(*NEEDS.matches, Match(subsystem="tty", usb=OWN_PORTS)))

    def __init__(self, settings: CodeSettings, port: Port) -> None:
        super().__init__(settings, port)
        self.settings: CodeSettings = settings
        self.counts: Counter[str] = Counter()
        self._prefix, self._suffix = settings.prefix.encode(), settings.suffix.encode()
        around = len(self._prefix) + AIM_BYTES + len(self._suffix)
        self._cutter = CodeCutter(settings.terminator, settings.max_bytes + around, self._dropped)
        self._silence_s = silence_s(settings.terminator, settings.idle_gap_s)
        self._recent = RecentCodes(settings.duplicate_s)
        self._link: Link | None = None
        self._silent_at = 0.0
        self._logged: dict[str, tuple[float, int]] = {}

    @classmethod
    def fits(cls, found: Plugged) -> Offer | None:
        """Be sure of virtual COM ports of makers of guns; behind another serial port there may be one."""
        maker = found.vendor_id in MAKERS | MIXED_MAKERS
        if found.subsystem == "tty" and maker and any(kind == CDC for kind, _, _ in found.interfaces):
            return Offer(address_of(found, "serial"), found.title, sure=found.vendor_id in MAKERS)
        return unsure_offer(found)

    def open(self) -> DeviceInfo:
        """Open the line; a gun tells nothing about itself."""
        self._link = self.port.open(SerialLine(baud=self.settings.baud))
        self._cutter.reset()
        return DeviceInfo()

    def poll(self, wait_s: float) -> list[Payload]:
        """Wait for bytes, read once, and return all codes that they complete."""
        link, cutter = self._link, self._cutter
        if link is None:
            raise DeviceLost("the scanner is not open")
        if cutter.pending:
            link.idle(max(0.0, min(wait_s, self._silent_at - self.port.monotonic())))
        elif not link.idle(wait_s):
            return []
        data = link.read(0)
        now = self.port.monotonic()
        if data:
            self._silent_at = now + self._silence_s
            codes = cutter.feed(data)
        else:
            codes = cutter.silence() if cutter.pending and now >= self._silent_at else []
        return [event for code in codes if (event := self._event(code, now)) is not None]

    def selftest(self, level: Level, job: Job) -> Iterator[Finding]:
        """Have a person scan a code; of that only its length is told."""
        if level != "interactive":
            return  # it is silent until it reads
        job.report("SCN-201")
        for wait_s in patience(job):
            for event in self.poll(wait_s):
                if isinstance(event, Scanned):
                    yield Finding(code="SCN-203", seen=f"a code of {event.length_bytes} bytes was scanned")
                    return
        yield Finding(code="SCN-205", result="fail")

    def close(self) -> None:
        """Let go of the line."""
        link, self._link = self._link, None
        if link is not None:
            link.close()
        self._cutter.reset()

    def _event(self, code: bytes, now: float) -> Scanned | None:
        """Return the event for *code*, or nothing for one that is empty or was just there."""
        if self._recent.has(code, now):
            self.counts["duplicates"] += 1
            return None
        settings = self.settings
        if self._prefix:
            code = code.removeprefix(self._prefix)
        if self._suffix:
            code = code.removesuffix(self._suffix)
        aim, symbology = SYMBOLOGIES.get(code[:AIM_BYTES], (None, None))
        if aim is not None:
            code = code[AIM_BYTES:]
        if not code:
            return None
        text, encoding, raw = decode(code, settings.encoding)
        return Scanned(
            content=settings.content,
            symbology=symbology,
            aim=aim,
            length_bytes=len(code),
            encoding=encoding,
            text=text,
            raw=raw,
        )

    def _dropped(self, code: str, length_bytes: int) -> None:
        """Count, and log at most one line every ``LOG_EVERY_S`` for each code. Never the content."""
        self.counts[CODES[code]] += 1
        count, now = self.counts[CODES[code]], self.port.monotonic()
        logged_at, logged = self._logged.get(code, (-LOG_EVERY_S, 0))
        if now - logged_at >= LOG_EVERY_S:
            self.port.log(CODES[code], code=code, bytes=length_bytes, count=count - logged)
            self._logged[code] = (now, count)
