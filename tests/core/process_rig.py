"""A lane with a driver in a process of its own, and what can be seen of such processes from outside."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from edge.driver import DeviceInfo
from edge.errors import EdgeError
from edge.lanes.process import RemoteDriver
from edge.lanes.thread import ThreadLane
from tests.core.drivers_rig import STOPPED, Accepted, port_at
from tests.core.process_drivers import Doll, DollSettings
from tests.support.wait import wait_until_async


class Apart:
    """A lane whose driver does in its process what its settings name."""

    def __init__(self, driver: type[Doll] = Doll, **settings: str | int) -> None:
        self.port = port_at(digest_key=b"contract")
        self.driver = RemoteDriver(driver, DollSettings(**settings), self.port)  # type: ignore[arg-type]
        self.accepted = Accepted()
        self.lane = ThreadLane("dev-1", self.driver, self.port, self.accepted)

    async def __aenter__(self) -> Apart:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.lane.close(STOPPED)
        assert self.driver.pid is None

    @property
    def pid(self) -> int:
        assert self.driver.pid is not None
        return self.driver.pid

    async def error(self) -> EdgeError:
        """Open and serve until something fails; return what."""
        try:
            await self.lane.open()
            await self.lane.serve()
        except EdgeError as error:
            return error
        raise AssertionError("it was closed")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[asyncio.Task[None]]:
        """Have it open and polled."""
        await self.lane.open()
        task = asyncio.create_task(self.lane.serve())
        try:
            yield task
        finally:
            await self.lane.close(STOPPED)
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()


async def told(driver: type[Doll] = Doll, **settings: str | int) -> DeviceInfo:
    """Return what a driver tells about its process when it is opened."""
    async with Apart(driver, **settings) as apart:
        return await apart.lane.open()


def notes(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def ask(file: Path, deed: str) -> None:
    """Ask the driver that looks at *file* to do something, once."""
    half = file.with_suffix(".half")
    half.write_text(deed, encoding="utf-8")
    half.rename(file)


def status(pid: int) -> str:
    """Return the state of a process: ``R``, ``S``, ``T`` (stopped) …; ``Z`` when it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def runs(pid: int) -> bool:
    """Return whether there is such a process, and it is no zombie."""
    return status(pid) != "Z"


def children(pid: int) -> list[int]:
    """Return the children of all threads of *pid*."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended meanwhile
            found += map(int, task.read_text(encoding="utf-8").split())
    return found


def held() -> tuple[int, int, int]:
    """Return how many handles, threads and children this process has."""
    return len(os.listdir("/proc/self/fd")), threading.active_count(), len(children(os.getpid()))  # noqa: PTH208


async def gone(pid: int, within_s: float = 3.0) -> float:
    """Wait until a process has ended; return how long that took."""
    began = time.monotonic()
    await wait_until_async(lambda: not runs(pid), within_s, f"process {pid} has ended")
    return time.monotonic() - began
