"""How long a device is out when its driver's process fails, under the supervisor that starts it again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.device_state import DeviceState
from edge.events import Payload
from edge.lanes.process import RemoteDriver
from edge.port import DevicePort
from edge.store.outbox import Row
from edge.supervisor import Supervisor
from tests.core.drivers_rig import port_at
from tests.core.process_drivers import Doll, DollSettings
from tests.core.process_rig import ask
from tests.support.wait import wait_until_async

LONGEST_S = 3.0
"""From the fault to the device that is ready again, on a PC that is not busy."""
BUSY_S = 2.0
"""What a busy one may add."""


class Desk:
    """A device under its supervisor; its driver does what is asked while it is polled."""

    def __init__(self, folder: Path) -> None:
        self.asked = folder / "asked"
        self.told: list[DeviceState] = []
        self.supervisor = Supervisor("dev-1", self._make, self._accept, lambda it: self.told.append(it.current))

    def _make(self) -> tuple[RemoteDriver, DevicePort]:
        port = port_at("device")
        return RemoteDriver(Doll, DollSettings(asked=str(self.asked)), port), port

    def _accept(self, _device: Supervisor, _events: Sequence[Payload], _case: str | None) -> Sequence[Row]:
        return []

    @property
    def pid(self) -> int:
        driver = self.supervisor.driver
        assert isinstance(driver, RemoteDriver)
        assert driver.pid is not None
        return driver.pid

    def ask(self, deed: str) -> None:
        ask(self.asked, deed)

    async def ready(self, times: int) -> None:
        await wait_until_async(lambda: [state.state for state in self.told].count("ready") >= times, 15, "it is ready")


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Desk]:
    desk = Desk(folder)
    task = asyncio.create_task(desk.supervisor.run())
    try:
        await desk.ready(1)
        yield desk
    finally:
        task.cancel()
        await asyncio.wait([task])


FAULTS: dict[str, tuple[Callable[[Desk], None], str, str]] = {
    "crash": (lambda desk: os.kill(desk.pid, signal.SIGSEGV), "fault", "DRV-105"),
    "killed": (lambda desk: os.kill(desk.pid, signal.SIGKILL), "fault", "DRV-105"),
    "stopped": (lambda desk: os.kill(desk.pid, signal.SIGSTOP), "stuck", "DRV-104"),
    "hung": (lambda desk: desk.ask("hang"), "stuck", "DRV-104"),
    "hung with the interpreter": (lambda desk: desk.ask("hang_with_everything"), "stuck", "DRV-104"),
    "out of memory": (lambda desk: desk.ask("leak_natively"), "fault", "DRV-105"),
    "bug": (lambda desk: desk.ask("bug"), "fault", "DRV-101"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_outage_is_short(tmp_path: Path, fault: str) -> None:
    do, state, code = FAULTS[fault]
    async with running(tmp_path) as desk:
        pid, began = desk.pid, time.monotonic()
        do(desk)
        await desk.ready(2)
        outage_s = time.monotonic() - began
        assert [one.state for one in desk.told] == ["ready", state, "ready"]
        assert desk.told[1].code == code
        assert desk.pid != pid
        assert outage_s < LONGEST_S + BUSY_S


async def test_what_says_that_it_is_simulated_is(tmp_path: Path) -> None:
    """By the device's own words, and before its first event is accepted."""
    desk = Desk(tmp_path)
    desk.supervisor.port.simulated = False
    assert isinstance(desk.supervisor.driver, RemoteDriver)
    desk.supervisor.driver.settings = DollSettings(on_open="simulated")
    task = asyncio.create_task(desk.supervisor.run())
    await desk.ready(1)
    assert desk.supervisor.port.simulated
    task.cancel()
    await asyncio.wait([task])
