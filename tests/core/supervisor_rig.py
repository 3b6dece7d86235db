"""A supervisor under an injected clock, with a driver that does as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from edge.device_state import DeviceState
from edge.driver import Settings
from edge.events import Payload
from edge.port import DevicePort
from edge.store.outbox import Row
from edge.supervisor import Supervisor
from tests.core.drivers_rig import Step, Told, port_at


class Clock:
    """A clock that only moves when somebody sleeps; long sleeps cost nothing."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps.append(seconds)
        await asyncio.sleep(0)


class Proving(Told):
    """A device that says something every 5 s when it is healthy."""

    proof_s = 5.0


class Bench:
    """A supervisor under an injected clock. ``script`` is taken step by step by ``open``; the last one stays."""

    def __init__(self, node: Path, script: Sequence[Step], driver: type[Told] = Told) -> None:
        self.clock = Clock()
        self.node = node
        self.script = list(script)
        self.driver_type = driver
        self.told: list[DeviceState] = []
        self.opened_at: list[float] = []
        self.on_make: Callable[[], None] = lambda: None
        self.supervisor = Supervisor(
            "dev-1", self._make, self._accept, lambda device: self.told.append(device.current),
            clock=self.clock, sleep=self.clock.sleep,
        )  # fmt: skip

    @property
    def states(self) -> list[str]:
        return [state.state for state in self.told]

    @property
    def driver(self) -> Told:
        driver = self.supervisor.driver
        assert isinstance(driver, Told)
        return driver

    def _make(self) -> tuple[Told, DevicePort]:
        self.on_make()
        port = port_at(self.node, clock=self.clock)
        driver = self.driver_type(Settings(), port)
        driver.on_open = self._open
        return driver, port

    def _open(self) -> Any:
        self.opened_at.append(self.clock.now)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return step()

    def _accept(self, _device: Supervisor, events: Sequence[Payload], _case: str | None) -> Sequence[Row]:
        return [Row(1, "id-1", "id-card/dev-1/presented", 1, b"") for _ in events]


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[None]:
    task = asyncio.create_task(bench.supervisor.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
