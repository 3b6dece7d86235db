"""What each unit has to grant: the needs of all drivers that run in it, put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge.driver import Driver
from edge.needs import Match, Service

Drivers = Mapping[str, type[Driver]]
SPARE_MB = 256
"""What a driver's process uses besides the memory that is counted for its driver: programs, libraries, files."""
MODULES = {
    "char-hidraw": "hid",
    "char-ttyACM": "cdc_acm",
    "char-ttyUSB": "usbserial",
    "char-usb_device": "usbcore",
    "char-video4linux": "videodev",
}
"""The kernel's modules behind groups of devices. A group that is unknown when a unit starts stays forbidden to it."""


@dataclass(frozen=True)
class Grants:
    """All that one unit grants; sorted, so that the same drivers give the same text."""

    devices: tuple[str, ...]
    groups: tuple[str, ...]
    modules: tuple[str, ...]
    services: tuple[Service, ...]
    memory_mb: int


def thread_drivers(drivers: Drivers) -> Drivers:
    """Return those that run in the daemon itself."""
    return {name: one for name, one in drivers.items() if one.lane == "thread"}


def process_drivers(drivers: Drivers) -> Drivers:
    """Return those that run in processes without network."""
    return {name: one for name, one in drivers.items() if one.lane == "process" and _has_local_devices(one)}


def network_drivers(drivers: Drivers) -> Drivers:
    """Return those that run in processes with network, and without devices."""
    return {name: one for name, one in drivers.items() if one.lane == "process" and one.needs.network}


def _has_local_devices(driver: type[Driver]) -> bool:
    return bool(driver.needs.devices or driver.needs.services) or not driver.needs.network


def grants(drivers: Drivers, *, devices: bool = True) -> Grants:
    """Return what a unit must grant for all of *drivers*; without *devices* only their memory."""
    needs = [one.needs for one in drivers.values()] if devices else []
    groups = {group for one in needs for group in one.devices}
    return Grants(
        devices=tuple(sorted(groups)),
        groups=tuple(sorted({group for one in needs for group in one.groups})),
        modules=tuple(sorted({MODULES[group] for group in groups if group in MODULES})),
        services=tuple(sorted({service for one in needs for service in one.services})),
        memory_mb=max((one.memory_mb for one in drivers.values()), default=0) + SPARE_MB,
    )


def matches(drivers: Drivers) -> list[tuple[Match, tuple[str, ...]]]:
    """Return what udev has to know, each with the drivers that declare it."""
    found: list[tuple[Match, tuple[str, ...]]] = []
    for name, driver in sorted(drivers.items()):
        for match in driver.needs.matches:
            at = next((number for number, (known, _) in enumerate(found) if known == match), None)
            if at is None:
                found.append((match, (name,)))
            else:
                found[at] = (match, (*found[at][1], name))
    return found


def services(drivers: Iterable[type[Driver]]) -> tuple[Service, ...]:
    """Return the services that *drivers* ask."""
    return tuple(sorted({service for one in drivers for service in one.needs.services}))
