"""Open the link that an address names. The libraries of USB and HID are loaded by the first address that needs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from edge.errors import DeviceFault
from edge.links import HidLine, Line, Link, SerialLine, UsbLine
from edge.links.address import Address
from edge.links.fd import Tap
from edge.links.replay import open_replay
from edge.links.serial import open_serial
from edge.links.tcp import open_tcp
from edge.plugging.plugged import node_of


def open_link(address: Address, line: Line | None, tap: Tap) -> Link:
    """Open *address* as *line* asks; raises ``DeviceAbsent``, ``DeviceAccess`` or ``DeviceBusy``, and others."""
    return _OPENERS[address.scheme](address, line, tap)


def _serial(address: Address, line: Line | None, tap: Tap) -> Link:
    options = address.options
    asked = line if isinstance(line, SerialLine) else SerialLine()
    numbers = {key: int(options[key]) for key in ("baud", "data_bits", "stop_bits") if key in options}
    set_up = replace(asked, **numbers, parity=options.get("parity", asked.parity))
    return open_serial(node_of(address, "tty"), set_up, tap, fixed="baud" in options)


def _tcp(address: Address, _line: Line | None, tap: Tap) -> Link:
    host, _, port = address.target.rpartition(":")
    return open_tcp(host.strip("[]"), int(port), tap)


def _replay(address: Address, _line: Line | None, tap: Tap) -> Link:
    return open_replay(address.target, address.options, tap)


def _usb(address: Address, line: Line | None, tap: Tap) -> Link:
    try:
        from edge.links import usb_open
    except ImportError as error:
        action = "install it: apt install python3-usb, or pip install 'hall-edge[usb]'"
        raise DeviceFault("the Python package pyusb is not installed", code="USB-107", action=action) from error
    opener = usb_open.open_usb if address.scheme == "usb" else usb_open.open_usbip
    return opener(address, line if isinstance(line, UsbLine) else UsbLine(), tap)


def _hid(address: Address, line: Line | None, tap: Tap) -> Link:
    from edge.links.hid import open_hid

    return open_hid(address, line.kind if isinstance(line, HidLine) else "reports", tap)


_OPENERS: dict[str, Callable[[Address, Line | None, Tap], Link]] = {
    "serial": _serial,
    "tcp": _tcp,
    "replay": _replay,
    "usb": _usb,
    "usbip": _usb,
    "hid": _hid,
}
