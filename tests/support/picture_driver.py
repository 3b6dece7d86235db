"""A scanner for tests that makes its own pages: a driver of a foreign package, as a vendor's would be.

``feeds`` pages a second come by themselves; ``scan`` brings ``max_pages`` at once. Every page is other bytes.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

from edge.driver import DeviceInfo, Driver, Job, Settings
from edge.events import Content, Page, Params, Payload, Scan, ScanCompleted

PACKAGE = "picture-scanner"
DRIVER, APART = "picture_scanner", "apart_scanner"
NAME = "王小明 of the test pages"
JOB = "00000000-0000-4000-8000-000000000000"


def page_bytes(number: int, size: int, canary: str = "") -> bytes:
    """Return the page *number*: noise that no compression shrinks, with *canary* in its middle."""
    noise = hashlib.shake_256(str(number).encode()).digest(size)
    half = size // 2
    return noise[:half] + canary.encode() + noise[half + len(canary.encode()) :]


class PictureSettings(Settings, frozen=True, kw_only=True):
    size: int = 200_000
    feeds: float = 0.0
    pace: float = 0.0
    """Pages a second of a scan; 0: as fast as they are taken."""
    content: Content = "public"
    planted: bool = False
    """Whether a person's name stands in every page, as it would in a text layer."""

    def needs_sealing(self) -> bool:
        return self.content == "personal"


class PictureScanner(Driver):
    kind = "scanner"
    settings_type = PictureSettings
    commands = (Scan,)

    def open(self) -> DeviceInfo:
        self.number = 0
        self.due = self.port.monotonic()
        return DeviceInfo(model="test pages", simulated=True)

    def poll(self, wait_s: float) -> Iterable[Payload]:
        feeds = self.settings.feeds
        if not feeds:
            self.port.idle(wait_s)
            return
        self.port.idle(max(0.0, min(wait_s, self.due - self.port.monotonic())))
        if self.port.monotonic() >= self.due:
            self.due += 1.0 / feeds
            yield self.page()

    def execute(self, command: Params, job: Job) -> Iterable[Payload]:
        assert isinstance(command, Scan)
        started = self.port.monotonic() - self.number / (self.settings.pace or 1.0)
        for _ in range(command.max_pages):
            job.check()
            yield self.page()
            while self.settings.pace and self.port.monotonic() < started + self.number / self.settings.pace:
                self.port.idle(0.02)
                job.check()
        yield ScanCompleted(job=JOB, pages=command.max_pages)

    def page(self) -> Page:
        self.number += 1
        data = page_bytes(self.number, self.settings.size, NAME if self.settings.planted else "")
        blob = self.port.blob(data, "image/jpeg")
        return Page(
            job=JOB, number=self.number, sheet=self.number, width=2480, height=3508, dpi=300, color="color",
            content=self.settings.content, blob=blob,
        )  # fmt: skip

    def close(self) -> None:
        pass


class ApartScanner(PictureScanner):
    """The same in a process of its own."""

    lane = "process"


def install(folder: Path) -> str:
    """Make a package of this file in *folder*; return what PYTHONPATH must hold."""
    site = folder / "site"
    info = site / "picture_scanner-1.0.dist-info"
    info.mkdir(parents=True)
    module = Path(sys.modules[__name__].__file__ or "")
    (site / "picture_scanner.py").write_text(module.read_text(encoding="utf-8"), encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n", encoding="utf-8")
    entry = f"[hall_edge.drivers]\n{DRIVER} = picture_scanner:PictureScanner\n"
    entry += f"{APART} = picture_scanner:ApartScanner\n"
    (info / "entry_points.txt").write_text(entry, encoding="utf-8")
    return str(site)
