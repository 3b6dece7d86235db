"""Match hardware, drivers and configuration. Nothing here looks at the PC."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import quote

from edge.config import Device
from edge.driver import Driver
from edge.errors import ConfigError
from edge.links.address import SERIAL_NUMBER, parse_address
from edge.plugging.plugged import Offer, Plugged, by_number, wanted

State = Literal["configured", "new", "ask", "unknown"]
_BY_IDS = re.compile(r"[a-z0-9]+:[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}")
_PREFIXES = {"id-card": "id", "smart-card": "card", "document-camera": "camera", "evaluation-pad": "pad",
             "code-scanner": "gun"}  # fmt: skip
Drivers = Mapping[str, type[Driver]]


@dataclass(frozen=True)
class Note:
    """Something that could not be found out: ``code`` names the text, ``detail`` is in it."""

    code: str
    subject: str
    detail: str = ""


@dataclass(frozen=True)
class Proposal:
    """A ``[[device]]`` to paste."""

    driver: str
    offer: Offer
    name: str = ""


@dataclass(frozen=True)
class Thing:
    """One piece of hardware, with all its nodes, or one that a driver found elsewhere (without any)."""

    title: str
    nodes: tuple[Plugged, ...]
    proposals: tuple[Proposal, ...] = ()
    configured: tuple[str, ...] = ()
    """The names of the configured devices that it is."""

    @property
    def state(self) -> State:
        if self.configured:
            return "configured"
        if not self.proposals:
            return "unknown"
        return "new" if self.proposals[0].offer.sure else "ask"


@dataclass
class Findings:
    """All that is to be told."""

    things: list[Thing] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def find(
    plugged: Iterable[Plugged], searched: Sequence[Proposal], drivers: Drivers, known: Sequence[Device]
) -> Findings:
    """Return the things among *plugged* and *searched*, with proposals for what is not in *known*."""
    findings = Findings()
    places: dict[str, list[Plugged]] = {}
    for node in plugged:
        places.setdefault(node.port or node.node or "?", []).append(node)
    things = [
        Thing(nodes[0].title, tuple(nodes), _fitting(nodes, drivers, findings.notes), _names(nodes, known))
        for nodes in places.values()
    ]
    things = _told_apart(_kept(things))
    findings.notes += _ambiguous(things, known)
    seen = {(one.driver, one.offer.address) for thing in things for one in thing.proposals}
    far = [one for one in searched if (one.driver, one.offer.address) not in seen]
    things += [Thing(one.offer.title, (), (one,), _same_place(one, drivers, known)) for one in far]
    things = [_checked(thing, drivers, findings.notes) for thing in things]
    findings.things = _named([thing for thing in things if thing.nodes or thing.proposals], drivers, known)
    return findings


def _fitting(nodes: Sequence[Plugged], drivers: Drivers, notes: list[Note]) -> tuple[Proposal, ...]:
    """Ask every driver about every node; where one is sure, those that are not do not matter."""
    found: dict[tuple[str, str], Proposal] = {}
    for name, driver in drivers.items():
        for node in nodes:
            try:
                offer = driver.fits(node)
            except Exception as error:  # noqa: BLE001  # a driver from elsewhere is foreign code
                notes.append(Note("broken-driver", name, type(error).__name__))
                break
            if offer is not None:
                found.setdefault((name, offer.address), Proposal(name, offer))
    sure = [one for one in found.values() if one.offer.sure]
    return tuple(sure or found.values())


def _names(nodes: Sequence[Plugged], known: Iterable[Device]) -> tuple[str, ...]:
    pairs = [(device.name, one) for device in known if (one := wanted(device.address)) is not None]
    return tuple(name for name, one in pairs if any(one.fits(node) for node in nodes))


def _same_place(found: Proposal, drivers: Drivers, known: Iterable[Device]) -> tuple[str, ...]:
    try:
        address = parse_address(found.offer.address, drivers[found.driver].addresses)
    except ConfigError:
        return ()
    return tuple(
        one.name for one in known if (one.address.scheme, one.address.target) == (address.scheme, address.target)
    )


def _kept(things: Iterable[Thing]) -> list[Thing]:
    """Leave out what no window needs to know: power buttons and the like."""
    return [thing for thing in things if thing.state != "unknown" or any(node.port for node in thing.nodes)]


def _told_apart(things: list[Thing]) -> list[Thing]:
    """Give addresses that fit several things what tells these apart: serial numbers, else ports."""
    count = Counter(address for thing in things for address in {one.offer.address for one in thing.proposals})
    twice = {address for address, times in count.items() if times > 1 and _BY_IDS.fullmatch(address)}
    serials = Counter((thing.nodes[0].usb_id, thing.nodes[0].serial) for thing in things)

    def option(thing: Thing) -> str:
        first = thing.nodes[0]
        twins = [other for other in things if other.nodes[0].usb_id == first.usb_id]
        numbers = [other.nodes[0].serial for other in twins]
        good = all(text and SERIAL_NUMBER.fullmatch(text) for text in numbers)
        unique = all(serials[first.usb_id, number] == 1 for number in numbers)
        return f"serial={quote(first.serial or '', safe='')}" if good and unique else f"port={first.port}"

    def apart(thing: Thing, one: Proposal) -> Proposal:
        if one.offer.address not in twice:
            return one
        return replace(one, offer=replace(one.offer, address=f"{one.offer.address}?{option(thing)}"))

    return [replace(thing, proposals=tuple(apart(thing, one) for one in thing.proposals)) for thing in things]


def _ambiguous(things: Sequence[Thing], known: Iterable[Device]) -> list[Note]:
    places = {device.name: [thing.nodes[0] for thing in things if device.name in thing.configured] for device in known}
    return [
        Note("several", name, ", ".join(sorted((node.port or "?" for node in nodes), key=by_number)))
        for name, nodes in places.items()
        if len(nodes) > 1
    ]


def _checked(thing: Thing, drivers: Drivers, notes: list[Note]) -> Thing:
    """Drop proposals that the configuration would refuse: a driver's own mistake."""
    good = []
    for one in thing.proposals:
        try:
            parse_address(one.offer.address, drivers[one.driver].addresses)
        except ConfigError as error:
            notes.append(Note("bad-offer", one.driver, error.problems[0].code))
        else:
            good.append(one)
    return replace(thing, proposals=tuple(good))


def _named(things: Sequence[Thing], drivers: Drivers, known: Iterable[Device]) -> list[Thing]:
    """Give every proposal a name that is not taken; those that are sure come first."""
    taken, named = {device.name for device in known}, dict[int, Thing]()
    for at, thing in sorted(enumerate(things), key=lambda pair: pair[1].state == "ask"):
        proposals = []
        for one in thing.proposals if not thing.configured else ():
            kind = drivers[one.driver].kind
            prefix = _PREFIXES.get(kind, kind)[:28]
            name = next(name for number in range(1, 1000) if (name := f"{prefix}-{number}") not in taken)
            taken.add(name)
            proposals.append(replace(one, name=name))
        named[at] = replace(thing, proposals=tuple(proposals))
    return [named[at] for at in range(len(things))]
