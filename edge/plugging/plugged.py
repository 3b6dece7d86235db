"""What is plugged in, and which of it an address names: for links, hot-plug and ``hall-edge discover``.

A link looks up its device with :func:`nodes` or :func:`usb_devices` at every opening, so that a device is found
again on another port or under another node name. Only these two look at the PC; the rest is arithmetic.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from edge.errors import DeviceAbsent, DeviceAttention
from edge.links.address import Address

MAX_TEXT = 126
"""The most characters that a USB string descriptor can hold."""
_ROLE = re.compile(r"/dev/hall-edge/[^/]+")  # the administrator's; those in folders say no more than ids do
_USB_IDS = re.compile(r"([0-9A-Fa-f]{4}):([0-9A-Fa-f]{4})")


@dataclass(frozen=True)
class Plugged:
    """One device node (or USB device without one) and the USB device it belongs to, if any.

    ``serial`` identifies a device and is shown only to whoever configures it on this PC. All text that a device
    says is printable and at most 126 characters long.
    """

    subsystem: str
    """The kernel's: ``usb`` (a whole USB device), ``tty``, ``hidraw``, ``input``, ``video4linux``."""
    node: str | None = None
    """``/dev/ttyUSB0``; of a whole USB device ``/dev/bus/usb/001/007``; ``None``: no node."""
    links: tuple[str, ...] = ()
    """Stable names of the node: ``/dev/serial/by-id/…``, best first."""
    vendor_id: int | None = None
    product_id: int | None = None
    serial: str | None = None
    port: str | None = None
    """The place of the USB device, like ``1-1.4``: stable as long as nobody moves the cable."""
    maker: str | None = None
    product: str | None = None
    interfaces: tuple[tuple[int, int, int], ...] = ()
    """Class, subclass and protocol of the USB device's interfaces."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """What udev and the kernel say besides: ``ID_INPUT_KEYBOARD``, ``ID_USB_INTERFACE_NUM``, ``DEVNUM``, …"""

    @property
    def usb_id(self) -> str | None:
        """Vendor and product as ``lsusb`` shows them: ``0400:c35a``."""
        if self.vendor_id is None or self.product_id is None:
            return None
        return f"{self.vendor_id:04x}:{self.product_id:04x}"

    @property
    def title(self) -> str:
        """Maker and model as the device says them, else its ids or its node."""
        maker, product = self.maker or "", self.product or ""
        text = product if maker and product.startswith(maker) else f"{maker} {product}".strip()
        return text or self.usb_id or self.node or self.subsystem


@dataclass(frozen=True)
class Offer:
    """A driver's proposal for a device that was found: lines of ``[[device]]``."""

    address: str
    title: str
    """What it is, for people: maker and model as the device says them."""
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    sure: bool = True
    """Whether nothing else looks like this; an offer that is not sure asks the technician."""


@dataclass(frozen=True)
class Wanted:
    """The piece of hardware that an address names: a node, or a USB device."""

    node: str | None = None
    vendor_id: int | None = None
    product_id: int | None = None
    serial: str | None = None
    port: str | None = None

    def fits(self, found: Plugged) -> bool:
        """Return whether *found* is that, or belongs to it."""
        if self.node is not None:
            return self.node == found.node or self.node in found.links
        return (
            (found.vendor_id, found.product_id) == (self.vendor_id, self.product_id)
            and self.serial in (None, found.serial)
            and self.port in (None, found.port)
        )


def address_of(found: Plugged, scheme: str) -> str:
    """Return the address of *found*: by its role, by ids, which any port and any node name fits, or by its best name.

    For :meth:`edge.driver.Driver.fits`. Where several have the same ids, ``discover`` adds what tells them apart.
    """
    named = next((link for link in found.links if _ROLE.fullmatch(link)), None)
    if found.usb_id is not None and named is None:
        return f"{scheme}:{found.usb_id}"
    return f"{scheme}://{named or next(iter(found.links), None) or found.node}"


def wanted(address: Address) -> Wanted | None:
    """Return what *address* names on this PC; ``None``: something that is not plugged in here, like a host."""
    if match := _USB_IDS.fullmatch(address.target):
        options = address.options
        return Wanted(None, int(match[1], 16), int(match[2], 16), options.get("serial"), options.get("port"))
    return Wanted(address.target) if address.target.startswith("/dev/") else None


def usb_devices() -> list[Plugged]:
    """Return the USB devices that are plugged in now (no hubs), by port. Reads sysfs: a few milliseconds."""
    from edge.plugging.sysfs import scan  # only needed where devices are looked up by identity

    return scan(("usb",))


def nodes(
    subsystem: str, vendor_id: int, product_id: int, serial: str | None = None, port: str | None = None
) -> list[Plugged]:
    """Return the nodes of *subsystem* that such USB devices have now, by port and interface.

    ``nodes("tty", 0x1A86, 0x7523, port="1-1.4")``; a subsystem ``usb`` gives the devices themselves.
    """
    from edge.plugging.sysfs import scan  # only needed where devices are looked up by identity

    one = Wanted(None, vendor_id, product_id, serial, port)
    return [found for found in scan((subsystem,)) if one.fits(found)]


def of_one_device(found: Sequence[Plugged], what: str) -> list[Plugged]:
    """Return *found* when all of it belongs to one device; *what* is the address, for the message.

    Raises ``DeviceAbsent`` when it is empty, ``DeviceAttention`` when it names several devices.
    """
    if not found:
        raise DeviceAbsent(f"{what} is not plugged in", code="DEV-110")
    places = sorted({one.port or one.node or "?" for one in found}, key=by_number)
    if len(places) > 1:
        where = f"{', '.join(places[:-1])} and {places[-1]}"
        raise DeviceAttention(
            f"{len(places)} devices {what} are plugged in, at {where}",
            code="DEV-111",
            action=f"say which one: add {_difference(found)} to the address",
        )
    return list(found)


def the_one(found: Sequence[Plugged], what: str) -> Plugged:
    """Return the first of *found* when all of it belongs to one device; raises as :func:`of_one_device` does."""
    return of_one_device(found, what)[0]


def node_of(address: Address, subsystem: str) -> str:
    """Return the path of the node that *address* names, by its path or by the USB device that has it.

    Raises ``DeviceAbsent`` or ``DeviceAttention``. Of several nodes of one device it is the first interface's.
    """
    one = wanted(address)
    if one is None or one.vendor_id is None or one.product_id is None:
        return address.target
    what = f"{address.scheme}:{address.target}"
    found = the_one(nodes(subsystem, one.vendor_id, one.product_id, one.serial, one.port), what)
    return found.node or address.target


def by_number(text: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts ``1-1.10`` behind ``1-1.9`` and ``ttyUSB10`` behind ``ttyUSB9``."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"\d+|\D+", text))


def printable(text: str, limit: int = MAX_TEXT) -> str | None:
    """Return what may be shown of *text* that a device says; ``None`` when nothing is left."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:limit].strip("\0 \t\r\n")) or None


def says_simulated(product: str | None) -> bool:
    """Return whether a device that calls itself *product* says so that it is a simulator."""
    return "simulated" in (product or "").lower()


def _difference(found: Iterable[Plugged]) -> str:
    """Return the option that tells the devices of *found* apart: their serial numbers, else their ports."""
    serials = {one.port: one.serial for one in found}
    return "?serial=…" if None not in serials.values() and len({*serials.values()}) == len(serials) else "?port=…"
