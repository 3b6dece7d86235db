"""SANE for tests: folders of its configuration, scanners in processes of their own, jobs and what came of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from drivers import _sane_names
from drivers._sane_frames import PageReader
from drivers._sane_library import Handle, Sane
from drivers._scan_job import ScanJob
from drivers.scanner_sane import SaneScanner, SaneSettings
from edge.driver import DeviceInfo, Driver, Job
from edge.errors import EdgeError
from edge.events import Page, Params, Payload, Scan, ScanStopped
from edge.jobs import DeviceJob
from edge.lanes.process import RemoteDriver
from edge.links.address import parse_address
from edge.port import DevicePort

TOLD = "settings.json"
OFF = ("hand-scanner", "three-pass", "read-limit", "read-delay", "fuzzy-parameters", "non-blocking")
FORGOTTEN: dict[str, str | int | bool] = {
    "mode": "Color",
    "read-return-value": "Default",
    "ppl-loss": 0,
    **dict.fromkeys(OFF, False),
}
"""The test backend keeps its options from one opening to the next, in one process."""
JOB = "00000000-0000-4000-8000-000000000001"
DEADLINE_S = 60.0


class Told(SaneScanner):
    """Takes other settings for every job, so that many jobs can share one process."""

    def execute(self, command: Params, job: Job) -> Iterator[Payload]:
        told = Path(os.environ["SANE_CONFIG_DIR"], TOLD).read_bytes()
        self.settings = msgspec.json.decode(told, type=SaneSettings)
        handle = self._take()
        for name, value in FORGOTTEN.items():
            handle.set(handle.options[name], value)
        self._give_back()
        return super().execute(command, job)


class JamsAtThree(SaneScanner):
    """Tells the test backend after the second page that the third one jams."""

    fault = "SANE_STATUS_JAMMED"

    def _page(self, handle: Handle, reader: PageReader, pages: ScanJob) -> Page | None:
        page = super()._page(handle, reader, pages)
        if pages.scanned == 2:
            handle.set(handle.options["read-return-value"], self.fault)
        return page


class BreaksAtThree(JamsAtThree):
    """Breaks off in the same place, and can be opened again."""

    fault = "SANE_STATUS_IO_ERROR"


class EmptyAtThree(JamsAtThree):
    """Says at the first read, not when it starts, that there is no third sheet."""

    fault = "SANE_STATUS_NO_DOCS"


class EndlessFeeder(SaneScanner):
    """Lays paper into the test backend's feeder, which is empty after ten sheets."""

    def _next(self, handle: Handle, job: Job) -> bool:
        return super()._next(handle, job) or super()._next(handle, job)


class AskedTwice(SaneScanner):
    """Has the scanner open already, as another program would."""

    def open(self) -> DeviceInfo:
        self._other = Sane()
        self._first = self._other.open(self._name)
        return super().open()


class Impatient(SaneScanner):
    """Believes within half a second that a silent scanner is gone."""

    def open(self) -> DeviceInfo:
        _sane_names.NETWORK_PATIENCE_S = 0.5
        return super().open()


@dataclass
class Result:
    """What a job led to."""

    events: list[Payload] = field(default_factory=list)
    pages: list[tuple[Page, bytes]] = field(default_factory=list)
    error: EdgeError | None = None

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def last(self) -> Payload:
        return self.events[-1]

    @property
    def stopped(self) -> tuple[str, int]:
        """Why it ended early, and how many pages there are."""
        assert isinstance(self.last, ScanStopped)
        return self.last.reason, self.last.pages


class Desk:
    """A scanner in a process of its own."""

    def told(self, config: Path, settings: Any = None, /, **options: Any) -> Desk:
        """Return the same scanner after telling ``Told`` what the next jobs are done with."""
        named = {name.replace("_", "-"): value for name, value in options.items()}
        (config / TOLD).write_bytes(msgspec.json.encode({**(settings or {}), "options": named}))
        return self

    def __init__(self, driver: Driver, port: DevicePort, info: DeviceInfo) -> None:
        self.driver = driver
        self.port = port
        self.info = info

    def scan(
        self, *, limit_s: float = DEADLINE_S, seen: Callable[[DeviceJob, Payload], None] | None = None, **params: Any
    ) -> Result:
        """Run a job; *seen* is told every event before the next one is asked for."""
        command = msgspec.convert({"dpi": 75, **params}, Scan)
        job = DeviceJob(JOB, command, time.monotonic() + limit_s)
        job.wake = self.port.wake
        result = Result()
        try:
            for event in self.driver.execute(command, job):
                result.events.append(event)
                if isinstance(event, Page):
                    result.pages.append((event, bytes(self.port.take_blob(event.blob.id))))
                if seen is not None:
                    seen(job, event)
        except EdgeError as error:
            result.error = error
        return result


@contextmanager
def scanner(
    config: Path,
    name: str = "test:0",
    settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    driver: type[SaneScanner] = SaneScanner,
) -> Iterator[Desk]:
    """Open the scanner *name* in a process of its own."""
    address = parse_address(f"sane:{name}?config={config}", driver.addresses)
    port = DevicePort("scanner-1", address, b"key")
    own: SaneSettings = msgspec.convert({**(settings or {}), "options": dict(options or {})}, SaneSettings)
    remote = RemoteDriver(driver, own, port)
    try:
        yield Desk(remote, port, remote.open())
    finally:
        remote.close()
