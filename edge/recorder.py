"""Records a device while it works: the control socket's verb ``record``. Only replaced lines leave the daemon."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from edge import __version__
from edge.config import Device
from edge.devices import Devices
from edge.driver import Driver, Settings
from edge.errors import EdgeError
from edge.events import revealed
from edge.links.replay import HEAD, SETTINGS
from edge.port import DevicePort
from edge.recording import Lines, Said
from edge.substitute import Substitute
from edge.supervisor import Supervisor
from edge.traffic import Begins, Ends, Happening

LONGEST_S = 3600.0
_LOOK_S = 0.2


class Recorder:
    """Answers who wants to record one of *devices*."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices

    async def answer(self, asked: Mapping[str, Any], gone: asyncio.Event) -> AsyncIterator[dict[str, Any]]:
        """Yield ``head``, then ``lines`` again and again, then how it ``ended``; raises ``EdgeError``."""
        device, configured, make = self._wanted(asked.get("device"))
        limit_s = asked.get("seconds")
        limit_s = float(limit_s) if isinstance(limit_s, int | float) and 0 < limit_s <= LONGEST_S else LONGEST_S
        async for answer in _Session(device, make()).run(_head(configured), limit_s, gone):
            yield answer

    def _wanted(self, name: object) -> tuple[Supervisor, Device, Callable[[], Substitute]]:
        """Return the device called *name*, when it can be recorded now."""
        if not isinstance(name, str) or name not in self._devices:
            raise EdgeError(
                f"no device has the name {name!r}", code="REC-101", action=f"use one of {', '.join(self._devices)}"
            )
        device, configured = self._devices[name], self._devices.configured(name)
        check_driver(configured.driver_type)
        traffic = device.port.traffic
        if not device.usable or traffic.make is None or traffic.opening is None:
            what = f"{name} does not work now ({device.current.state})"
            raise EdgeError(what, code="REC-104", action="mend it first: hall-edge selftest")
        if traffic.ear is not None:
            raise EdgeError(f"{name} is being recorded already", code="REC-105", action="wait for the other recording")
        return device, configured, traffic.make


def check_driver(driver: type[Driver]) -> None:
    """Raise when what *driver* says cannot be recorded."""
    if driver.lane == "process" or not any(form.scheme == "replay" for form in driver.addresses):
        what = f"{driver.__name__} speaks to its device through a library, not by bytes on a link"
        raise EdgeError(what, code="REC-102", action="send the supplier a bundle instead: hall-edge bundle")
    if driver.substitute is None and not driver.public_traffic:
        what = f"{driver.__name__} does not say how personal data in its traffic is replaced"
        raise EdgeError(what, code="REC-103", action="ask the driver's author for a substitute (docs/drivers.md)")


def _head(configured: Device) -> list[str]:
    settings = json.dumps(_given(configured.settings), sort_keys=True)
    day = datetime.now(UTC).date().isoformat()
    return [
        f"{HEAD} {configured.driver}",
        f"# made by hall-edge {__version__} on {day}; people, cards and serial numbers in it are invented",
        f"{SETTINGS}{settings}",
    ]


def _given(settings: Settings) -> dict[str, Any]:
    """Return the settings that say anything: TOML has no word for nothing."""
    return {key: value for key, value in msgspec.to_builtins(settings).items() if value is not None}


class _Session:
    """One recording, until somebody or something ends it."""

    def __init__(self, device: Supervisor, substitute: Substitute) -> None:
        self._device = device
        self._port: DevicePort = device.port
        self._substitute = substitute
        self._lines = Lines(substitute)
        self._begun = False
        self._queue: asyncio.Queue[Happening] = asyncio.Queue()

    async def run(self, head: list[str], limit_s: float, gone: asyncio.Event) -> AsyncIterator[dict[str, Any]]:
        loop, traffic = asyncio.get_running_loop(), self._port.traffic
        traffic.ear = lambda happening: _hand_over(loop, self._queue, happening)
        self._skipping = traffic.working
        end = loop.time() + limit_s
        try:
            yield {"head": head}
            while not (lost := self._lost()) and not gone.is_set() and loop.time() < end:
                if lines := await self._heard():
                    yield {"lines": lines}
        finally:
            traffic.ear = None
        await asyncio.sleep(0)  # what a thread has handed over by now
        lines = [line for happening in self._left() for line in self._of(happening)]
        lines += self._lines.end(self._port.monotonic()) if self._begun else []
        yield {"lines": [*lines, "! absent"] if lost and self._begun else lines}
        yield {"ended": "lost" if lost else "asked" if gone.is_set() else "time", "begun": self._begun}

    def _lost(self) -> bool:
        """Return whether the device has gone, or is another one now."""
        return self._device.port is not self._port or not self._device.usable

    async def _heard(self) -> list[str]:
        """Return the lines of what is heard next, if anything soon is."""
        try:
            first = await asyncio.wait_for(self._queue.get(), _LOOK_S)
        except TimeoutError:
            return []
        return [line for happening in (first, *self._left()) for line in self._of(happening)]

    def _left(self) -> Iterator[Happening]:
        while not self._queue.empty():
            yield self._queue.get_nowait()

    def _of(self, happening: Happening) -> list[str]:
        """Return the lines that *happening* completes."""
        if isinstance(happening, Ends):
            self._skipping = False
            return []
        if isinstance(happening, Begins):
            if happening.command is None or not (self._begun or self._substitute.starts("$", b"")):
                self._skipping = True
                return []
            happening = Said(happening.at, "$", self._told(happening))
        elif self._skipping or not (self._begun or self._substitute.starts(happening.sign, happening.data)):
            return []
        opening = [] if self._begun else self._port.traffic.opening or []
        self._begun = True
        return [*opening, *self._lines.of(happening)]

    def _told(self, begins: Begins) -> bytes:
        """Return a command as it stands in a recording."""
        command = begins.command
        assert command is not None  # noqa: S101  # by its caller
        params = self._substitute.params(revealed(command), command.sealed_params)
        return f"{command.command} {json.dumps(params, sort_keys=True)}".encode("ascii")


def _hand_over(loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[Happening], happening: Happening) -> None:
    """Pass on what a lane's thread has heard."""
    try:
        loop.call_soon_threadsafe(queue.put_nowait, happening)
    except RuntimeError:  # the loop has ended: nobody records any more
        return
