"""What is plugged in besides: devices that nobody has configured, and one that is missing and stands elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from edge.config import Device
from edge.errors import ConfigError
from edge.plugging.plugged import Plugged, wanted
from edge.registry import Registry
from edge.reload import in_thread
from edge.selftest.model import Check, Result
from edge.selftest.scene import Scene

CODES = {
    "DEV-130": "{things} plugged in and not configured",
    "DEV-131": "{thing} may be {name}, which is missing at its own place",
    "DEV-132": "everything that is plugged in is configured",
}
SETTLE_S = 5.0
_LOOK_S = 0.05


async def look_at_plugged(scene: Scene) -> AsyncIterator[Check]:
    """Compare what is plugged into USB with the configuration."""
    await _settled(scene)
    devices = [device for device in scene.config.devices if device.enabled]
    missing = [
        one for one in devices if one.name in scene.devices and scene.devices[one.name].current.state == "absent"
    ]
    around, allowed = scene.devices.plugged(), scene.config.window.allow_drivers
    strangers = await in_thread("selftest-plugged", lambda: _strangers(around, devices, allowed))
    moved = [(thing, name) for thing in strangers if (name := _missing(thing, missing)) is not None]
    for thing, name in moved:
        action = f"plug it in where {name} was, or change the address of {name}: hall-edge discover shows the new one"
        yield _check("DEV-131", "warn", CODES["DEV-131"].format(thing=thing.title, name=name), action)
    known = {thing.title for thing, _ in moved}
    others = [thing for thing in strangers if thing.title not in known]
    if others:
        things = ", ".join(thing.title for thing in others)
        result: Result = "warn" if any(thing.sure for thing in others) else "skip"
        yield _check("DEV-130", result, CODES["DEV-130"].format(things=things))
    elif not moved:
        yield _check("DEV-132", "ok", CODES["DEV-132"])


class _Stranger:
    """A USB device that no configured device is, and that some driver could be for."""

    def __init__(self, nodes: Sequence[Plugged], drivers: dict[str, bool]) -> None:
        self.title = f"{nodes[0].title} (USB {nodes[0].port})"
        self.drivers = set(drivers)
        self.sure = any(drivers.values())


async def _settled(scene: Scene) -> None:
    """Wait until every device was tried once."""
    end = time.monotonic() + SETTLE_S
    while any(one.current.state == "starting" for one in scene.devices.values()) and time.monotonic() < end:  # noqa: ASYNC110  # nobody tells all states
        await asyncio.sleep(_LOOK_S)


def _strangers(around: Sequence[Plugged] | None, devices: Sequence[Device], allowed: Sequence[str]) -> list[_Stranger]:
    """Return what stands at no configured address. Imports drivers, and may read sysfs."""
    from edge.plugging.sysfs import scan
    from edge.tools.discover.things import find  # only where somebody asks

    registry, drivers = Registry(allowed), {}
    for name in registry.names():
        try:
            drivers[name] = registry.load(name)
        except ConfigError:
            continue  # one of its packages is missing: nothing can be configured for it here
    found = find(scan() if around is None else around, (), drivers, devices)
    elsewhere = {device.driver for device in devices if wanted(device.address) is None}
    """Drivers of devices at addresses that say nothing of USB: what fits them may be these."""
    return [
        _Stranger(thing.nodes, fitting)
        for thing in found.things
        if thing.nodes and thing.nodes[0].port and not thing.configured and thing.proposals
        if not elsewhere & (fitting := {one.driver: one.offer.sure for one in thing.proposals}).keys()
    ]


def _missing(thing: _Stranger, missing: Sequence[Device]) -> str | None:
    """Return the missing device that *thing* may be, when it is only one."""
    names = [device.name for device in missing if device.driver in thing.drivers]
    return names[0] if len(names) == 1 else None


def _check(code: str, result: Result, seen: str, action: str = "") -> Check:
    return Check(part="config", name="plugged", code=code, result=result, seen=seen, action=action)
