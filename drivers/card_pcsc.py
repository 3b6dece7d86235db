"""Smart cards in any reader that PC/SC knows: social-security cards, storage cards, and what belongs elsewhere.

What it is
    A reader behind pcscd (CCID by libccid, or a maker's own driver). Cards are announced as soon as pcscd tells;
    social-security cards (社保卡) are read as far as their issuer allows without keys. A PRC ID card is recognised
    and sent to the ID-card reader. No PIN is ever sent.

Config example
    ::

        [[device]]
        name = "card-1"
        driver = "card_pcsc"
        address = "pcsc:"                # the only reader; or pcsc:NAME, a part of its name, and ?slot=1
        read = "fields"                  # presence (default) | fields | full
        fields = ["name", "number"]

    ``presence`` says what kind of card it is. ``fields`` and ``full`` (needs ``purpose``) read its holder, as soon
    as it is there; with ``auto = false`` only for a ``read`` command. ``transmit_prefixes`` lists the APDUs that a
    back office may send; without it ``transmit`` is off.

What it needs
    The packages pcscd, libpcsclite1 and the reader's driver (libccid), python3-pyscard, and polkit's leave for the
    daemon's user (both actions of pcsc-lite). It runs in a process of its own.

What its simulator does not do
    T=1 blocks, CCID, PSAM and any cryptography; cards that answer as no source says they do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

from drivers import _card_address as addresses
from drivers import _card_pcsc as pcsc
from drivers import _card_status as status
from drivers._card_apdu import Talk, check_apdu
from drivers._card_atr import parse_atr
from drivers._card_pcsc import ReaderName, Service
from drivers._card_reading import Reading, read_card
from drivers._card_selftest import findings
from drivers._card_settings import CardSettings, Want, standing, wanted
from drivers._card_slot import SLICE_S, Ask, Inside, Slot, Work
from edge.driver import DeviceInfo, Driver, Finding, Job, Port
from edge.errors import DeviceError, DeviceLost, Unsupported
from edge.events import CardRead, CardRejected, Params, Payload, ReadSmartCard, Transmit, Transmitted
from edge.links.address import Address
from edge.needs import Match, Needs
from edge.plugging.plugged import Offer, Plugged
from edge.selftest.model import Level

CODES = status.CODES
OPEN_WAIT_S = 1.5
"""How long opening waits for a service that is starting, or for a reader that it is about to find."""
RETURN_S = 1.0
"""How long a service that has ended may take to be there again, with the reader, before that is told."""
CCID_CLASS = 0x0B
NEEDS = Needs(
    matches=(Match(subsystem="usb", properties={"ID_USB_INTERFACES": f"*:{CCID_CLASS:02x}????:*"}, taken=False),),
    services=("pcscd",),
)
"""The reader itself is opened by the service; it only has to stay awake."""
SIMULATED = ("hall-edge simulated", "Virtual PCD")


class PcscCardDriver(Driver):
    """A reader, and the card in it."""

    kind = "smart-card"
    settings_type = CardSettings
    addresses = (addresses.PCSC,)
    needs = NEEDS
    lane = "process"
    commands = (ReadSmartCard, Transmit)
    hung = silent = status.HUNG
    poll_limit_s = 1.5
    proof_s = 15.0

    def __init__(self, settings: CardSettings, port: Port) -> None:
        super().__init__(settings, port)
        self._own = settings
        self._standing = standing(settings)
        self._service: Service | None = None
        self._slot: Slot | None = None

    @classmethod
    def environment(cls, settings: CardSettings, address: Address) -> Mapping[str, str]:
        del settings
        return pcsc.environment(address.options.get("socket"))

    @classmethod
    def fits(cls, found: Plugged) -> Offer | None:
        if found.subsystem != "usb" or CCID_CLASS not in {kind for kind, _, _ in found.interfaces}:
            return None
        return Offer(address=addresses.address_of(found.product or ""), title=found.title)

    @classmethod
    def search(cls, wait_s: float) -> Iterable[Offer]:
        del wait_s  # the service knows its readers already
        readers = pcsc.known_readers()
        models = [reader.model for reader in readers]
        slots = [None if models.count(reader.model) == 1 else reader.slot for reader in readers]
        return [
            Offer(address=addresses.address_of(one.model, slot), title=one.model)
            for one, slot in zip(readers, slots, strict=True)
        ]

    @staticmethod
    def today() -> dt.date:
        """Return the day by which cards are valid: the local one."""
        return dt.date.today()  # noqa: DTZ011 - the calendar on the hall's wall is meant

    def open(self) -> DeviceInfo:
        with self.port.slow(2 * OPEN_WAIT_S):
            reader = self._open(OPEN_WAIT_S)
        return DeviceInfo(
            model=reader.model,
            serial=reader.serial,
            simulated=any(word in reader.model for word in SIMULATED),
        )

    def poll(self, wait_s: float) -> Iterator[Payload]:
        slot, end = self._opened(), self.port.monotonic() + wait_s
        work = None if self._standing is None else self._reading(self._standing)
        while True:
            left = max(0.0, end - self.port.monotonic())
            try:
                yield from slot.look(work, Ask(self.port), min(left, SLICE_S))
            except DeviceLost as lost:
                slot = self._restarted(lost)
            if self.port.idle(0) or self.port.monotonic() >= end:
                return

    def execute(self, command: Params, job: Job) -> Iterator[Payload]:
        slot = self._opened()
        if isinstance(command, ReadSmartCard):
            work = self._reading(wanted(self._own, command))
        elif isinstance(command, Transmit):
            work = self._transmission(command, job)
        else:
            raise Unsupported(f"a smart-card reader does not know {command.command}")
        ask = Ask(self.port, job)
        first = True
        while True:
            ask.check()
            if (yield from slot.look(work, ask, 0 if first else SLICE_S, again=True)):
                return
            ask.say("insert-card")
            first = False

    def selftest(self, level: Level, job: Job) -> Iterator[Finding]:
        slot = self._opened()
        try:
            yield from self._tested(slot, level, job)
        except DeviceLost as lost:
            yield from self._tested(self._restarted(lost), level, job)

    def _tested(self, slot: Slot, level: Level, job: Job) -> Iterator[Finding]:
        if self._service is None:
            raise DeviceLost("the reader is not open")
        try:
            yield from findings(self._service, slot.reader, self.port, level, job)
        finally:
            if level == "interactive":
                slot.pass_over()

    def close(self) -> None:
        service, self._service, self._slot = self._service, None, None
        if service is not None:
            service.close()

    # --- the reader

    def _opened(self) -> Slot:
        if self._slot is None:
            raise DeviceLost("the reader is not open")
        return self._slot

    def _open(self, wait_s: float) -> ReaderName:
        """Connect within *wait_s*; raises what is missing."""
        self.close()
        try:
            service, reader = self._find(self.port.monotonic() + wait_s)
            service.check_access(reader.whole)
        except BaseException:
            self.close()
            raise
        self._slot = Slot(service, reader.whole, self.port)
        self.port.proved()
        return reader

    def _find(self, end: float) -> tuple[Service, ReaderName]:
        """Return the reader as soon as the service knows it; raises what is missing at *end*."""
        while True:
            try:
                return self._known_reader()
            except DeviceError as error:
                if error.state != "absent" or self.port.monotonic() >= end:
                    raise
                waited = self._service is not None and self._service.await_reader(SLICE_S)
                if self.port.idle(0 if waited else SLICE_S):
                    raise  # whoever asks now hears what is missing

    def _restarted(self, lost: DeviceLost) -> Slot:
        """Return the slot of a service that was only restarted, or ended for want of work; else raise *lost*."""
        if lost.code != "PCS-106":
            raise lost
        try:
            with self.port.slow(2 * RETURN_S):
                self._open(RETURN_S)
        except DeviceError:
            raise lost from None
        self.port.log("the PC/SC service was restarted")
        return self._opened()

    def _known_reader(self) -> tuple[Service, ReaderName]:
        if self._service is None:
            self._service = Service.connect()
        service = self._service
        try:
            readers = service.readers()
        except DeviceLost:
            self.close()
            raise
        reader = addresses.choose(readers, self.port.address)
        if reader is None:
            raise status.error("PCS-113" if readers else "PCS-103")
        return service, reader

    # --- the card

    def _reading(self, want: Want) -> Work:
        def work(talk: Talk, card: Inside) -> CardRead | CardRejected:
            atr = parse_atr(card.atr)
            return read_card(Reading(talk, card.atr, atr, want, self.port.digest, self.today()))

        return work

    def _transmission(self, command: Transmit, job: Job) -> Work:
        """Return the work of *command*; raises ``Unsupported`` for what may not be sent."""
        if not self._own.transmit_prefixes:
            raise Unsupported("this reader sends no APDUs", action="set transmit_prefixes for this device, if lawful")
        apdus = [bytes.fromhex(text) for text in command.apdus]
        for text, apdu in zip(command.apdus, apdus, strict=True):
            check_apdu(apdu)
            if not text.startswith(self._own.transmit_prefixes):
                raise Unsupported(CODES["PCS-110"], code="PCS-110", action="add it to transmit_prefixes, if lawful")

        def work(talk: Talk, _: Inside) -> Transmitted:
            answers = []
            for apdu in apdus:
                answer = talk.ask(apdu)
                answers.append(answer.data.hex() + f"{answer.status:04x}")
            return Transmitted(request=job.request_id, count=len(answers), answers=tuple(answers))

        return work
