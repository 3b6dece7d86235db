"""Needs as lines of units, of udev's rules and of polkit's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from edge.needs import Match, Service
from edge.tools.units.grants import Grants

ACTIONS: dict[Service, tuple[str, ...]] = {
    "pcscd": ("org.debian.pcsc-lite.access_card", "org.debian.pcsc-lite.access_pcsc"),
}
"""What polkit has to allow for a service."""
SOCKETS: dict[Service, str] = {"pcscd": "pcscd.socket"}


def unit_lines(grants: Grants) -> list[str]:
    """Return the lines of ``[Unit]``: what must be there first."""
    modules = " ".join(f"modprobe@{name}.service" for name in grants.modules)
    sockets = " ".join(SOCKETS[service] for service in grants.services)
    first = " ".join(filter(None, (modules, sockets)))
    return [*([f"Wants={modules}"] if modules else []), *([f"After={first}"] if first else [])]


def service_lines(grants: Grants) -> list[str]:
    """Return the lines of ``[Service]``: which devices may be opened, and whose groups help with that."""
    groups = [f"SupplementaryGroups={' '.join(grants.groups)}"] if grants.groups else []
    return [*(f"DeviceAllow={group} rw" for group in grants.devices), *groups]


def rule_lines(matches: Iterable[tuple[Match, Sequence[str]]]) -> Iterator[str]:
    """Yield udev's rules: they mark what is a driver's, and first the USB devices that have to stay awake for it."""
    marked = {mark: [(match, names) for match, names in matches if _mark(match) == mark] for mark in ("name", "take")}
    found = [pair for pairs in marked.values() for pair in pairs]
    awake = {line: names for match, names in found for line in _waking(match)}
    by_names = {names: [line for line, own in awake.items() if own == names] for names in awake.values()}
    for names, lines in by_names.items():
        yield from (f"# awake for {', '.join(names)}", *lines)
    for match, names in found:
        yield from (f"# {', '.join(names)}", *_marking(match))


def _mark(match: Match) -> str:
    return "take" if match.taken else "name"


def _marking(match: Match) -> Iterator[str]:
    usb = ['ENV{DEVTYPE}=="usb_device"'] if match.subsystem == "usb" else []
    known = [f'ENV{{{key}}}=="{pattern}"' for key, pattern in match.properties.items()]
    for said in _said(match, "ATTR" if usb else "ATTRS"):
        yield ", ".join((f'SUBSYSTEM=="{match.subsystem}"', *usb, *known, *said, f'ENV{{HALL_EDGE}}="{_mark(match)}"'))


def _waking(match: Match) -> Iterator[str]:
    """Yield the marks for the USB devices behind the nodes, where anything is known of these."""
    for said in _said(match, "ATTR") if match.subsystem != "usb" else ():
        if said:
            yield ", ".join(('SUBSYSTEM=="usb"', 'ENV{DEVTYPE}=="usb_device"', *said, 'ENV{HALL_EDGE}="wake"'))


def _said(match: Match, attribute: str) -> Iterator[list[str]]:
    """Yield what a USB device must say of itself, once for each of the ids."""
    for usb_id in match.usb or ("*:*",):
        vendor, product = usb_id.split(":")
        said = {"idVendor": vendor, "idProduct": product, "product": match.product}
        yield [f'{attribute}{{{key}}}=="{value}"' for key, value in said.items() if value != "*"]


def polkit_lines(services: Iterable[Service]) -> list[str]:
    """Return what the rule lets the daemon's user do."""
    actions = [action for service in services for action in ACTIONS[service]]
    return [f"    var allowed = {json.dumps(actions)};"]
