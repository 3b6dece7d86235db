"""What is plugged in, in the words of ``hall-edge discover`` and of hot-plug. No I/O: ``edge.hotplug`` looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plugged:
    """One device node (or USB device without one) and the USB device it belongs to, if any.

    ``serial`` identifies a device and is shown only to whoever configures it on this PC.
    """

    subsystem: str
    """The kernel's: ``usb`` (a whole USB device), ``tty``, ``hidraw``, ``input``, ``video4linux``, …"""
    node: str | None = None
    """``/dev/ttyUSB0``; ``None``: no node."""
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
    """What udev says besides, e.g. ``ID_INPUT_KEYBOARD``."""


@dataclass(frozen=True)
class Offer:
    """A driver's proposal for a device that was found: lines of ``[[device]]``."""

    address: str
    title: str
    """What it is, for people: maker and model as the device says them."""
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    sure: bool = True
    """Whether nothing else looks like this; an offer that is not sure asks the technician."""
