"""Read what is plugged in from sysfs, with what udev adds where it runs. Hubs and virtual terminals are left out.

A device can say what it likes in its descriptors: text is cut and made printable, lists and files have limits.
The kernel may hold a device's lock while it is being set up, so reading can wait for seconds: call it from a
lane or a thread, never from the event loop.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.plugging.plugged import Plugged, by_number, printable

SUBSYSTEMS = ("usb", "tty", "hidraw", "input", "video4linux")
"""What :func:`scan` knows."""
LINK_FOLDERS = (
    "hall-edge", "hall-edge/by-serial", "hall-edge/by-port",
    "serial/by-id", "v4l/by-id", "input/by-id", "serial/by-path", "v4l/by-path", "input/by-path",
)  # fmt: skip
"""Folders of stable names under ``/dev``, best first."""
UDEV_CONTROL = "run/udev/control"
"""There while udevd runs."""

_MAX_NODES = 512
_MAX_INTERFACES = 32
_MAX_FILE = 4096
_MAX_DIGITS = 9
_HUB = 9
_PORT = re.compile(r"\d+-\d+(\.\d+)*")
_KEPT = re.compile(r"ID_(INPUT|V4L|USB_INTERFACE|BUS)\w{0,40}")
_KEYBOARD_KEYS = 0xFFFFFFFE  # keys 1 to 31, as udev's input_id asks for

Properties = Callable[[str], Mapping[str, str]]
"""Returns what udev knows of the device with this path in sysfs."""


def listing(root: Path = Path("/")) -> dict[str, int]:
    """Return a cheap picture of what is there; an entry changes when a device was unplugged and plugged in again."""
    return {
        f"{subsystem}/{entry.name}": entry.inode() for subsystem in SUBSYSTEMS for entry in _entries(root, subsystem)
    }


def scan(
    subsystems: Sequence[str] = SUBSYSTEMS, root: Path = Path("/"), properties: Properties | None = None
) -> list[Plugged]:
    """Return what is plugged in, sorted by port, interface and name."""
    if properties is None:
        properties = _udev() if (root / UDEV_CONTROL).exists() else lambda _: {}
    scanner = _Scanner(root, properties)
    found = [one for subsystem in subsystems for one in scanner.found(subsystem)]
    return sorted(found, key=_order)


@dataclass(frozen=True)
class _UsbDevice:
    """What the nodes of one USB device have in common."""

    node: str | None
    vendor_id: int | None
    product_id: int | None
    serial: str | None
    port: str
    maker: str | None
    product: str | None
    interfaces: tuple[tuple[int, int, int], ...]
    number: str
    """The kernel's for this time: another one after every plugging in."""


class _Scanner:
    """One look at everything: a USB device is read once, however many nodes it has."""

    def __init__(self, root: Path, properties: Properties) -> None:
        self._root = Path(os.path.realpath(root))
        self._properties = properties
        self._usb: dict[Path, _UsbDevice | None] = {}
        self._links: dict[str, list[str]] | None = None

    def found(self, subsystem: str) -> Iterator[Plugged]:
        for entry in _entries(self._root, subsystem):
            path = Path(os.path.realpath(entry.path))
            with contextlib.suppress(OSError):  # it was pulled out while we looked
                one = self._whole(path) if subsystem == "usb" else self._node(subsystem, path)
                if one is not None:
                    yield one

    def _whole(self, path: Path) -> Plugged | None:
        usb = self._usb_device(path)
        return None if usb is None else self._plugged("usb", usb.node, (), usb, {})

    def _node(self, subsystem: str, path: Path) -> Plugged | None:
        parents = list(path.relative_to(self._root).parents)
        if subsystem == "tty" and self._no_uart(path):
            return None
        uevent = _uevent(path)
        name = uevent.get("DEVNAME") or (f"input/{path.name}" if subsystem == "input" else path.name)
        node = name if name.startswith("/dev/") else f"/dev/{name}"
        usb = next((one for parent in parents if (one := self._usb_device(self._root / parent))), None)
        udev = self._properties(f"/{path.relative_to(self._root)}")
        links = dict.fromkeys([*self._links_of(node), *(udev.get("DEVLINKS") or uevent.get("DEVLINKS", "")).split()])
        more = {key: value for key, value in (uevent | dict(udev)).items() if _KEPT.fullmatch(key)}
        return self._plugged(subsystem, node, links, usb, self._own(subsystem, path) | more)

    def _plugged(
        self, subsystem: str, node: str | None, links: Iterable[str], usb: _UsbDevice | None, more: Mapping[str, str]
    ) -> Plugged:
        shown = {key: printable(value) or "" for key, value in [*more.items()][:_MAX_INTERFACES]}
        best = tuple(sorted(links, key=_goodness))[:_MAX_INTERFACES]
        if usb is None:
            return Plugged(subsystem, node, best, properties=shown)
        return Plugged(
            subsystem, node, best, usb.vendor_id, usb.product_id, usb.serial, usb.port, usb.maker, usb.product,
            usb.interfaces, shown | {"DEVNUM": usb.number},
        )  # fmt: skip

    def _own(self, subsystem: str, path: Path) -> dict[str, str]:
        """Return what the kernel says of a node, by udev's names where it has some."""
        above = [path, *path.parents][:8]
        number = next((text for folder in above if (text := _text(folder / "bInterfaceNumber"))), None)
        own = {"ID_USB_INTERFACE_NUM": number} if number else {}
        if subsystem == "video4linux":
            own |= {key: text for key in ("index", "name") if (text := _text(path / key))}
        if subsystem == "input":
            words = (_text(path / "device/capabilities/key") or "0").split()
            with contextlib.suppress(ValueError):
                if int(words[-1], 16) & _KEYBOARD_KEYS == _KEYBOARD_KEYS:
                    own["ID_INPUT_KEYBOARD"] = "1"
        return own

    def _no_uart(self, path: Path) -> bool:
        """Return whether it is one of the serial ports that the kernel lists although the PC has none there."""
        return not (path / "device").exists() or _text(path / "type") == "0"

    def _usb_device(self, path: Path) -> _UsbDevice | None:
        """Return the USB device that *path* is, if it is one and no hub."""
        if not _PORT.fullmatch(path.name):
            return None
        if path not in self._usb:
            self._usb[path] = _read_usb(path)
        return self._usb[path]

    def _links_of(self, node: str) -> list[str]:
        if self._links is None:
            self._links = {}
            for folder in LINK_FOLDERS:
                with contextlib.suppress(OSError):
                    for link in sorted((self._root / "dev" / folder).iterdir())[:_MAX_NODES]:
                        target = os.path.realpath(link).removeprefix(str(self._root)).lstrip("/")
                        self._links.setdefault(f"/{target}", []).append(f"/dev/{folder}/{link.name}")
        return self._links.get(node, [])


