"""What the window tells of itself: its retained status, its devices' states, its health, and ``hall-edge status``."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal

import msgspec

from edge import __version__
from edge import health as healths
from edge.config import Config
from edge.delivery.publisher import Publisher
from edge.delivery.topics import Topics
from edge.delivery.transport import Message
from edge.devices import Devices
from edge.errors import EdgeError
from edge.health import HealthWatch
from edge.state_dir import KeptKey, known_names
from edge.store.outbox import Outbox
from edge.store.tally import Privacy
from edge.supervisor import Supervisor
from edge.wire import DeviceAbout, Health, WindowStatus

_HEALTH_S = 15.0
_STORE_S = 2.0


class Announcer:
    """Keeps the window's retained messages true. In the event loop, but for :meth:`status` and :meth:`heard_status`."""

    def __init__(self, config: Config, topics: Topics, boot: str, window_key: KeptKey, devices: Devices) -> None:
        self._config, self._topics, self._boot = config, topics, boot
        self._window_key, self._devices = window_key, devices
        self._key: dict[str, Any] | None = None
        self._since = healths.stamp()
        self._told = False  # whether the broker has our own status
        self._ending = False
        self._asked: Future[Any] | None = None  # what the store has not answered yet
        self._outbox: Outbox
        self._publisher: Publisher
        self._health: HealthWatch

    def attach(self, outbox: Outbox, publisher: Publisher, health: HealthWatch) -> None:
        """Take what is built after the publisher has got its last will from here."""
        self._outbox, self._publisher, self._health = outbox, publisher, health

    def status(self, state: Literal["online", "offline"], code: str | None = None) -> Message:
        """Return the window's retained status; ``offline`` is also its last will, and says why by *code*."""
        body = WindowStatus(
            state=state,
            epoch=self._outbox.epoch,
            boot=self._boot,
            version=__version__,
            since=self._since,
            lab=self._config.window.lab,
            code=code,
            key=self._key,
        )
        return _retained(self._topics.status, body)

    def offline(self, failure: EdgeError | None = None) -> Message:
        """Return the last status of this run; from now on nothing heard is repaired."""
        self._ending = True
        return self.status("offline", failure.code if failure else None)

    def begin(self, gone: Iterable[str] = ()) -> None:
        """Publish everything once, and take back what was said of devices that are configured no more, as *gone* is.

        Also after each change of the devices.
        """
        self._key = self._window_key.public if self._devices_take_sealed() else None
        self._publisher.keep(self.status("online"))
        for device in self._devices.values():
            self.device(device)
        known = set(gone)
        with contextlib.suppress(OSError):  # a full disk: the names are kept at the next start
            known |= known_names(Path(self._config.paths.state) / "devices", self._devices)
        for name in known - self._devices.keys():
            for topic in (self._topics.device_status(name), self._topics.device_about(name)):
                self._publisher.keep(Message(topic, b"", retain=True))

    def device(self, device: Supervisor) -> None:
        """Publish the state and the description of *device*."""
        status = healths.device_status(device, self._outbox.epoch)
        self._publisher.keep(_retained(self._topics.device_status(device.name), status))
        self._publisher.keep(_retained(self._topics.device_about(device.name), self._about(device)))

    def heard_status(self, payload: bytes) -> None:
        """Repair a late last will of ours; notice another daemon with our name (mosquitto 2.0.11 does not tell).

        Called in the MQTT thread.
        """
        with contextlib.suppress(ValueError, TypeError, OverflowError, RecursionError):
            seen = msgspec.json.decode(payload, type=dict[str, Any]) if payload else {}
            ours = (seen.get("boot"), seen.get("since")) == (self._boot, self._since)
            if seen.get("state") == "online":
                if self._told and not ours:
                    self._publisher.give_way()
                self._told = self._told or ours
            elif int(seen.get("epoch") or 0) <= self._outbox.epoch and not self._ending:
                self._publisher.send(self.status("online"))

    async def tell_health(self) -> None:
        """Publish health and devices every 15 s, after the end of a burst, and when another problem is found."""
        while True:
            head = self._outbox.head
            body = await self._health_body()
            self._publisher.keep(_retained(self._topics.health, body))
            for device in self._devices.values():
                self.device(device)
            due = time.monotonic() + _HEALTH_S
            while (wait_s := due - time.monotonic()) > 0:
                await asyncio.sleep(min(1.0, wait_s))
                if self._outbox.head != head and self._publisher.brokered == self._outbox.head:
                    break  # a burst is over: tell its end, so that a lost tail is noticed
                if self._health.problems.found() != body.problems:
                    break

    async def snapshot(self) -> dict[str, Any]:
        """Return what ``hall-edge status --json`` prints."""
        window = self._config.window
        oldest_s, privacy = await self._ages()
        return {
            "hall": window.hall,
            "window": window.window,
            "lab": window.lab,
            "version": __version__,
            "since": self._since,
            "process": healths.process_figures(threading.enumerate()),
            "devices": {
                name: msgspec.to_builtins(healths.device_status(device, self._outbox.epoch)) | self._what(device)
                for name, device in self._devices.items()
            },
            "health": msgspec.to_builtins(self._health.snapshot(oldest_s)),
            "privacy": privacy and privacy._asdict(),
        }

    def _what(self, device: Supervisor) -> dict[str, Any]:
        """Return what *device* is."""
        about = msgspec.to_builtins(self._about(device))
        return {key: about[key] for key in ("kind", "driver", "mode", "model", "firmware") if key in about}

    def _about(self, device: Supervisor) -> DeviceAbout:
        configured = self._devices.configured(device.name)
        return healths.device_about(device, configured.driver, configured.mode)

    async def _health_body(self) -> Health:
        return self._health.snapshot((await self._ages())[0])

    async def _ages(self) -> tuple[float | None, Privacy | None]:
        """Return the age of the oldest row, and the figures of privacy.

        A store that hangs or has failed keeps nobody from telling the rest.
        """
        if self._asked is None:
            self._asked = self._outbox.ages()
        asked = self._asked
        answer = asyncio.wrap_future(asked)
        answer.add_done_callback(lambda late: late.cancelled() or late.exception())  # maybe nobody waits any more
        await asyncio.wait([answer], timeout=_STORE_S)
        if not asked.done():
            return None, None
        self._asked = None
        oldest_s, privacy = (None, None) if asked.exception() else asked.result()
        return None if oldest_s is None else round(oldest_s, 1), privacy

    def _devices_take_sealed(self) -> bool:
        return any(command.sealed_params for device in self._devices.values() for command in device.driver.commands)


def _retained(topic: str, body: msgspec.Struct) -> Message:
    return Message(topic, msgspec.json.encode(body), retain=True, content_type="application/json")
