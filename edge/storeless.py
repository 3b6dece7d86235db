"""What the window says while it has no store: that it is there, and why no device can be used.

A disk that is read-only or broken must not make the daemon start and end for ever: it stays, tells from memory what
is wrong, and tries again every few seconds. Nothing is accepted meanwhile; no driver is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from edge import __version__, logs
from edge.asked import storeless_tests
from edge.config import Config
from edge.control import Control
from edge.delivery.address import broker_address
from edge.delivery.publisher import Publisher
from edge.delivery.topics import Topics
from edge.delivery.transport import Message
from edge.errors import EdgeError, StoreError
from edge.health import process_figures, stamp
from edge.notify import Notifier, keep_alive
from edge.page.server import StatusPage
from edge.reload import CODES
from edge.watchdog import LIMIT_S
from edge.wire import (
    DeviceStatus,
    DiskHealth,
    Health,
    HealthProblem,
    Ladder,
    LinkHealth,
    OutboxHealth,
    WindowStatus,
)

WORTH_WAITING = frozenset({"STO-100", "STO-101", "STO-125"})
"""Codes of a store that may work again by itself."""
RETRY_S = 3.0
_END_S = 0.5
_log = logs.get("store")


class Storeless:
    """Keeps the retained states true until the store can be opened. In the event loop."""

    def __init__(self, config: Config, boot: str, epoch: int, notifier: Notifier) -> None:
        """*epoch* is that of the store, as far as it is known."""
        self._config, self._boot, self._epoch, self._notifier = config, boot, epoch, notifier
        self._topics = Topics(config.window.hall, config.window.window)
        self._since = stamp()
        self._error: StoreError
        self._publisher = Publisher(
            broker_address(config.mqtt, f"hall-edge-{config.window.hall}-{config.window.window}"),
            self._topics, config.mqtt.window, lambda: self._status(online=False),
            lambda _message: None, lambda _seq, _reason: None,
        )  # fmt: skip

    async def wait(
        self, error: StoreError, probe: Callable[[], Awaitable[None]], stop: asyncio.Event, reload: asyncio.Event
    ) -> bool:
        """Try *probe* every few seconds; return whether it has worked, ``False`` when *stop* was set first.

        *reload* is set when somebody wants the configuration to be read anew: that waits for the store, too.
        """
        self._error = error
        _log.error("no store: nothing is accepted", extra={"fields": {"code": error.code, "why": error.message}})
        self._tell()
        self._publisher.start()
        self._reload = reload
        tests = storeless_tests(self._config, self._publisher, lambda: self._status(online=True), lambda: self._error)
        path, streams = Path(self._config.paths.run) / "control.sock", {"selftest": tests.stream}
        control = Control(path, self._snapshot, self._reload_later, streams)
        feeding = asyncio.create_task(keep_alive(self._notifier, self._stalled))
        page = asyncio.create_task(StatusPage(self._config.page, self._snapshot).run())
        opened = False
        try:
            await control.start()
            self._notifier.ready(self._line())
            while not opened and not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RETRY_S)
                    break
                opened = await self._opened(probe)
        finally:
            feeding.cancel()
            page.cancel()
            await asyncio.wait([page])
            await control.stop()
            if opened:
                self._publisher.end(_END_S)
            else:
                self._publisher.stop(self._status(online=False), _END_S)
        return opened

    async def _opened(self, probe: Callable[[], Awaitable[None]]) -> bool:
        try:
            await probe()
        except StoreError as error:
            if error.code != self._error.code:
                _log.error(error.message, extra={"fields": {"code": error.code}})
            self._error = error
            self._tell()
            self._notifier.status(self._line())
            return False
        _log.info("there is a store again")
        return True

    def _tell(self) -> None:
        self._publisher.keep(self._status(online=True))
        for device in self._config.devices:
            if device.enabled:
                self._publisher.keep(self._of(self._topics.device_status(device.name), self._unusable()))

    async def _snapshot(self) -> dict[str, Any]:
        """Return what ``hall-edge status --json`` prints."""
        window, publisher = self._config.window, self._publisher
        devices = [device for device in self._config.devices if device.enabled]
        disk = shutil.disk_usage(self._config.paths.state)
        trouble = HealthProblem(code=self._error.code, message=self._error.message, action=self._error.action)
        health = Health(
            epoch=self._epoch, head_seq="0",
            delivery="confirmed" if self._config.subscribers else "broker-only",
            ladder=Ladder(accepted="0", sent="0", brokered="0"),
            outbox=OutboxHealth(depth=0, quarantined=0),
            link=LinkHealth(state=publisher.link, connects=publisher.connects, unheard=0),
            disk=DiskHealth(
                free_mb=disk.free // 1_000_000, used_percent=round(100 * disk.used / disk.total), accepting=False
            ),
            problems=(trouble,),
        )  # fmt: skip
        return {
            "hall": window.hall, "window": window.window, "lab": window.lab, "version": __version__,
            "since": self._since, "process": process_figures(threading.enumerate()),
            "devices": {
                one.name: msgspec.to_builtins(self._unusable()) | {"kind": one.driver_type.kind} for one in devices
            },
            "health": msgspec.to_builtins(health), "privacy": None,
        }  # fmt: skip

    async def _reload_later(self) -> dict[str, Any]:
        self._reload.set()
        raise EdgeError(CODES["SYS-164"], code="SYS-164", action=self._error.action)

    def _line(self) -> str:
        """Return what systemd shows."""
        return f"no store, nothing is accepted: {self._error.code}"

    def _stalled(self) -> str | None:
        """Return what makes no progress: here only the connection could, and the loop, which asks."""
        moved = self._publisher.moved
        return "mqtt" if moved is not None and time.monotonic() - moved > LIMIT_S else None

    def _unusable(self) -> DeviceStatus:
        error = self._error
        reason = "events cannot be stored on this PC"
        return DeviceStatus(
            state="attention", epoch=self._epoch, since=self._since, reason=reason, code=error.code, action=error.action
        )

    def _status(self, *, online: bool) -> Message:
        body = WindowStatus(
            state="online" if online else "offline", epoch=self._epoch, boot=self._boot, version=__version__,
            since=self._since, lab=self._config.window.lab, code=self._error.code,
        )  # fmt: skip
        return self._of(self._topics.status, body)

    def _of(self, topic: str, body: msgspec.Struct) -> Message:
        return Message(topic, msgspec.json.encode(body), retain=True, content_type="application/json")
