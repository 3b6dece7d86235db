"""What a driver of another package needs beyond the shipped ones, as files beside theirs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from edge.driver import Driver
from edge.tools.units import text
from edge.tools.units.grants import Drivers, Grants, grants, matches, network_drivers, process_drivers, thread_drivers


def drop_in(name: str, driver: type[Driver], shipped: Drivers) -> str:
    """Return the files to make for the driver *name*, each with its path above it.

    Raises ``ValueError`` when it declares what is no need.
    """
    driver.needs.checked()
    known = [match for match, _ in matches(shipped)]
    own = [(match, names) for match, names in matches({name: driver}) if match not in known]
    rules = [*text.rule_lines(own)]
    files = {f"/etc/systemd/system/{unit}.d/{name}.conf": lines for unit, lines in _units(name, driver, shipped)}
    files |= {f"/etc/udev/rules.d/69-hall-edge-{name}.rules": rules}
    parts = ["\n".join((f"# {path}", *lines)) for path, lines in files.items() if lines]
    return "\n\n".join(parts) or f"# {name} needs nothing that the shipped units and rules do not grant already"


def _units(name: str, driver: type[Driver], shipped: Drivers) -> Iterable[tuple[str, list[str]]]:
    """Return the units that it may run in, each with the lines that it needs there."""
    one = {name: driver}
    if thread_drivers(one):
        return [("hall-edge.service", _added(grants(one), grants(thread_drivers(shipped)), memory=False))]
    found = []
    if process_drivers(one):
        granted = grants(process_drivers(shipped))
        # modules were loaded for the daemon already: an instance starts in the middle of its work
        found.append(("hall-edge-driver@.service", _added(replace(grants(one), modules=()), granted)))
        modules = _added(replace(grants(one), devices=(), groups=()), grants(shipped), memory=False)
        found.append(("hall-edge.service", modules))
    if network_drivers(one):
        granted = grants(network_drivers(shipped), devices=False)
        found.append(("hall-edge-netdriver@.service", _added(grants(one, devices=False), granted)))
    return found


def _added(own: Grants, granted: Grants, *, memory: bool = True) -> list[str]:
    """Return the lines for what of *own* is not *granted*."""
    more = Grants(
        devices=_but(own.devices, granted.devices),
        groups=_but(own.groups, granted.groups),
        modules=_but(own.modules, granted.modules),
        services=(),
        memory_mb=own.memory_mb,
    )
    size = [f"MemoryMax={own.memory_mb}M"] if memory and own.memory_mb > granted.memory_mb else []
    return [*_section("Unit", text.unit_lines(more)), *_section("Service", [*text.service_lines(more), *size])]


def _but(own: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*own} - {*granted}))


def _section(name: str, lines: list[str]) -> list[str]:
    return [f"[{name}]", *lines] if lines else []
