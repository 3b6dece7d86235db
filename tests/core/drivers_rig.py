"""Drivers that do as a test tells them, and the parts that a lane or a supervisor stands on."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from edge.driver import DeviceInfo, Driver, Finding, Job, Settings
from edge.errors import DeviceTimeout, EdgeError
from edge.events import Evaluate, Params, Payload, Presented
from edge.jobs import DeviceJob
from edge.lanes.thread import ThreadLane
from edge.links.address import Address
from edge.port import DevicePort
from edge.selftest.model import Level
from edge.store.outbox import Row
from tests.support.wait import wait_until_async

Step = Callable[[], Any]
HANG_LIMIT_S = 10.0
STOPPED = DeviceTimeout("the test is over")


class Hang:
    """A call that does not return until it is let go; an event of Python, so that nothing else waits with it."""

    def __init__(self) -> None:
        self.begun, self._go = threading.Event(), threading.Event()

    def __call__(self, *_: object) -> Any:
        self.begun.set()
        self._go.wait(HANG_LIMIT_S)
        return ()

    def let_go(self) -> None:
        self._go.set()


class Told(Driver):
    """Does what its ``on_…`` attributes say. A poll without orders waits until it is woken."""

    kind = "evaluation-pad"
    settings_type = Settings
    commands = (Evaluate,)
    poll_limit_s = 0.1

    def __init__(self, settings: Settings, port: Any) -> None:
        super().__init__(settings, port)
        self.calls: list[str] = []
        self.on_open: Step = DeviceInfo
        self.on_poll: Step | None = None
        self.on_close: Step = lambda: None
        self.on_execute: Callable[..., Iterable[Payload]] = lambda _job: ()
        self.on_selftest: Callable[..., Iterable[Finding]] = lambda _level, _job: ()
        self.rest = threading.Event()

    def open(self) -> DeviceInfo:
        self.calls.append("open")
        return self.on_open()  # type: ignore[no-any-return]

    def poll(self, wait_s: float) -> Iterable[Payload]:
        if self.on_poll is not None:
            return self.on_poll()  # type: ignore[no-any-return]
        self.rest.wait(min(wait_s, 0.005))
        return ()

    def close(self) -> None:
        self.calls.append("close")
        self.on_close()

    def execute(self, command: Params, job: Job) -> Iterable[Payload]:
        assert isinstance(command, self.commands)
        self.calls.append("execute")
        return self.on_execute(job)

    def selftest(self, level: Level, job: Job) -> Iterable[Finding]:
        self.calls.append("selftest")
        return self.on_selftest(level, job)


class Patient(Told):
    """May take its time."""

    poll_limit_s = 5.0


def fails(error: BaseException) -> Step:
    """Return a step that raises *error*."""

    def step(*_: object) -> Any:
        raise error

    return step


def port_at(path: str | Path = "/nowhere", **more: Any) -> DevicePort:
    return DevicePort("dev-1", Address("serial", str(path), {}), **more)


class Accepted:
    """Takes events as the outbox does, and keeps the batches."""

    def __init__(self) -> None:
        self.batches: list[list[Payload]] = []
        self.cases: list[str | None] = []
        self.on_batch: Callable[[], None] = lambda: None

    def __call__(self, events: Sequence[Payload], case: str | None) -> list[Row]:
        first = 1 + sum(map(len, self.batches))
        self.batches.append(list(events))
        self.cases.append(case)
        self.on_batch()
        return [Row(first + n, f"id-{first + n}", "id-card/dev-1/presented", 1, b"") for n in range(len(events))]


class Lane:
    """A lane with a driver that does as told; ``async with`` closes it."""

    def __init__(self, driver: type[Told] = Told) -> None:
        port = port_at()
        self.driver = driver(Settings(), port)
        self.accepted = Accepted()
        self.lane = ThreadLane("dev-1", self.driver, port, self.accepted)

    async def __aenter__(self) -> Lane:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.lane.close(STOPPED)


class Watched:
    """A job, and how often and how it ended."""

    def __init__(self, deadline_s: float = 30.0, case: str | None = None) -> None:
        self.ends: list[tuple[list[str], EdgeError | None]] = []
        self.progress: list[str] = []
        self.job = DeviceJob(
            str(uuid.uuid4()),
            Evaluate(),
            time.monotonic() + deadline_s,
            case=case,
            progress=lambda code, _step, _of: self.progress.append(code),
            finished=lambda rows, error: self.ends.append(([row.id for row in rows], error)),
        )

    async def reports(self, code: str) -> None:
        """Wait for this progress."""
        await wait_until_async(lambda: code in self.progress)

    async def ended(self) -> None:
        """Wait for its end."""
        await wait_until_async(lambda: self.ends)

    @property
    def code(self) -> str | None:
        """The code of the one error it ended with; ``None`` for a good end."""
        ((_, error),) = self.ends
        return error.code if error is not None else None


def cards(count: int) -> list[Payload]:
    return [Presented() for _ in range(count)]
