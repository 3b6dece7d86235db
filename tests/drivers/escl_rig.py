"""An eSCL scanner on this machine's loopback, its driver, and a clock that does not wait."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from drivers.scanner_escl import CODES, EsclScanner, EsclSettings
from edge.errors import DeviceError, EdgeError
from edge.events import Page, Payload, Scan, ScanCompleted, ScanStopped
from edge.jobs import DeviceJob
from edge.links.address import parse_address
from edge.port import DevicePort
from simulators.scanner_escl import EsclScanner as Simulator
from simulators.words import Words

REQUEST = "00000000-0000-4000-8000-000000000001"
_JOB = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class QuickPort(DevicePort):
    """Waits by moving its clock: a driver's minute takes no time."""

    def __init__(self, address: str) -> None:
        self.skipped_s = 0.0
        self.speed = 1.0
        """How fast its clock runs."""
        self._began = time.monotonic()
        super().__init__("scanner-1", parse_address(address, EsclScanner.addresses), clock=self._now)
        self.on_idle: Callable[[], None] = lambda: None
        self.sleeps = False
        """Whether it waits after all, for a scanner that minds."""

    def _now(self) -> float:
        return self._began + (time.monotonic() - self._began) * self.speed + self.skipped_s

    def idle(self, wait_s: float) -> bool:
        if self.sleeps:
            time.sleep(wait_s)
        else:
            self.skipped_s += wait_s
        self.on_idle()
        return False


@dataclass
class Outcome:
    """What came of a command."""

    events: list[Payload] = field(default_factory=list)
    pages: list[bytes] = field(default_factory=list)
    error: EdgeError | None = None
    reports: list[str] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def sides(self) -> list[Page]:
        return [event for event in self.events if isinstance(event, Page)]

    @property
    def code(self) -> str | None:
        return self.error.code if self.error else None

    @property
    def stopped(self) -> tuple[str, int]:
        """Why and behind how many pages the job stopped."""
        end = self.events[-1]
        assert isinstance(end, ScanStopped), self.types
        assert end.pages == len(self.pages)
        return end.reason, end.pages

    @property
    def completed(self) -> int:
        end = self.events[-1]
        assert isinstance(end, ScanCompleted), (self.types, self.error)
        assert self.error is None
        assert end.pages == len(self.pages)
        return end.pages


class Rig:
    """A scanner and its driver, opened."""

    def __init__(self, simulator: Simulator, **settings: Any) -> None:
        self.simulator = simulator
        self.port = QuickPort(simulator.address)
        self.driver = EsclScanner(msgspec.convert(settings, EsclSettings), self.port)
        self.do = simulator.do

    @property
    def requests(self) -> list[str]:
        """What the scanner was asked since it was there; jobs' names are left out."""
        return [_JOB.sub("JOB", line) for line in self.simulator.server.requests]

    def scan(
        self, on_event: Callable[[Payload, DeviceJob], None] = lambda _event, _job: None, **wishes: Any
    ) -> Outcome:
        """Carry out a command; small grey pages unless told otherwise."""
        wishes = {"source": "feeder", "dpi": 75, "color": "gray", "size": "a5", **wishes}
        outcome = Outcome()
        command = msgspec.convert(wishes, Scan)
        job = DeviceJob(
            REQUEST, command, time.monotonic() + 50, progress=lambda code, _step, _of: outcome.reports.append(code)
        )
        try:
            for event in self.driver.execute(command, job):
                outcome.events.append(event)
                if isinstance(event, Page):
                    page = bytes(self.port.take_blob(event.blob.id))
                    assert len(page) == event.blob.size
                    outcome.pages.append(page)
                on_event(event, job)
        except EdgeError as error:
            outcome.error = error
        return outcome


@contextmanager
def scanner(folder: Path, **options: object) -> Iterator[Simulator]:
    """Switch a scanner on while the context lasts."""
    simulator = Simulator(folder / "scanner", Words.from_options(options), 1)
    simulator.plug()
    try:
        yield simulator
    finally:
        simulator.unplug()


@contextmanager
def rig(folder: Path, settings: dict[str, Any] | None = None, **options: object) -> Iterator[Rig]:
    """Switch a scanner on and open it while the context lasts."""
    with scanner(folder, **options) as simulator:
        made = Rig(simulator, **(settings or {}))
        made.driver.open()
        try:
            yield made
        finally:
            made.driver.close()


Made = Callable[..., Rig]
"""Switches a scanner with these options on, and opens it with these settings."""


@contextmanager
def rigs(folder: Path) -> Iterator[Made]:
    """Yield what makes scanners; they are there while the context lasts."""
    with ExitStack() as stack:
        yield lambda settings=None, **options: stack.enter_context(rig(folder, settings, **options))


def opened(address: str, **settings: object) -> EsclScanner:
    driver = EsclScanner(msgspec.convert(settings, EsclSettings), QuickPort(address))
    try:
        driver.open()
    finally:
        driver.close()
    return driver


def refused(address: str, kind: type[DeviceError], **settings: object) -> str:
    with pytest.raises(kind) as caught:
        opened(address, **settings)
    assert caught.value.code in CODES
    assert caught.value.action
    return caught.value.code
