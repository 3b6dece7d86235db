"""Find a USB device, claim it, and sort what goes wrong by what happens next."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

import usb.backend.libusb1  # type: ignore[import-untyped]  # pyusb has no types
import usb.core  # type: ignore[import-untyped]
import usb.util  # type: ignore[import-untyped]

from edge.errors import (
    DeviceAbsent,
    DeviceAccess,
    DeviceBusy,
    DeviceError,
    DeviceFault,
    DeviceProtocol,
    DeviceTimeout,
)
from edge.links import UsbLine, access
from edge.links.address import Address, split_host
from edge.links.fd import Tap
from edge.links.holder import action_against, holder_of
from edge.links.usb import Pipes, UsbLink
from edge.links.usbip_import import import_device
from edge.plugging.plugged import Plugged, says_simulated, the_one, usb_devices, wanted

_INTERFACE = 0
_LARGEST_PACKET = 1024
_FIRST_DRAIN_S = 0.02
_BULK = 2
_USB_ERRORS = (usb.core.USBError, NotImplementedError, ValueError, LookupError)


def open_usbip(address: Address, line: UsbLine, tap: Tap) -> UsbLink:
    """Import the device at ``HOST[:PORT]/BUSID`` and claim it."""
    at, _, busid = address.target.partition("/")
    host, port = split_host(at, 3240)
    backend = import_device(host, port, busid)
    with ExitStack() as undo:
        undo.callback(backend.close)
        name = f"usbip://{address.target}"
        device = usb.core.find(backend=backend)
        if device is None:
            raise DeviceAbsent(f"{name} went away while it was opened", code="USB-101")
        link = _claim(device, name, line, tap, backend.close, None)
        undo.pop_all()
    return link


def open_usb(address: Address, line: UsbLine, tap: Tap) -> UsbLink:
    """Find the device ``VVVV:PPPP`` (with its serial number or place) on this PC and claim it."""
    one, name = wanted(address), f"usb:{address.target}"
    found = the_one([each for each in usb_devices() if one is not None and one.fits(each)], name)
    device = _find(found, name)
    return _claim(device, name, line, tap, lambda: None, found)


def _find(found: Plugged, name: str) -> Any:
    *_, bus, number = (found.node or "0/0").split("/")
    place = (int(bus), int(number))
    try:
        device = usb.core.find(backend=_libusb(), custom_match=lambda each: (each.bus, each.address) == place)
    except _USB_ERRORS as error:
        _raise(error, name, found)
    if device is None:
        raise DeviceAbsent(f"{name} is not plugged in", code="USB-101")
    return device


def _libusb() -> Any:
    """Return the backend: the system's libusb, else the one of the package libusb-package."""
    backend = usb.backend.libusb1.get_backend()
    if backend is None:
        with suppress(ImportError):
            from libusb_package import get_libusb1_backend

            backend = get_libusb1_backend()
    if backend is None:
        raise DeviceFault("libusb is not installed", code="USB-107", action="install it: apt install libusb-1.0-0")
    return backend


def _claim(
    device: Any,
    name: str,
    line: UsbLine,
    tap: Tap,
    release: Callable[[], None],
    found: Plugged | None,
) -> UsbLink:
    """Take interface 0 for this program and throw away what the device said before."""

    def let_go() -> None:
        usb.util.dispose_resources(device)
        release()

    with ExitStack() as undo:
        undo.callback(usb.util.dispose_resources, device)
        try:
            pipes = _pipes(device, name, line)
            if _kernel_has_it(device):
                device.detach_kernel_driver(_INTERFACE)
            usb.util.claim_interface(device, _INTERFACE)
        except _USB_ERRORS as error:
            _raise(error, name, found)
        link = UsbLink(device, pipes, name, line, tap, let_go, simulated=says_simulated(_product(device)))
        link.drain(_FIRST_DRAIN_S)
        undo.pop_all()
    return link


def _kernel_has_it(device: Any) -> bool:
    try:
        return bool(device.is_kernel_driver_active(_INTERFACE))
    except NotImplementedError:
        return False


def _pipes(device: Any, name: str, line: UsbLine) -> Pipes:
    """Return the bulk endpoints of interface 0, by ascending address."""
    ends = {end.bEndpointAddress: end for end in _interface(device) if end.bmAttributes & 0x03 == _BULK}
    outs = sorted(address for address in ends if not address & usb.util.ENDPOINT_IN)
    ins = sorted(address for address in ends if address & usb.util.ENDPOINT_IN)
    if not outs or not ins:
        raise DeviceProtocol(f"{name} has no pair of bulk endpoints on its interface 0", code="USB-106")
    pairs = 2 if line.head_bytes and min(len(outs), len(ins)) > 1 else 1
    sizes = {address: max(1, min(end.wMaxPacketSize & 0x7FF, _LARGEST_PACKET)) for address, end in ends.items()}
    return Pipes(tuple(outs[:pairs]), tuple(ins[:pairs]), sizes)


def _interface(device: Any) -> Any:
    try:
        configuration = device.get_active_configuration()
    except usb.core.USBError as error:
        if error.errno is not None:
            raise
        device.set_configuration()  # nobody has chosen one yet
        configuration = device.get_active_configuration()
    return configuration[(_INTERFACE, 0)]


def _product(device: Any) -> str:
    """Return what the device calls itself, "" when it does not say."""
    try:
        return str(usb.util.get_string(device, device.iProduct) or "") if device.iProduct else ""
    except _USB_ERRORS:
        return ""


def _raise(error: Exception, name: str, found: Plugged | None) -> NoReturn:
    raise _ours(error, name, found) from error


def _ours(error: Exception, name: str, found: Plugged | None) -> DeviceError:
    number = getattr(error, "errno", None)
    if number in (errno.ENODEV, errno.ENOENT, errno.EIO, errno.ENXIO):
        return DeviceAbsent(f"{name} went away while it was opened", code="USB-101")
    if number in (errno.EACCES, errno.EPERM):
        return DeviceAccess(f"no permission to open {name}", code="USB-102", action=_rule(found))
    if number == errno.EBUSY:
        holder = _holder(found)
        what = f"{name} is held by {holder or 'another program'}"
        return DeviceBusy(what, code="USB-103", action=action_against(holder, found.node if found else None))
    if number == errno.ETIMEDOUT:
        return DeviceTimeout(f"{name} does not answer", code="USB-104")
    why = errno.errorcode.get(number or 0, type(error).__name__)
    return DeviceProtocol(f"{name} cannot be used ({why})", code="USB-106")


def _rule(found: Plugged | None) -> str:
    vendor, product = (found.vendor_id or 0, found.product_id or 0) if found else (0, 0)
    ids = f'ATTR{{idVendor}}=="{vendor:04x}", ATTR{{idProduct}}=="{product:04x}"'
    return access.told(f'SUBSYSTEM=="usb", {ids}, GROUP="hall-edge", MODE="0660"')


def _holder(found: Plugged | None) -> str | None:
    """Return the program that has the device's node open, else the kernel driver that has its interface."""
    if found is None:
        return None
    holder = holder_of(found.node) if found.node else None
    if holder is not None:
        return holder
    for driver in Path("/sys/bus/usb/devices").glob(f"{found.port}:*.{_INTERFACE}/driver"):
        return f"the kernel driver {driver.resolve().name}"
    return None
