"""One scanner as an eSCL client sees it: what it is, how it is, and the requests of a job."""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivers._escl_caps import Capabilities, read_capabilities
from drivers._escl_http import Answer, Http, Request
from drivers._escl_problems import device_error, error
from drivers._escl_quirks import Quirks, quirks_of
from drivers._escl_status import Status, read_status
from drivers._escl_stream import Check, Patience
from edge.errors import DeviceProtocol

OK, CREATED, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, GONE, UNAVAILABLE = 200, 201, 401, 403, 404, 410, 503
JOB = Patience(silence_s=30.0, total_s=60.0)
LAST = Patience(silence_s=2.0, total_s=2.0, connect_s=1.0)
MOST_PAGE_BYTES = 64 << 20
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
_PATH = re.compile(r"/[!-~]{1,500}")


def nobody_minds() -> None:
    """Check nothing: nobody can cancel."""


@dataclass(frozen=True)
class Device:
    """What was learnt when it was opened."""

    capabilities: Capabilities
    quirks: Quirks


class Scanner:
    """Asks one scanner at ``{root}``. Raises ``DeviceError``."""

    def __init__(self, http: Http, root: str, page_silence_s: float) -> None:
        self.http = http
        self._root = f"/{root.strip('/') or 'eSCL'}"
        self._page = Patience(silence_s=page_silence_s, total_s=None, limit=MOST_PAGE_BYTES)

    def identify(self, own: Quirks) -> Device:
        """Learn what it is and which quirks it has."""
        try:
            answer = self.http.ask(self._about("ScannerCapabilities"), Patience(), nobody_minds)
        except DeviceProtocol as failed:
            raise error("ESC-104") from failed  # also an endless answer: no scanner says so much about itself
        _expect(answer)
        capabilities = read_capabilities(answer.body)
        quirks = quirks_of(capabilities.model, capabilities.maker, answer.header("Server"), own)
        self.http.name_host(port_always=bool(quirks.port_in_host), host=quirks.host)
        return Device(capabilities, quirks)

    def status(self, check: Check = nobody_minds) -> Status | None:
        """Return how it is; ``None``: it is too busy to say (503)."""
        answer = self.http.ask(self._about("ScannerStatus"), Patience(), check)
        if answer.status == UNAVAILABLE:
            return None
        _expect(answer)
        return read_status(answer.body)

    def post(self, settings: bytes, check: Check) -> Answer:
        """Offer a job. The answer's headers are enough: some scanners cut the connection behind them."""
        request = Request("POST", f"{self._root}/ScanJobs", settings, head_only=True)
        return self.http.ask(request, JOB, check)

    def job_path(self, location: str) -> str:
        """Return our own path to a new job: the scanner's name for itself is often wrong."""
        path = _AUTHORITY.sub("", location.strip(), count=1).partition("#")[0].partition("?")[0].rstrip("/")
        if path and not path.startswith("/"):
            path = f"{self._root}/ScanJobs/{path.rpartition('ScanJobs/')[2]}"
        if not _PATH.fullmatch(path) or path.endswith("/ScanJobs"):
            raise device_error("ESC-105")
        return path

    def next_page(self, job: str, check: Check, silence_s: float | None = None) -> Answer:
        patience = (
            self._page if silence_s is None else Patience(silence_s=silence_s, total_s=None, limit=MOST_PAGE_BYTES)
        )
        return self.http.ask(Request("GET", f"{job}/NextDocument"), patience, check)

    def delete(self, job: str) -> None:
        """Tell the scanner that nobody wants the job any more."""
        self.http.ask(Request("DELETE", job, harmless=True), LAST, nobody_minds)

    def _about(self, document: str) -> Request:
        return Request("GET", f"{self._root}/{document}", harmless=True)


def _expect(answer: Answer) -> None:
    """Raise what anything but 200 means for a document that every scanner has."""
    if answer.status in (UNAUTHORIZED, FORBIDDEN):
        raise error("ESC-108")
    if answer.status != OK:
        raise error("ESC-104")
