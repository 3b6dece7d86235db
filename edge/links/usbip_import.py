"""Import a USB device from a host that exports it over USB/IP: the one question that a connection begins with."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct

import usb.core  # type: ignore[import-untyped]  # pyusb has no types

from edge.errors import DeviceAbsent, DeviceBusy, DeviceProtocol, DeviceTimeout
from edge.links import usb_descriptors as descriptors
from edge.links.usbip import UsbIpBackend, receive

_VERSION, _ASK_IMPORT, _TELL_IMPORT = 0x0111, 0x8003, 0x0003
_BUSY, _NO_DEVICE = 2, 4
_ANSWER = struct.Struct(">HHI")
_DEVICE_SIZE = 312
_CONNECT_S = 2.0


def import_device(host: str, port: int, busid: str) -> UsbIpBackend:
    """Import the device *busid*; raises ``DeviceAbsent``, ``DeviceBusy``, ``DeviceTimeout`` or ``DeviceProtocol``."""
    name = f"usbip://{host}:{port}/{busid}"
    with contextlib.ExitStack() as undo:
        try:
            connection = socket.create_connection((host, port), timeout=_CONNECT_S)
            undo.callback(connection.close)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(_ANSWER.pack(_VERSION, _ASK_IMPORT, 0) + busid.encode().ljust(32, b"\0"))
            version, code, status = _ANSWER.unpack(receive(connection, _ANSWER.size))
            _check(name, version, code, status)
            backend = UsbIpBackend(connection, receive(connection, _DEVICE_SIZE))
        except TimeoutError as error:
            raise DeviceTimeout(f"{name} does not answer", code="USB-104", action="check network and power") from error
        except usb.core.USBError as error:
            raise DeviceAbsent(f"{name} went away while it was opened", code="USB-101") from error
        except descriptors.DescriptorError as error:
            raise DeviceProtocol(f"{name} describes itself wrongly: {error}", code="USB-106") from error
        except OSError as error:
            why = "name not known" if isinstance(error, socket.gaierror) else errno.errorcode.get(error.errno or 0)
            raise DeviceAbsent(f"{name} is not there ({why})", code="USB-101") from error
        undo.pop_all()
    return backend


def _check(name: str, version: int, code: int, status: int) -> None:
    if (version, code) != (_VERSION, _TELL_IMPORT):
        raise DeviceProtocol(f"{name} does not speak USB/IP 1.1.1", code="USB-106", action="check host and port")
    if status == _BUSY:
        action = "detach it there: usbip port, usbip detach"
        raise DeviceBusy(f"{name} is imported by another host or program", code="USB-103", action=action)
    if status:
        why = "is not plugged in there" if status == _NO_DEVICE else f"cannot be imported (status {status})"
        raise DeviceAbsent(f"{name} {why}", code="USB-101")
