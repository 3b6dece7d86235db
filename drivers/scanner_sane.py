"""Document scanners (扫描仪) through SANE: every scanner that ``scanimage -L`` shows.

What it is
    libsane, called directly, in a process of its own: a backend that crashes or hangs takes nothing along.

Configuration::

    [[device]]
    name = "scanner-1"
    driver = "scanner_sane"
    address = "sane:fujitsu:"   # the first scanner of a backend; or a whole name from `scanimage -L`
                                # write %25 for % and %3F for ? in a name; ?config=/folder = SANE_CONFIG_DIR

    Optional, with their defaults:
    format = "jpeg"       # png, pdf; always one document a page
    jpeg_quality = 85
    blank_level = 1.0     # how much may be on a blank page: 0 nothing at all, 2 twice as much, …
    rotate_back = false   # back sides upside down: turn them
    hold = false          # true: keep the scanner open between jobs; other programs cannot use it then
    probe_s = 30.0        # without hold: open the scanner so often, to see that it is there; 0 = only for jobs
    content = "personal"  # "public" only where nothing but notices is ever scanned
    options = {}          # SANE options of the backend that are set last, e.g. { swdeskew = true }

What it needs
    libsane1 (and the vendor's backend), opencv; the shipped udev rule, or the daemon's user in the group scanner.

What its simulator does not do
    SANE's own backend ``test`` has no duplex and no sensors, and is never jammed by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from drivers import _sane_names as names
from drivers import _sane_setup as setup
from drivers import _sane_words as words
from drivers._sane_abi import Status
from drivers._sane_frames import Form, PageReader, check_size, form
from drivers._sane_library import Handle, Sane, SaneError
from drivers._sane_settings import ADDRESS, SaneSettings
from drivers._sane_status import CODES, HUNG, device_error, error, opening, scanning
from drivers._scan_blank import is_blank_picture
from drivers._scan_encode import Picture, encode
from drivers._scan_job import MAX_DOCUMENT_BYTES, MEDIA_TYPES, ScanJob, stop_reason
from drivers._scan_selftest import scanned
from edge.driver import DeviceInfo, Driver, Finding, Job, Port
from edge.errors import DeviceAbsent, DeviceError, DeviceLost, EdgeError, Unsupported
from edge.events import Page, Params, Payload, Scan
from edge.links.address import Address
from edge.plugging.plugged import Offer
from edge.selftest.model import Level

__all__ = ["CODES", "SaneScanner", "SaneSettings"]
MOVING_S, ENCODING_S = 60.0, 30.0  # so long may a call take that wakes, opens or starts a scanner; that encodes a page


class SaneScanner(Driver):
    """One scanner. Nothing of it lasts longer than a job, unless ``hold`` is set."""

    kind = "scanner"
    settings_type = SaneSettings
    addresses = (ADDRESS,)
    needs = names.NEEDS
    lane = "process"
    memory_mb = 1024
    commands = (Scan,)
    hung = HUNG
    poll_limit_s = 1.5

    def __init__(self, settings: SaneSettings, port: Port) -> None:
        super().__init__(settings, port)
        self.settings: SaneSettings = settings
        self._name = unquote(port.address.target)
        self._sane: Sane | None = None
        self._handle: Handle | None = None
        self._probe_at = 0.0

    def open(self) -> DeviceInfo:
        """Open the scanner and see that it has the configured options; closes it again unless it is held."""
        self.close()
        try:
            self._sane = Sane()
        except OSError as cause:
            raise device_error("SAN-100") from cause
        except SaneError as cause:
            raise opening(cause) from cause
        handle = self._take()
        try:
            setup.check_extras(handle, self.settings.options)
            simulated = handle.options.keys() >= words.TEST_BACKEND or words.SIMULATED in self._name.lower()
        except SaneError as cause:
            raise opening(cause) from cause
        finally:
            self._give_back()
        self._proved()
        return DeviceInfo(model=self._name.partition(":")[0], simulated=simulated)

    def poll(self, wait_s: float) -> list[Payload]:
        """Wait for a command; look now and then whether the scanner is still there."""
        self._check_plugged()
        due_s = self._probe_at - self.port.monotonic() if self.settings.probe_s else wait_s
        woken = self.port.idle(min(wait_s, max(0.0, due_s)))
        if due_s <= wait_s and not woken and self.settings.probe_s:
            self._probe()
        return []

    def _probe(self, *, feeder: bool = False) -> bool | None:
        """See that the scanner is there; return whether its *feeder* is empty, ``None``: it does not say."""
        try:
            handle = self._again()
            handle.ask()
            empty = setup.feeder_is_empty(handle) if feeder else None
        except SaneError as cause:
            raise device_error("SAN-106") from cause
        finally:
            self._give_back()
        self._proved()
        return empty

    def close(self) -> None:
        """Let go of the scanner and of the library."""
        self._let_go()
        sane, self._sane = self._sane, None
        if sane is not None:
            sane.close()

    def selftest(self, level: Level, job: Job) -> Iterator[Finding]:
        """Look whether it is there, as a poll does; scan from the glass where paper and lamps may move."""
        self._check_plugged()
        job.check()
        feeder = {None: "", False: "; paper lies in its feeder", True: "; its feeder is empty"}
        yield Finding(code="SAN-000", seen=f"the scanner answers{feeder[self._probe(feeder=True)]}")
        if level != "internal":
            yield scanned(self, job, "SAN")

    def execute(self, command: Params, job: Job) -> Iterator[Payload]:
        """Scan; yields each page as it arrives, and how the job ended."""
        if not isinstance(command, Scan):
            raise Unsupported(f"a scanner does not know {command.command}")
        self._check_plugged()
        pages = ScanJob(self.port, job, command, self.settings)
        handle = self._again()
        try:
            yield from self._scan(handle, command, job, pages)
        except SaneError as cause:
            handle.cancel()
            reason, problem = scanning(cause)
            if problem.code == "SAN-104" and self._is_gone():
                reason, problem = "device-lost", device_error("SAN-106")
            yield pages.stopped(reason)
            raise problem from cause
        except EdgeError as problem:
            handle.cancel()
            if pages.began or not isinstance(problem, Unsupported):
                yield pages.stopped(stop_reason(problem))
            raise
        finally:
            self._give_back()

    # --- a job ---

    def _scan(self, handle: Handle, command: Scan, job: Job, pages: ScanJob) -> Iterator[Payload]:
        ready = self._start(handle, command, job)
        if ready is None:
            yield pages.stopped("feeder-empty")
            return
        like = form(handle.parameters())
        yield pages.started(ready.source, like.color, ready.dpi, duplex=ready.duplex)
        patience_s = names.patience_s(self._name)
        reader = PageReader(handle, job.check, self.port.idle, self.port.monotonic, patience_s, self.port.slow)
        while True:
            try:
                page = self._page(handle, reader, pages)
            except SaneError as ended:
                if ended.status != Status.NO_DOCS or reader.begun:
                    raise
                break  # some feeders tell only now that there was no other sheet
            if page is not None:
                yield page
            if ready.source == "platen" or pages.enough or not self._next(handle, job):
                break
        handle.cancel()
        yield pages.completed() if pages.scanned else pages.stopped("feeder-empty")

    def _start(self, handle: Handle, command: Scan, job: Job) -> setup.Ready | None:
        """Set up and start the first frame, from the first source that has paper; ``None``: none has."""
        for source in setup.sources(handle, command):
            with self.port.slow(MOVING_S):
                ready = setup.set_up(handle, command, source, self.settings.options)
            check_size(handle.parameters())
            if self._next(handle, job):
                return ready
            handle.cancel()
        return None

    def _next(self, handle: Handle, job: Job) -> bool:
        """Start the next page; return whether there is one."""
        job.check()
        try:
            with self.port.slow(MOVING_S):
                handle.start()
        except SaneError as refused:
            if refused.status == Status.NO_DOCS:
                return False
            raise
        job.check()
        return True

    def _page(self, handle: Handle, reader: PageReader, pages: ScanJob) -> Page | None:
        """Read, judge and encode the page that was started."""
        like = form(handle.parameters())
        picture = reader.page(like)
        self._proved()
        with self.port.slow(ENCODING_S):
            return self._judged(picture, like, pages)

    def _judged(self, picture: Picture, like: Form, pages: ScanJob) -> Page | None:
        settings = self.settings
        blank = is_blank_picture(picture, settings.blank_level, pages.dpi)
        if settings.rotate_back and pages.duplex and pages.scanned % 2:
            picture = picture[::-1, ::-1].copy()
        height, width = picture.shape[:2]
        data = encode(picture, settings.format, pages.dpi, settings.jpeg_quality, bilevel=like.color == "mono")
        if len(data) > MAX_DOCUMENT_BYTES:
            raise error("SAN-121")
        return pages.page(data, MEDIA_TYPES[settings.format], width, height, blank=blank)

    # --- the scanner ---

    def _take(self) -> Handle:
        """Return the scanner, open."""
        if self._sane is None:
            raise DeviceLost("the scanner is not open")
        if self._handle is None:
            try:
                with self.port.slow(MOVING_S):
                    self._name, self._handle = names.open_device(self._sane, self._name)
            except SaneError as cause:
                raise names.busy(self._name) if cause.status == Status.DEVICE_BUSY else opening(cause) from cause
        return self._handle

    def _again(self) -> Handle:
        """Return the scanner, open, after it has been there before."""
        try:
            return self._take()
        except DeviceAbsent as cause:
            raise device_error("SAN-106") from cause

    def _give_back(self) -> None:
        if not self.settings.hold:
            self._let_go()

    def _let_go(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()

    def _is_gone(self) -> bool:
        """Return whether the scanner cannot be opened again after an input/output error."""
        self._let_go()
        try:
            self._take()
        except DeviceError:
            return True
        return False

    def _check_plugged(self) -> None:
        """See whether a scanner on USB is plugged in, without disturbing it."""
        node = names.usb_node(self._name)
        if node is not None and not node.exists():
            raise device_error("SAN-116")

    def _proved(self) -> None:
        self.port.proved()
        self._probe_at = self.port.monotonic() + self.settings.probe_s

    # --- configuration ---

    @classmethod
    def environment(cls, settings: SaneSettings, address: Address) -> Mapping[str, str]:
        """Return the folder of SANE's configuration, where the address names one."""
        del settings
        return {"SANE_CONFIG_DIR": folder} if (folder := address.options.get("config")) else {}

    @classmethod
    def search(cls, wait_s: float) -> list[Offer]:
        """Offer every scanner in SANE's own list; how long that takes is the backends' business."""
        del wait_s
        try:
            sane = Sane()
        except (OSError, SaneError):
            return []  # no libsane here, so no scanner of its
        try:
            return names.offers(sane.devices())
        except SaneError:
            return []
        finally:
            sane.close()
