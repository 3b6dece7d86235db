"""Document scanners (扫描仪) on the network that speak eSCL (AirScan, Mopria), and USB ones behind ``ipp-usb``.

What it is
    eSCL over HTTP or HTTPS, in a process of its own. No scanner software is needed on the PC. One ``page`` event a
    page, as it arrives; pages of a job that broke are kept.

Configuration::

    [[device]]
    name = "scanner-1"
    driver = "scanner_escl"
    address = "escl://192.0.2.20/eSCL"  # escls:// = HTTPS; [:PORT]; the part behind the host is eSCL unless told
                                        # or escl:?uuid=UUID, escl:?name=NAME: found by DNS-SD each time it is opened

    Optional, with their defaults:
    format = "jpeg"           # png, pdf; always one document a page
    blank_level = 1.0         # how much may be on a blank page: 0 nothing at all, 2 twice as much, …
    content = "personal"      # "public" only where nothing but notices is ever scanned
    paper_sensor = "auto"     # "trust" or "ignore" what the feeder says about being empty, before a job
    page_timeout_s = 60.0     # how long the scanner may say nothing while a page is on its way
    status_interval_s = 2.0   # how often it is asked how it is
    ca = "/etc/hall-edge/scanner-ca.pem"  # escls: who signed the scanner's certificate, or the certificate itself
    insecure = false          # escls: true takes every certificate; anybody on the network may then pose as the scanner
    quirks = {}               # what this make needs besides the standard, as in drivers/escl_quirks.toml

What it needs
    opencv (blank pages); zeroconf for ``escl:?…`` only; a way through the network to the scanner's port.

What its simulator does not do
    Real optics: pages are drawn. No fax, no stored jobs, no IPv6.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import unquote

from msgspec import Meta

from drivers import _escl_find as find
from drivers._escl_http import Http, Place
from drivers._escl_job import ScanRun
from drivers._escl_problems import CODES, STUCK, device_error
from drivers._escl_quirks import Quirks
from drivers._escl_scanner import Device, Scanner
from drivers._escl_status import in_words
from drivers._scan_job import PageSettings, ScanJob
from drivers._scan_selftest import scanned
from edge.driver import DeviceInfo, Driver, Finding, Job, Port
from edge.errors import DeviceAttention, DeviceLost, Unsupported
from edge.events import Params, Payload, Scan
from edge.links.address import AddressForm, host_check, pattern_check, split_host
from edge.needs import Needs
from edge.plugging.plugged import Offer, Plugged
from edge.selftest.model import Level

__all__ = ["CODES", "EsclScanner", "EsclSettings"]

HTTP_PORT, HTTPS_PORT = 80, 443
_ROOT = r"(/[\w.~-]{1,64}){0,8}/?"
_UUID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
ANNOUNCED = "escl-announced"


@dataclass(frozen=True)
class AnnouncedForm(AddressForm):
    """An address that DNS-SD turns into another one."""

    @property
    def scheme(self) -> str:
        return ANNOUNCED


PLAIN = AddressForm("escl://", host_check("escl://HOST:PORT/eSCL", _ROOT, HTTP_PORT))
SECURE = AddressForm("escls://", host_check("escls://HOST:PORT/eSCL", _ROOT, HTTPS_PORT))
BY_UUID = AnnouncedForm("escl:?uuid=", pattern_check(_UUID, "escl:?uuid= and the UUID that the scanner announces"))
BY_NAME = AnnouncedForm(
    "escl:?name=", pattern_check(r"[^\s?&][^?&\x00-\x1f]{0,200}", "escl:?name= and its name, %20 for a space")
)
IPP_USB = (7, 1, 4)
IPP_USB_ADDRESS = "escl://127.0.0.1:60000/eSCL"
FIND_S = 3.0
ANSWER_S = 22.0  # two questions that are not answered; HTTP ends by its own limits
STAY_S, LOOK_AGAIN_S = 5.0, 0.5
SIMULATED = "hall-edge simulated"


class EsclSettings(PageSettings, frozen=True, kw_only=True):
    """Keys of the ``[[device]]`` table."""

    paper_sensor: Literal["auto", "trust", "ignore"] = "auto"
    page_timeout_s: Annotated[float, Meta(ge=5, le=600)] = 60.0
    status_interval_s: Annotated[float, Meta(ge=0.2, le=10)] = 2.0
    ca: str | None = None
    insecure: bool = False
    quirks: Quirks = Quirks()

    def problems(self) -> dict[str, str]:
        if self.insecure and self.ca is not None:
            return {"insecure": "insecure takes every certificate, so ca has no meaning"}
        return {}


class EsclScanner(Driver):
    """One scanner, asked over and over how it is; nothing of a job outlasts the job."""

    kind = "scanner"
    settings_type = EsclSettings
    addresses = (PLAIN, SECURE, BY_UUID, BY_NAME)
    needs = Needs(network=("escl*",))
    lane = "process"
    memory_mb = 1024  # a page of A3 at 600 dpi as PNG
    search_is_slow = True
    commands = (Scan,)
    hung = silent = STUCK
    poll_limit_s = 1.5
    proof_s = 30.0

    def __init__(self, settings: EsclSettings, port: Port) -> None:
        super().__init__(settings, port)
        self.settings: EsclSettings = settings
        self._scanner: Scanner | None = None
        self._device: Device | None = None
        self._ask_at = 0.0

    def open(self) -> DeviceInfo:
        """Find the scanner, learn what it can, and see that it is fit for work."""
        self.close()
        with self.port.slow(FIND_S + ANSWER_S):
            return self._identified()

    def _identified(self) -> DeviceInfo:
        place, root = self._place()
        http = Http(place, self.port.monotonic, self.port.proved)
        self._scanner = Scanner(http, root, self.settings.page_timeout_s)
        try:
            self._device = self._scanner.identify(self.settings.quirks)
            self._look_until_fit(self._scanner)
        except BaseException:
            self.close()
            raise
        http.known = True
        capabilities = self._device.capabilities
        return DeviceInfo(
            model=capabilities.model or None,
            serial=capabilities.serial or None,
            firmware=f"eSCL {capabilities.version}" if capabilities.version else None,
            simulated=SIMULATED in capabilities.model,
        )

    def poll(self, wait_s: float) -> list[Payload]:
        """Wait for a command, and ask now and then how the scanner is."""
        scanner, _ = self._opened()
        left = self._ask_at - self.port.monotonic()
        if left > 0 and self.port.idle(min(wait_s, left)):
            return []  # a command has come
        if self.port.monotonic() >= self._ask_at:
            with self.port.slow(ANSWER_S):
                self._look(scanner)
        return []

    def selftest(self, level: Level, job: Job) -> Iterator[Finding]:
        """Ask how it is, as a poll does; scan from the glass where paper and lamps may move."""
        scanner, _ = self._opened()
        with self.port.slow(ANSWER_S):
            status = scanner.status(job.check)
        if status is None:
            yield Finding(code="ESC-001")
            return
        if status.standing_trouble is not None:
            raise device_error(status.standing_trouble)
        if status.feeder_trouble is not None:  # left behind by the last job, perhaps
            left = device_error(status.feeder_trouble)
            yield Finding(code=left.code, result="warn", seen=left.message, action=left.action)
        else:
            yield Finding(code="ESC-000", seen=in_words(status))
        if level != "internal":
            yield scanned(self, job, "ESC")

    def execute(self, command: Params, job: Job) -> Iterator[Payload]:
        """Scan; yields each page as it arrives, and how the job ended."""
        if not isinstance(command, Scan):
            raise Unsupported(f"a scanner does not know {command.command}")
        scanner, device = self._opened()
        sensor = self.settings.paper_sensor
        yield from ScanRun(
            scanner,
            device,
            self.port,
            job,
            command,
            ScanJob(self.port, job, command, self.settings),
            form=self.settings.format,
            sensor=sensor == "trust" or (sensor == "auto" and device.capabilities.senses_paper),
        ).events()

    def close(self) -> None:
        """Let go of the connection."""
        scanner, self._scanner, self._device = self._scanner, None, None
        if scanner is not None:
            scanner.http.close()

    def _opened(self) -> tuple[Scanner, Device]:
        if self._scanner is None or self._device is None:
            raise DeviceLost("the scanner is not open")
        return self._scanner, self._device

    def _look(self, scanner: Scanner) -> None:
        """Raise what somebody must do before the scanner is of use."""
        status = scanner.status()
        if status is not None and status.standing_trouble is not None:
            raise device_error(status.standing_trouble)
        self._ask_at = self.port.monotonic() + self.settings.status_interval_s

    def _look_until_fit(self, scanner: Scanner) -> None:
        """Stay a while with a scanner that waits for somebody: a new process for every look would cost far more."""
        end = self.port.monotonic() + STAY_S
        while True:
            try:
                return self._look(scanner)
            except DeviceAttention:
                if self.port.monotonic() >= end:
                    raise
            self.port.idle(LOOK_AGAIN_S)

    # --- where it is ---

    def _place(self) -> tuple[Place, str]:
        """Return where the scanner is, and the first part of its paths."""
        address = self.port.address
        if address.scheme == ANNOUNCED:
            host, port, root, secure = self._announced(unquote(address.target))
        else:
            authority, _, root = address.target.partition("/")
            secure = address.scheme == "escls"
            host, port = split_host(authority, HTTPS_PORT if secure else HTTP_PORT)
        return Place(host, port, self._tls() if secure else None), root

    @staticmethod
    def _announced(wanted: str) -> tuple[str, int, str, bool]:
        try:
            found = find.browse(FIND_S, lambda seen: any(one.answers_to(wanted) for one in seen))
        except ModuleNotFoundError as error:
            raise device_error("ESC-112") from error
        except OSError as error:
            raise device_error("ESC-113") from error
        one = next((one for one in found if one.answers_to(wanted)), None)
        if one is None:
            raise device_error("ESC-109")
        return one.host, one.port, one.root, one.secure

    def _tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.settings.insecure:
            self.port.log("every certificate is taken for the scanner's (insecure = true)", code="ESC-103")
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        try:
            if self.settings.ca is not None:
                context.load_verify_locations(self.settings.ca)
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            else:
                context.load_default_certs()
        except OSError as error:
            raise device_error("ESC-111") from error
        return context

    # --- what is there to be configured ---

    @classmethod
    def fits(cls, found: Plugged) -> Offer | None:
        """Offer a USB scanner that speaks IPP over USB: its HTTP comes through ipp-usb."""
        if found.subsystem != "usb" or IPP_USB not in found.interfaces:
            return None
        title = " ".join(filter(None, (found.maker, found.product))) or "USB scanner"
        return Offer(
            address=IPP_USB_ADDRESS,
            title=f"{title} (install ipp-usb first: it gives the scanner this address)",
            sure=False,
        )

    @classmethod
    def search(cls, wait_s: float) -> Sequence[Offer]:
        """Offer the scanners that announce themselves on the network, by their present address."""
        try:
            found = find.browse(wait_s)
        except (OSError, ModuleNotFoundError):
            return ()  # no network, so no scanner on it; or nobody who could ask
        return [Offer(address=one.address, title=one.title) for one in found]
