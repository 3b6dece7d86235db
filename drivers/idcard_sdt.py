"""Resident-ID-card readers that speak the SDT protocol (SAM_V, SAM_A; GA/T 467).

What it is
    A reader with a security module on a serial line, a USB-serial bridge or USB itself. It reads resident ID
    cards, residence permits of Hong Kong, Macau and Taiwan residents, and both foreigner permanent residence cards.

Config example
    ::

        [[device]]
        name = "id-1"
        driver = "idcard_sdt"
        address = "usb:0400:c35a"        # or "serial:///dev/hall-edge/id-card"
        read = "fields"                  # presence | verify (default) | fields | full
        fields = ["name", "number"]

    ``presence`` reads nothing. ``verify`` announces a card and reads it only for a ``read`` command, which
    learns yes or no. ``fields`` and ``full`` (needs ``purpose``) read a card as soon as it lies there; with
    ``auto = false`` only for a ``read`` command. What was not asked for is dropped before anything leaves.

What it needs
    Read and write access to the serial node (group ``dialout``, or the shipped udev rule). The rate is found
    by itself: the one of the address, else 115200 down to 9600 (``detect_baud``). On USB: access to the device
    (udev rule), the packages pyusb and libusb. Readers with two pairs of bulk endpoints take head and body of a
    frame apart, those with one pair take whole frames; which it is, is seen from the endpoints.

How a card's leaving is seen
    After a read, the additional addresses are asked for (30 03): only a reader whose card still lies there
    answers, so that a card changed between two looks is noticed. Where nothing may be read, or where a reader
    does not know 30 03, *find* tells: two misses are a removal, and a change quicker than that is not seen.

What its simulator does not do
    RF timing, genuine encryption, WLT pictures (the photo is a pattern), HID readers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterator

from msgspec.structs import replace

from drivers import _sdt_card as cards
from drivers import _sdt_frame as frames
from drivers import _sdt_record as records
from drivers import _sdt_sam as sam
from drivers import _sdt_status as status
from drivers._sdt_ask import Ask
from drivers._sdt_card import Lying, Refused, Taken
from drivers._sdt_selftest import Trial
from drivers._sdt_settings import IdCardSettings, Want, armed, standing
from drivers._serial_ports import NEEDS, unsure_offer
from drivers._substitute_sdt import SdtSubstitute
from edge.driver import DeviceInfo, Driver, Finding, Job, Port
from edge.errors import DeviceLost, Unsupported
from edge.events import Params, Payload, Presented, Read, ReadCard, Rejected, Removed
from edge.links import Link, SerialLine, UsbLine
from edge.links.address import BYTE_STREAMS, USB, USBIP
from edge.needs import Match
from edge.plugging.plugged import Offer, Plugged, address_of
from edge.selftest.model import Level

CODES = status.CODES
RATES = (115200, 57600, 38400, 19200, 9600)
CHECK_S = 0.1
SAM_V_TYPE = "05."
USB_READER = "0400:c35a"
USB_LINE = UsbLine(frames.HEADER_BYTES, frames.body_bytes)

_Events = Iterator[Payload]
_Look = Generator[Payload, None, bool]


class SdtIdCardDriver(Driver):
    """A reader and the card that lies on it."""

    kind = "id-card"
    settings_type = IdCardSettings
    substitute = SdtSubstitute
    addresses = (*BYTE_STREAMS, USB, USBIP)
    needs = replace(
        NEEDS,
        devices=(*NEEDS.devices, "char-usb_device"),
        matches=(*NEEDS.matches, Match(subsystem="usb", usb=(USB_READER,))),
    )
    commands = (ReadCard,)
    silent = status.SILENT
    poll_limit_s = 26.0  # a reader that falls silent in the middle of a card, retried
    proof_s = 15.0

    def __init__(self, settings: IdCardSettings, port: Port) -> None:
        super().__init__(settings, port)
        self._own = settings
        self._standing = standing(settings)
        self._link: Link | None = None
        self._sam: sam.Sam | None = None
        self._card: Lying | None = None

    @classmethod
    def fits(cls, found: Plugged) -> Offer | None:
        """Be sure of the ids that GA/T 467 readers have on USB; behind a serial port there may be one."""
        if found.subsystem == "usb" and found.usb_id == USB_READER:
            return Offer(address_of(found, "usb"), found.title)
        return unsure_offer(found)

    @staticmethod
    def today() -> dt.date:
        """Return the day by which cards are valid: the local one."""
        return dt.date.today()  # noqa: DTZ011 - the calendar on the hall's wall is meant

    def open(self) -> DeviceInfo:
        self.close()
        on_usb = self.port.address.scheme in (USB.scheme, USBIP.scheme)
        self._link = self.port.open(USB_LINE if on_usb else SerialLine(baud=RATES[0]))
        try:
            return self._identify(self._link)
        except BaseException:
            self.close()
            raise

    def poll(self, wait_s: float) -> _Events:
        yield from self._look(self._standing, Ask())
        self._rest(min(wait_s, self._own.find_interval_s))

    def execute(self, command: Params, job: Job) -> _Events:
        if not isinstance(command, ReadCard):
            raise Unsupported(f"an ID-card reader does not know {command.command}")
        want = armed(self._own, command)
        ask = Ask(job)
        while True:
            ask.check()
            if (yield from self._look(want, ask)):
                return
            ask.say("lay-card")
            end = self.port.monotonic() + self._own.find_interval_s
            while (left := end - self.port.monotonic()) > 0:
                ask.check()
                self._rest(min(left, CHECK_S))

    def selftest(self, level: Level, job: Job) -> Iterator[Finding]:
        _, reader = self._opened()
        trial = Trial(
            reader, self._rest, level, job, self.today(),
            reads=self._own.read != "presence", lenient=self._own.lenient,
        )  # fmt: skip
        try:
            yield from trial.findings(occupied=self._card is not None)
        finally:
            if trial.left_there:
                self._card = Lying(done=True)

    def close(self) -> None:
        link, self._link, self._sam, self._card = self._link, None, None, None
        if link is not None:
            link.close()

    def _identify(self, link: Link) -> DeviceInfo:
        """Find the rate, then ask who it is."""
        reader = sam.Sam(link, self.port.monotonic)
        answer = sam.detect(reader, link, RATES[1:] if self._own.detect_baud else ())
        if answer.status != status.OK:
            self.port.log("the reader's self-test is not right; going on", status=f"{answer.status:02x}")
        if self._own.max_rf is not None:
            self._set_max_rf(reader, self._own.max_rf)
        answer = reader.insist(sam.SAM_ID)
        self._sam = reader
        if answer.status != status.OK:
            self.port.log("the reader does not tell its SAM id; going on", status=f"{answer.status:02x}")
            return DeviceInfo()
        reader.has_id = True
        serial = records.sam_id(answer.data)
        model = "SAM_V" if serial.startswith(SAM_V_TYPE) else f"SAM {serial[:5]}"
        return DeviceInfo(model=model, serial=serial)

    def _set_max_rf(self, reader: sam.Sam, size: int) -> None:
        try:
            taken = reader.ask(sam.set_max_rf(size)).status == status.OK
        except (sam.SilentError, sam.GarbledError):
            taken = False
        if not taken:
            self.port.log("the reader does not take max_rf; going on", max_rf=size)

    def _rest(self, wait_s: float) -> None:
        """Wait; a command ends it at once, stray bytes do not."""
        link, _ = self._opened()
        end = self.port.monotonic() + wait_s
        while (left := end - self.port.monotonic()) > 0 and link.idle(left):
            link.discard()

    def _opened(self) -> tuple[Link, sam.Sam]:
        if self._link is None or self._sam is None:
            raise DeviceLost("the reader is not open")
        return self._link, self._sam

    def _look(self, want: Want | None, ask: Ask) -> _Look:
        """Make one pass: has the card left, is there one, is it wanted? Return whether it was served."""
        _, reader = self._opened()
        if self._card is not None and self._card.done:
            seen = cards.look(reader, self._card, self._peek if self._own.lenient else None)
            if seen == "same":
                return False
            self._card = None
            yield Removed()
            if seen == "gone":
                return False
        if reader.find():
            yield from self._announce(ask)
            return (yield from self._read(want, ask)) if want is not None else False
        if want is not None and self._own.lenient:
            outcome = self._peek(fingerprints=want.fingerprints)
            if outcome is not None:
                yield from self._announce(ask)
                return (yield from self._report(want, outcome))
        if self._card is not None and cards.miss(self._card) == "gone":
            self._card = None
            yield Removed()
        return False

    def _announce(self, ask: Ask) -> _Events:
        if self._card is None:
            self._card = Lying()
            yield Presented()
        self._card.misses = 0
        ask.say("card-found")

    def _read(self, want: Want, ask: Ask) -> _Look:
        _, reader = self._opened()
        ask.say("reading")
        outcome = cards.take(reader, ask.check, fingerprints=want.fingerprints, lenient=self._own.lenient, sure=True)
        return (yield from self._report(want, outcome)) if outcome is not None else False

    def _peek(self, *, fingerprints: bool = False) -> Taken | Refused | None:
        """Read without asking whether there is a card."""
        _, reader = self._opened()
        return cards.take(reader, Ask().check, fingerprints=fingerprints, lenient=True, sure=False)

    def _report(self, want: Want, outcome: Taken | Refused) -> _Look:
        """Yield what became of a card; one that was lifted too early does not serve the want."""
        self._card = Lying(done=True)
        event = self._event(want, outcome, self._card)
        lifted = isinstance(event, Rejected) and event.reason == "removed-too-early"
        if lifted:
            self._card = None
        yield event
        if lifted:
            yield Removed()
        return not lifted

    def _event(self, want: Want, outcome: Taken | Refused, card: Lying) -> Read | Rejected:
        """Turn a whole record into what was asked for, or say why there is none: never a part of one."""
        if isinstance(outcome, Refused):
            card.by_probe = outcome.status is None  # damaged answer: the reader may hold the card for read
            return _rejected(outcome)
        card.by_probe, card.mark = True, outcome.mark()
        addresses = self._stay(card, wanted=want.addresses)
        if isinstance(addresses, Refused):
            return _rejected(addresses)
        try:
            sections = records.split(outcome.data, with_fingerprints=outcome.with_fingerprints)
            record = records.parse(sections, self.today(), addresses)
        except records.UnreadableError as error:
            return Rejected(reason=error.reason, advice="use-other-document")
        number, person, verified = record.number, None, None
        if want.number is not None:
            verified = records.same_number(number, want.number)
        if want.mode == "full":
            person = record.holder
        elif want.mode == "fields":
            person = records.pick(record.holder, want.fields)
        return Read(
            mode=want.mode,
            document=record.document,
            warnings=record.warnings,
            holder=self.port.digest(records.normal_number(number)),
            verified=verified,
            purpose=want.purpose,
            person=person,
        )

    def _stay(self, card: Lying, *, wanted: bool) -> tuple[str, ...] | Refused | None:
        """Send 30 03 right after a read: can it tell that the card lies there? Return what is *wanted*."""
        _, reader = self._opened()
        answer = reader.probe()
        if answer is None and wanted:
            answer = reader.probe()
        if answer is None:
            return Refused("read-failed") if wanted else None
        card.proved = answer.status in {status.OK, status.EMPTY}
        if not wanted or answer.status in {status.UNKNOWN_COMMAND, status.NOT_PERMITTED}:
            return None
        if not card.proved:
            return Refused("removed-too-early", status=answer.status)
        return records.addresses(answer.data)


def _rejected(refused: Refused) -> Rejected:
    shown = None if refused.status is None else f"{refused.status:02x}"
    return Rejected(reason=refused.reason, advice=refused.advice, status=shown)
