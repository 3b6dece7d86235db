"""What plugging and unplugging means for the configured devices.

A device that is plugged in is opened at once, one that is pulled out is absent at once, even where its own link
does not notice. Which unit was last at a device's address is remembered, as a keyed digest, so that another one
in its place is reported: it works, and a person is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from edge import logs
from edge.device_state import Notice
from edge.plugging.plugged import Plugged, Wanted, wanted
from edge.plugging.plugwatch import Change, PlugWatch
from edge.state_dir import write_safely
from edge.supervisor import Supervisor

_MAX_TOLD = 64
_WHOLE_S = 2.0  # a device and its nodes come one after another: so long after the last news all of it is there
_log = logs.get("plugs")


class Unit(msgspec.Struct, frozen=True, omit_defaults=True):
    """What identifies a unit, as keyed digests."""

    place: str
    """The configured address: a new one means that somebody moved it on purpose."""
    model: str | None = None
    """The ids of its USB device."""
    serial: str | None = None
    """Those with its USB serial number."""
    own: str | None = None
    """The serial number that the driver read from the device itself: this counts most."""

    def same_as(self, other: Unit) -> bool | None:
        """Return whether both are one unit; ``None``: nothing tells."""
        for mine, theirs in ((self.own, other.own), (self.serial, other.serial)):
            if mine and theirs:
                return mine == theirs
        return False if self.model and other.model and self.model != other.model else None


class KnownUnits:
    """Which unit was last seen as which device; kept in a small file of the state folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, Unit] = {}
        if path.exists():
            try:
                self._kept = msgspec.json.decode(path.read_bytes(), type=dict[str, Unit])
            except (OSError, msgspec.DecodeError):
                _log.warning("it is not known any more which units were here", extra={"fields": {"code": "SYS-134"}})
        self._before = dict(self._kept)

    def seen(self, device: str, unit: Unit) -> Notice | None:
        """Note that *device* is *unit* now; return what to tell when it was another one before we started."""
        before = self._before.get(device, unit)
        same = before.place != unit.place or before.same_as(unit) is not False
        if same:
            known = {key: value for key, value in msgspec.structs.asdict(unit).items() if value}
            fresh = before if before.place == unit.place else unit  # what cannot be read this time is as it was
            unit = self._before[device] = msgspec.structs.replace(fresh, **known)
        if self._kept.get(device) != unit:
            self._kept[device] = unit
            write_safely(self._path, msgspec.json.encode(self._kept))
        if same:
            return None
        whose = [name for name, other in self._before.items() if name != device and other.same_as(unit)]
        reason = f"the device of {whose[0]}" if whose else "another device than before"
        action = "put it back where it was, or leave it: this is forgotten when the daemon starts again"
        return Notice(f"{reason} is plugged in here", "SYS-131", action)


class Hotplug:
    """Brings the news to the supervisors. Everything happens in the event loop."""

    def __init__(self, devices: Mapping[str, Supervisor], units: Path) -> None:
        self._devices = devices
        self._known = KnownUnits(units)
        self._strangers: set[tuple[str | None, str | None]] = set()
        self._watch = PlugWatch(self.changed, resumed=self.resumed)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch from now on, in the running event loop."""
        for device in self._devices.values():
            device.on_ready = self.identify
        self._watch.start()

    def stop(self) -> None:
        """Stop watching. Idempotent."""
        self._watch.stop()
        if self._timer is not None:
            self._timer.cancel()

    def found(self) -> tuple[Plugged, ...] | None:
        """Return what is plugged in, as far as it is known."""
        return self._watch.found

    def changed(self, change: Change) -> None:
        """Tell every device what it concerns."""
        for device in self._devices.values():
            one = wanted(device.port.address)
            if one is None:
                continue
            self._tell_gone(device, one, change)
            if any(one.fits(new) for new in change.added):
                device.plugged()
            if device.usable:
                self.identify(device)
        if change.added:
            self._report_strangers_soon()

    def resumed(self) -> None:
        """Open everything again: a device may have lost its power, and its firmware its mind, while the PC slept."""
        _log.info("the PC woke up; opening the devices again")
        for device in self._devices.values():
            device.reopen("the PC was suspended")

    def identify(self, device: Supervisor) -> None:
        """Find out which unit an open device is, and tell when it is another one than before."""
        one, port = wanted(device.port.address), device.port
        here = self._one_of(one) if one is not None else None
        usb, serial = (here.usb_id, here.serial) if here is not None else (None, None)
        own = device.info.serial if device.info else None
        if usb is None and own is None:
            return
        device.usb_serial = serial
        place = port.digest(f"{port.address.scheme} {port.address.target} {sorted(port.address.options.items())}")
        known = {"model": usb, "serial": usb and serial and f"{usb} {serial}", "own": own}
        unit = Unit(place, **{key: port.digest(text) for key, text in known.items() if text})
        device.tell(self._known.seen(device.name, unit))

    def _one_of(self, one: Wanted) -> Plugged | None:
        """Return what *one* names, when that is one USB device."""
        found = [found for found in self.found() or () if one.fits(found)]
        return found[0] if len({other.port for other in found}) == 1 else None

    def _tell_gone(self, device: Supervisor, one: Wanted, change: Change) -> None:
        """Tell *device* when it was pulled out; it may be back, and opened again, by now."""
        gone = [old for old in change.removed if one.fits(old)]
        back = {new.port for new in change.added if one.fits(new)}
        if one.node is None and not any(one.fits(found) for found in self.found() or ()):
            device.unplugged(change.began)  # also one that was pulled before the first look
        elif gone and not any(one.fits(found) for found in self.found() or ()):
            device.unplugged()
        elif any(old.port in back for old in gone):
            device.unplugged(change.since)

    def _report_strangers_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_WHOLE_S, self._report_strangers)

    def _report_strangers(self) -> None:
        """Log what belongs to no configured device; it is left alone."""
        ours = [one for device in self._devices.values() if (one := wanted(device.port.address)) is not None]
        for found in self.found() or ():
            place = (found.usb_id, found.port)
            if found.subsystem != "usb" or place in self._strangers or self._belongs(found, ours):
                continue
            if len(self._strangers) >= _MAX_TOLD:
                return  # somebody plays: the log is not for that
            self._strangers.add(place)
            fields = {"code": "SYS-130", "usb": found.usb_id or "", "port": found.port or ""}
            _log.info("plugged in, but not configured: it is left alone", extra={"fields": fields})

    def _belongs(self, usb: Plugged, ours: Iterable[Wanted]) -> bool:
        nodes = [found for found in self.found() or () if found.port == usb.port]
        return any(one.fits(found) for one in ours for found in nodes)
