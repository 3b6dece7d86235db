"""Names of devices in SANE: opening them, finding a replugged one again, offering them as addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from drivers._sane_abi import Status
from drivers._sane_library import Found, Handle, SaneError
from drivers._sane_status import device_error
from edge.errors import DeviceBusy, DeviceError
from edge.links.holder import action_against, holder_of
from edge.needs import Match, Needs
from edge.plugging.plugged import Offer

_USB = re.compile(r"(.+):libusb:(\d{1,3}):(\d{1,3})")
_USB_NODES = Path("/dev/bus/usb")
_KEPT = ":/,.@+()[]{}!*'; =-_~"
PATIENCE_S, NETWORK_PATIENCE_S = 60.0, 5.0
_NO_SCANNERS = ("v4l:", "gphoto2:")
"""Cameras, which other drivers look after."""
_BETTER_DIRECT = ("airscan:", "escl:")
"""Scanners that speak eSCL, which a driver of its own does without libsane."""
NEEDS = Needs(
    devices=("char-usb_device",),
    matches=(Match(subsystem="usb", properties={"libsane_matched": "yes"}),),
    network=(
        "sane:net:*", "sane:airscan:*", "sane:escl:*",
        "sane:*:net*", "sane:*:tcp*", "sane:*:http*", "sane:*:/net/*", "sane:pixma:*.*.*.*",
    ),
)  # fmt: skip
"""libsane's own rules know its USB scanners. Which names lead to the network is each backend's custom."""


def patience_s(name: str) -> float:
    """Return how long reads may bring nothing, one after the other, before the scanner counts as gone.

    The backend ``net`` waits for its server inside of a read, so nothing means that the server is dead: it would
    say "good, nothing yet" for ever. Others may mean by it that the scanner warms up.
    """
    return NETWORK_PATIENCE_S if name.startswith("net:") else PATIENCE_S


def usb_node(name: str) -> Path | None:
    """Return the node of a device that is named by its place on the USB; it changes whenever it is plugged in."""
    found = _USB.fullmatch(name)
    return _USB_NODES / f"{found[2]:>03}" / f"{found[3]:>03}" if found else None


class Library(Protocol):
    """What of libsane is asked here."""

    def open(self, name: str) -> Handle: ...
    def devices(self, *, local_only: bool = False) -> list[Found]: ...


def open_device(sane: Library, name: str) -> tuple[str, Handle]:
    """Open *name*, or the only USB device of its backend if it was plugged in elsewhere; return its present name."""
    try:
        return name, sane.open(name)
    except SaneError as refused:
        usb = _USB.fullmatch(name)
        if usb is None or refused.status not in (Status.INVAL, Status.IO_ERROR):
            raise
        same = [one.name for one in sane.devices(local_only=True) if one.name.startswith(f"{usb[1]}:libusb:")]
        if len(same) != 1 or same[0] == name:
            raise
    return same[0], sane.open(same[0])


def busy(name: str) -> DeviceError:
    """Return the error for a device that another program has open; names the program where the kernel knows it."""
    node = usb_node(name)
    holder = holder_of(str(node)) if node is not None else None
    if holder is None:
        return device_error("SAN-102")
    return DeviceBusy(f"the scanner is held by {holder}", code="SAN-102", action=action_against(holder))


def offers(found: Sequence[Found]) -> list[Offer]:
    """Return the addresses to configure for the scanners of a list."""
    scanners = [one for one in found if not one.name.startswith(_NO_SCANNERS)]
    return [_offer(one, scanners) for one in scanners]


def _offer(one: Found, others: Sequence[Found]) -> Offer:
    usb = _USB.fullmatch(one.name)
    alone = usb is not None and sum(other.name.startswith(f"{usb[1]}:") for other in others) == 1
    name = f"{usb[1]}:" if usb is not None and alone else one.name
    sure = (usb is None or alone) and not one.name.startswith(_BETTER_DIRECT)
    title = " ".join(word for word in (one.vendor, one.model) if word) or one.name
    return Offer(address=f"sane:{quote(name, safe=_KEPT)}", title=title, sure=sure)
