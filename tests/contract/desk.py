"""A driver under test with everything around it: device, cable, port, and what both held before."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from edge.driver import Driver
from edge.errors import DeviceAbsent, DeviceError, EdgeError
from edge.events import Payload
from edge.jobs import DeviceJob
from edge.lanes.process import RemoteDriver
from edge.links.address import Address, parse_address
from tests.contract.benches import Attached, DriverBench, Hand
from tests.contract.cable import Cable
from tests.contract.harness import Asleep, Call, HarnessPort, held, polled, taken
from tests.support.wait import wait_until

CODE = re.compile(r"[A-Z]{3}-\d{3}")
REQUEST_ID = "00000000-0000-4000-8000-000000000001"
LONG_S = 60.0
STEPS_S = 0.2


class Desk:
    """Makes drivers for one test; everything is closed with *stack*."""

    def __init__(self, name: str, bench: DriverBench, folder: Path, stack: ExitStack) -> None:
        self.name = name
        self.bench = bench
        self.folder = folder
        self.stack = stack
        self.problems: list[BaseException] = []
        """What left a driver and should not have."""
        self.reported: list[str] = []
        """What the command has reported so far."""

    @cached_property
    def device(self) -> Attached:
        """The device; it is there from now on."""
        self.folder.joinpath("device").mkdir()
        return self.stack.enter_context(self.bench.attach(self.folder / "device" / "node"))

    @property
    def hand(self) -> Hand:
        """Who does something at the device."""
        return self.device.hand

    @cached_property
    def cable(self) -> Cable:
        """The cable to a device on a line, plugged in."""
        assert self.bench.line, "use the fixture line_desk"
        cable = Cable(self.folder / "line", Path(self.device.address.removeprefix("serial://")))
        self.stack.callback(cable.close)
        return cable

    def plug(self) -> None:
        """Let the device be there, if it is not."""
        (self.cable if self.bench.line else self.device).plug()

    def unplug(self) -> None:
        """Take the device away."""
        (self.cable if self.bench.line else self.device).unplug()

    @property
    def address(self) -> Address:
        """Where the driver finds its device."""
        return line(self.cable.node) if self.bench.line else self._parsed(self.device.address)

    def port(self) -> HarnessPort:
        """Return a new port to the device."""
        return HarnessPort(self.address, public_traffic=self.bench.driver_type.public_traffic)

    def absent_port(self) -> HarnessPort:
        """Return a port to nothing."""
        nowhere = line(self.folder / "absent") if self.bench.line else self._parsed(self.bench.absent)
        return HarnessPort(nowhere, public_traffic=self.bench.driver_type.public_traffic)

    def _parsed(self, address: str) -> Address:
        return parse_address(address, self.bench.driver_type.addresses)

    def driver(self, port: HarnessPort | None = None, settings: Mapping[str, Any] | None = None) -> Driver:
        """Return a new driver; it is closed with the desk."""
        port = port or self.port()
        made = self.bench.made(port, settings)
        self.stack.callback(made.close)
        if isinstance(made, RemoteDriver):
            port.waiting = Asleep(made)
        return made

    def opened(self, settings: Mapping[str, Any] | None = None) -> tuple[Driver, HarnessPort]:
        """Return a driver that is open, and its port."""
        port = self.port()
        driver = self.driver(port, settings)
        driver.open()
        return driver, port

    def do(self, *lines: str) -> None:
        """Do *lines* at the device, which hears and is heard at the driver's rate."""
        if self.bench.line:
            self.cable.tune()
        for words in lines:
            self.hand.do(words)

    def job(self, port: HarnessPort, limit_s: float = LONG_S) -> DeviceJob:
        """Return a job for the bench's command."""
        assert self.bench.command is not None
        deadline = port.monotonic() + limit_s
        self.reported = []
        job = DeviceJob(REQUEST_ID, self.bench.command, deadline, progress=lambda text, *_: self.reported.append(text))
        job.wake = port.wake
        return job

    def execute(self, driver: Driver, port: HarnessPort, job: DeviceJob) -> tuple[Call[list[Payload]], list[Payload]]:
        """Begin the bench's command; returns when the driver waits for its device, with what it has yielded."""
        events: list[Payload] = []
        port.waiting.clear()
        call = Call(lambda: taken(driver, driver.execute(job.command, job), events))
        asked_by = {self.bench.event_by_command} - {True, False}

        def waits() -> bool:
            return asked_by.issubset(self.reported) and port.waiting.is_set()

        wait_until(lambda: waits() or call.ended, what="the command waits")
        return call, events

    def eventful(
        self, driver: Driver, port: HarnessPort, into: list[Payload] | None = None, lines: Sequence[str] = ()
    ) -> list[Payload]:
        """Make the device say something and return the events; *into* keeps those before an error."""
        events: list[Payload] = [] if into is None else into
        if not self.bench.event_by_command:
            self.do(*(lines or self.bench.event))
            return polled(driver, into=events)
        call, found = self.execute(driver, port, self.job(port))
        try:
            self.do(*(lines or self.bench.event))
            call.result()
        finally:
            events += found
        return events


def line(node: Path) -> Address:
    """Return the address of a serial line."""
    return Address("serial", str(node), {})


def checked(error: EdgeError) -> EdgeError:
    """Return *error* if it says what the contract asks for: a stable code, what was seen, one action."""
    assert CODE.fullmatch(error.code), error
    assert error.message
    assert error.action
    return error


@contextmanager
def device_error(*kinds: type[DeviceError]) -> Iterator[list[DeviceError]]:
    """Expect one of *kinds*, well-formed; yields a list that will hold it."""
    found: list[DeviceError] = []
    try:
        yield found
    except kinds as error:
        checked(error)
        found.append(error)
    else:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise AssertionError(f"the driver did not raise {names}")


@contextmanager
def nothing_left() -> Iterator[None]:
    """Expect that no handle and no thread is left of what was done inside; others may end meanwhile."""
    before = [Counter(things) for things in held()]

    def added() -> list[Counter[str]]:
        return [Counter(now) - then for now, then in zip(held(), before, strict=True)]

    yield
    wait_until(lambda: not any(added()), STEPS_S * 75, "handles and threads are as before")


def absent(driver: Driver) -> None:
    """See that *driver* says of its device that it is not there, and lets go; a process of its own waits for that."""
    with device_error(DeviceAbsent):
        driver.open()
    if driver.opens_again:
        driver.close()