def _read_usb(path: Path) -> _UsbDevice | None:
    vendor, product = _hex(path / "idVendor"), _hex(path / "idProduct")
    if vendor is None or product is None or _hex(path / "bDeviceClass") == _HUB:
        return None
    bus, number = (
        int(text) if (text := _text(path / name) or "").isdecimal() else None for name in ("busnum", "devnum")
    )
    places = sorted(path.glob(f"{path.name}:*"), key=lambda place: by_number(place.name))[:_MAX_INTERFACES]
    triples = [
        tuple(_hex(place / f"bInterface{part}") for part in ("Class", "SubClass", "Protocol")) for place in places
    ]
    return _UsbDevice(
        node=None if bus is None or number is None else f"/dev/bus/usb/{bus:03d}/{number:03d}",
        vendor_id=vendor,
        product_id=product,
        serial=_text(path / "serial"),
        port=path.name,
        maker=_text(path / "manufacturer"),
        product=_text(path / "product"),
        interfaces=tuple((a, b or 0, c or 0) for a, b, c in triples if a is not None),
        number=f"{bus}/{number}",
    )


def _entries(root: Path, subsystem: str) -> list[os.DirEntry[str]]:
    """Return the folder's entries that can be devices of ours, at most 512."""
    folder = root / ("sys/bus/usb/devices" if subsystem == "usb" else f"sys/class/{subsystem}")
    kept = {"usb": _PORT.fullmatch, "input": re.compile(r"event\d+").fullmatch}.get(subsystem, bool)
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if kept(entry.name)][:_MAX_NODES]
    except OSError:
        return []  # a PC, or a kernel, without such devices


def _text(path: Path) -> str | None:
    """Return what the kernel says in an attribute, as it may be shown."""
    try:
        with path.open("rb") as file:
            return printable(file.read(_MAX_FILE).decode("utf-8", "replace"))
    except OSError:
        return None


def _hex(path: Path) -> int | None:
    try:
        return int(_text(path) or "", 16)
    except ValueError:
        return None


def _decimal(path: Path) -> int | None:
    text = _text(path) or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS else None


def _uevent(path: Path) -> dict[str, str]:
    try:
        with (path / "uevent").open("rb") as file:
            text = file.read(_MAX_FILE).decode("utf-8", "replace")
    except OSError:
        return {}
    return {key: value for line in text.splitlines() for key, mark, value in [line.partition("=")] if mark}


def _udev() -> Properties:
    """Return what asks udev's database; without the package pyudev, nothing is known."""
    try:
        import pyudev  # type: ignore[import-untyped]  # an extra

        return partial(_udev_properties, pyudev.Context())
    except ImportError:  # it, or libudev
        return lambda _: {}


def _udev_properties(context: object, path: str) -> Mapping[str, str]:
    import pyudev

    try:
        return dict(pyudev.Devices.from_sys_path(context, path).properties)
    except (pyudev.DeviceNotFoundError, OSError, UnicodeError):
        return {}


def _goodness(link: str) -> tuple[int, str]:
    folder = link.removeprefix("/dev/").rpartition("/")[0]
    return (LINK_FOLDERS.index(folder) if folder in LINK_FOLDERS else len(LINK_FOLDERS), link)


def _order(one: Plugged) -> tuple[object, ...]:
    place = by_number(one.port) if one.port else ((1 << 30, ""),)
    number = one.properties.get("ID_USB_INTERFACE_NUM", "")
    return (place, SUBSYSTEMS.index(one.subsystem), number, by_number(one.node or ""))
