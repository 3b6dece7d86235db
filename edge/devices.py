"""The devices that run now, each with its supervisor and its task, and how they become those of a new configuration."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from edge.config import Device
from edge.driver import Driver
from edge.errors import EdgeError
from edge.events import Payload
from edge.lanes.process import RemoteDriver
from edge.plugging.plugged import Plugged
from edge.port import DevicePort
from edge.store.outbox import Row
from edge.supervisor import Supervisor
from edge.traffic import substitute_of

CLOSE_S = 10.0
"""So long a change waits for the devices that leave; one that hangs longer goes on leaving by itself."""


@dataclass(eq=False)
class _Running:
    """One device; without a task it has not begun."""

    configured: Device
    supervisor: Supervisor
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True)
class Plan:
    """What a new configuration means for the devices; everything that it needs is made, and nothing has happened."""

    names: tuple[str, ...]
    fresh: Mapping[str, _Running] = field(repr=False)


class Changes(NamedTuple):
    """What has become of the devices, by name."""

    kept: tuple[str, ...]
    opened: tuple[str, ...]
    reopened: tuple[str, ...]
    closed: tuple[str, ...]


class Devices(Mapping[str, Supervisor]):
    """By name. Everything but :meth:`plan` is for the event loop."""

    def __init__(self, accept: Callable[[Device, Supervisor, Sequence[Payload], str | None], Sequence[Row]]) -> None:
        """*accept* makes the events of a device durable; it is called in the lanes' threads."""
        self.digest_key = b""
        """What the numbers of devices and cards are digested with."""
        self.plugged: Callable[[], Sequence[Plugged] | None] = lambda: None
        """Returns what is plugged into the PC, as far as it is known."""
        self.changed: Callable[[Supervisor], None] = lambda _: None
        """Called when the state of a device has changed."""
        self.on_ready: Callable[[Supervisor], None] = lambda _: None
        """Called when a device is open, before that is told."""
        self.ended: Callable[[asyncio.Task[None]], None] = lambda _: None
        """Called when a device's task has ended, which it does only when it is cancelled, or by a bug."""
        self._accept = accept
        self._running: dict[str, _Running] = {}
        self._leaving: set[_Running] = set()
        self._held: EdgeError | None = None

    def __getitem__(self, name: str) -> Supervisor:
        return self._running[name].supervisor

    def __iter__(self) -> Iterator[str]:
        return iter(self._running)

    def __len__(self) -> int:
        return len(self._running)

    def configured(self, name: str) -> Device:
        """Return what the configuration says of a device."""
        return self._running[name].configured

    def tasks(self) -> list[asyncio.Task[None]]:
        """Return the tasks of all devices, also of those that leave."""
        return [one.task for one in (*self._running.values(), *self._leaving) if one.task is not None]

    def moves(self) -> dict[str, float]:
        """Return when each device was last looked after by its own watch."""
        leaving = {f"{one.configured.name} (leaving)": one for one in self._leaving}
        return {name: one.supervisor.moved for name, one in (leaving | self._running).items() if one.task is not None}

    def hold(self, why: EdgeError | None) -> None:
        """Keep every device closed for *why*; ``None``: let them go."""
        self._held = why
        for one in self._running.values():
            one.supervisor.hold(why)

    def plan(self, wanted: Iterable[Device]) -> Plan:
        """Make what is new or changed in *wanted*; raises what a driver's constructor raises. Any thread."""
        now = self._running
        enabled = {device.name: device for device in wanted if device.enabled}
        fresh = {
            name: self._made(device)
            for name, device in enabled.items()
            if name not in now or now[name].configured != device
        }
        return Plan(tuple(enabled), fresh)

    async def begin(self, plan: Plan) -> None:
        """Start the devices of *plan*; there were none before."""
        self._running = dict(plan.fresh)
        await self._start(plan.fresh.values())

    async def change(self, plan: Plan, between: Callable[[], Awaitable[None]]) -> Changes:
        """Become what *plan* says; *between* runs when what leaves is closed and before what is new is opened.

        A device whose table is the same does not notice.
        """
        before = self._running
        old = [one for name, one in before.items() if name not in plan.names or name in plan.fresh]
        self._running = {name: plan.fresh.get(name) or before[name] for name in plan.names}
        await self._let_go(old)
        await between()
        await self._start(plan.fresh.values())
        return Changes(
            kept=tuple(name for name in plan.names if name not in plan.fresh),
            opened=tuple(name for name in plan.fresh if name not in before),
            reopened=tuple(name for name in plan.fresh if name in before),
            closed=tuple(name for name in before if name not in plan.names),
        )

    def _made(self, device: Device) -> _Running:
        make = functools.partial(self._make, device)
        accept = functools.partial(self._accept, device)
        return _Running(device, Supervisor(device.name, make, accept, self._tell))

    def _make(self, device: Device) -> tuple[Driver, DevicePort]:
        public = device.driver_type.public_traffic
        port = DevicePort(device.name, device.address, self.digest_key, public_traffic=public, plugged=self.plugged)
        port.traffic.make = substitute_of(device.driver_type, device.settings)
        if device.driver_type.lane == "process":
            return RemoteDriver(device.driver_type, device.settings, port), port
        return device.driver_type(device.settings, port), port

    def _tell(self, supervisor: Supervisor) -> None:
        """Pass on what is told of a device, but for one that another has replaced."""
        one = self._running.get(supervisor.name)
        if one is not None and one.supervisor is supervisor:
            self.changed(supervisor)

    async def _start(self, fresh: Iterable[_Running]) -> None:
        """Start devices; return when each has its lane."""
        started = list(fresh)
        for one in started:
            one.supervisor.on_ready = self._ready
            if self._held is not None:
                one.supervisor.hold(self._held)
            one.task = asyncio.create_task(one.supervisor.run(), name=one.configured.name)
            one.task.add_done_callback(self.ended)
        while any(not (one.supervisor.moved or (one.task and one.task.done())) for one in started):  # noqa: ASYNC110  # two turns of the loop
            await asyncio.sleep(0)

    def _ready(self, supervisor: Supervisor) -> None:
        self.on_ready(supervisor)

    async def _let_go(self, old: Iterable[_Running]) -> None:
        """Close devices; whoever takes very long goes on by itself."""
        tasks = []
        for one in old:
            if one.task is None:
                continue
            self._leaving.add(one)
            one.task.add_done_callback(functools.partial(self._left, one))
            one.task.cancel()
            tasks.append(one.task)
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_S)

    def _left(self, one: _Running, _task: asyncio.Task[None]) -> None:
        self._leaving.discard(one)
