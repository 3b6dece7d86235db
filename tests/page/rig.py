"""A status page of a test's own: the real server and files, with a window that says what the test wants."""

from __future__ import annotations

import asyncio
import copy
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from edge.config.tables import Page
from edge.health import stamp
from edge.page.server import StatusPage
from edge.wire import HealthProblem
from tests.support.broker import free_port
from tests.support.wait import wait_until, wait_until_async

DEVICES = {
    "id-1": ("id-card", "idcard_sdt", 1.0),
    "card-1": ("smart-card", "card_pcsc", 3.0),
    "cam-1": ("document-camera", "camera_uvc", 0.0),
    "scan-1": ("scanner", "scanner_escl", 40.0),
    "pad-1": ("evaluation-pad", "pad_serial", 2.0),
}


def snapshot() -> dict[str, Any]:
    """Return what a daemon says while all is well, with times that are right now."""
    devices = {
        name: {
            "state": "ready", "epoch": 1, "since": stamp(7200), "last_proven": stamp(proven_s),
            "kind": kind, "driver": driver, "mode": "live", "model": "M-1",
        }
        for name, (kind, driver, proven_s) in DEVICES.items()
    }  # fmt: skip
    return {
        "hall": "songjiang-district", "window": "w03", "lab": False, "version": "0.1.0", "since": stamp(11_000),
        "process": {"pid": 1, "resident_kib": 48_000, "handles": 40, "threads": 8},
        "devices": devices,
        "health": {
            "epoch": 1, "head_seq": "1284", "delivery": "confirmed",
            "ladder": {"accepted": "1284", "sent": "1284", "brokered": "1284", "confirmed": "1282"},
            "outbox": {"depth": 2, "oldest_s": 3.0, "quarantined": 0},
            "link": {"state": "up", "connects": 1, "unheard": 0},
            "disk": {"free_mb": 41_000, "used_percent": 30},
            "subscribers": {"case-system": {"upto_seq": "1282", "acked": stamp(4)}},
        },
        "privacy": {"full_reads_today": 23, "sensitive_kept": 2, "sensitive_oldest_s": 3.0},
    }  # fmt: skip


class Board:
    page: tuple[HealthProblem, ...] = ()


class Told:
    """A page with what it shows; :attr:`shown` may be changed at any time."""

    def __init__(self, **table: Any) -> None:
        self.port = table.setdefault("port", free_port())
        self.shown = snapshot()
        self.error: Exception | None = None
        self.asked = 0
        self.board = Board()
        self.page = StatusPage(Page(**table), self._snapshot, self.board)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def _snapshot(self) -> dict[str, Any]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return copy.deepcopy(self.shown)


@asynccontextmanager
async def served(told: Told, *, ready: bool = True) -> AsyncIterator[Told]:
    """Serve *told* in this event loop."""
    running = asyncio.create_task(told.page.run())
    try:
        if ready:
            await wait_until_async(lambda: listens(told.port), what="the page is served")
        yield told
    finally:
        running.cancel()
        await asyncio.wait([running])


@contextmanager
def in_background(told: Told) -> Iterator[Told]:
    """Serve *told* in a thread, for a browser that is driven from this one."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        async with served(told, ready=False):
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), name="page")
    thread.start()
    try:
        wait_until(lambda: listens(told.port), what="the page is served")
        yield told
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def listens(port: int, host: str = "127.0.0.1") -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
