"""One scan job as events: numbers of pages and sheets, blank pages, and how it ended. For every scanner driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from drivers._scan_blank import is_blank
from edge.driver import Job, Port, Settings
from edge.errors import DeviceAbsent, DeviceLost, EdgeError, JobCancelled
from edge.events import (
    ColorMode,
    Content,
    MediaType,
    Page,
    Scan,
    ScanCompleted,
    ScanStarted,
    ScanStopped,
    Source,
    StopReason,
)

PaperSize = Literal["a3", "a4", "a5", "letter", "legal", "id-card"]
PAPER_MM: Mapping[str, tuple[float, float]] = {
    "a3": (297.0, 420.0),
    "a4": (210.0, 297.0),
    "a5": (148.0, 210.0),
    "letter": (215.9, 279.4),
    "legal": (215.9, 355.6),
    "id-card": (85.6, 54.0),
}
"""Width and height of what ``size`` names; ``max`` is what the scanner can."""
MEDIA_TYPES: Mapping[str, MediaType] = {"jpeg": "image/jpeg", "png": "image/png", "pdf": "application/pdf"}
MAX_DOCUMENT_BYTES = 64 << 20
"""The core takes no larger one."""
_TOO_LATE = "CMD-107"


class PageSettings(Settings, frozen=True, kw_only=True):
    """What all scanners can be told about their pages."""

    format: Literal["jpeg", "png", "pdf"] = "jpeg"
    """One document a page, whatever the format."""
    blank_level: Annotated[float, Meta(ge=0, le=10)] = 1.0
    """How much may be on a blank page: 0 nothing at all, 1 specks and shadows, 2 twice as much as that, …"""
    content: Content = "personal"
    """``public`` only where nothing but notices is ever scanned: pages are not sealed then."""

    def needs_sealing(self) -> bool:
        return self.content == "personal"


class ScanJob:
    """Counts the pages of one job and makes its events.

    ``number`` counts the pages that are published, without a gap; ``sheet`` and ``side`` say where a page lay,
    blank ones counted, in the order front 1, back 1, front 2, …
    """

    def __init__(self, port: Port, job: Job, command: Scan, settings: PageSettings) -> None:
        self.pages = 0
        """Pages published so far."""
        self.dropped = 0
        """Blank pages left out so far."""
        self.began = False
        """Whether the device has taken the job."""
        self.duplex = False
        self.dpi = command.dpi
        self._port = port
        self._job = job
        self._command = command
        self._settings = settings
        self._color: ColorMode = command.color

    @property
    def scanned(self) -> int:
        """Pages that came from the device, with those left out."""
        return self.pages + self.dropped

    @property
    def enough(self) -> bool:
        """Whether ``max_pages`` have been published."""
        return self.pages >= self._command.max_pages

    def started(self, source: Source, color: ColorMode, dpi: int, *, duplex: bool = False) -> ScanStarted:
        """Return the event for a job that the device has taken, with what it really does."""
        self.began, self.duplex, self._color, self.dpi = True, duplex, color, dpi
        return ScanStarted(job=self._job.request_id, source=source, duplex=duplex, color=color, dpi=dpi)

    def page(
        self, data: bytes, media_type: MediaType, width: int, height: int, *, blank: bool | None = None
    ) -> Page | None:
        """Return the event for the next page; ``None``: it is blank, and blank pages are to be left out.

        Yield it at once: its blob waits for it. *blank* where the driver has looked itself.
        """
        sheet, back = divmod(self.scanned, 2) if self.duplex else (self.scanned, 0)
        if blank is None:
            blank = is_blank(data, media_type, self._settings.blank_level, self.dpi)
        if blank and self._command.drop_blank:
            self.dropped += 1
            self._job.report("blank-page-dropped", step=self.scanned)
            return None
        self.pages += 1
        return Page(
            job=self._job.request_id,
            number=self.pages,
            sheet=sheet + 1,
            side="back" if back else "front",
            width=width,
            height=height,
            dpi=self.dpi,
            color=self._color,
            blank=blank,
            content=self._settings.content,
            blob=self._port.blob(data, media_type),
        )

    def completed(self) -> ScanCompleted:
        """Return the event for a job that ended well."""
        return ScanCompleted(job=self._job.request_id, pages=self.pages, dropped=self.dropped)

    def stopped(self, reason: StopReason) -> ScanStopped:
        """Return the event for a job that ended early; the pages before it are kept."""
        return ScanStopped(job=self._job.request_id, reason=reason, pages=self.pages, dropped=self.dropped)


def stop_reason(error: EdgeError) -> StopReason:
    """Return why a job ended, where *error* says no more than its kind."""
    if isinstance(error, JobCancelled):
        return "timed-out" if error.code == _TOO_LATE else "cancelled"
    return "device-lost" if isinstance(error, DeviceLost | DeviceAbsent) else "device-error"
