"""Import a USB device over the network: a pyusb backend that speaks USB/IP 1.1.1 (Linux kernel, ``usbip_protocol``).

The exporting side is a host with ``usbipd``, a converter box, or a simulator. One backend is one connection and one
device; it does not touch the kernel of this PC. It is used in one thread, as pyusb is.

Numbers of errors are those that libusb gives, so that whoever reads them need not know which backend it was. What the
other side says is not trusted: lengths are checked before anything is received, descriptors have limits.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import time
from array import array
from collections.abc import Iterator
from types import SimpleNamespace
from typing import NoReturn

import usb.backend  # type: ignore[import-untyped]  # pyusb has no types
import usb.core  # type: ignore[import-untyped]

from edge.links import usb_descriptors as descriptors

_SUBMIT, _UNLINK, _SUBMITTED, _UNLINKED = 1, 2, 3, 4
_NUMBERS = struct.Struct(">III")
"""Bus, device number and speed, behind path and bus id."""
_NUMBERS_AT = 288
_HEADER_SIZE = 48
_CONTROL_S = 2.0
_UNLINK_S = 2.0
_IN = 0x80

_LIBUSB: dict[int, tuple[int, str]] = {
    errno.EIO: (-1, "Input/Output Error"),
    errno.EINVAL: (-2, "Invalid parameter"),
    errno.ENODEV: (-4, "No such device (it may have been disconnected)"),
    errno.ENOENT: (-5, "Entity not found"),
    errno.EBUSY: (-6, "Resource busy"),
    errno.ETIMEDOUT: (-7, "Operation timed out"),
    errno.EOVERFLOW: (-8, "Overflow"),
    errno.EPIPE: (-9, "Pipe error"),
}
_AS_LIBUSB = {errno.ESHUTDOWN: errno.ENODEV, errno.EPROTO: errno.EIO, errno.EILSEQ: errno.EIO}


def usb_error(number: int) -> usb.core.USBError:
    """Return the error that libusb gives for the kernel's *number*."""
    number = _AS_LIBUSB.get(number, number if number in _LIBUSB else errno.EIO)
    code, text = _LIBUSB[number]
    kind = usb.core.USBTimeoutError if number == errno.ETIMEDOUT else usb.core.USBError
    error: usb.core.USBError = kind(text, code, number)
    return error


class UsbIpBackend(usb.backend.IBackend):  # type: ignore[misc]  # pyusb has no types
    """One imported device as pyusb sees it."""

    def __init__(self, connection: socket.socket, imported: bytes) -> None:
        super().__init__()
        self._connection = connection
        self._input = select.poll()
        self._input.register(connection, select.POLLIN)
        self._number = 0
        bus, number, self._speed = _NUMBERS.unpack_from(imported, _NUMBERS_AT)
        self._id = bus << 16 | number & 0xFFFF
        self._bus, self._address = bus, number
        self._claimed = False
        self._device = descriptors.device(self._descriptor(descriptors.DEVICE, descriptors.DEVICE_SIZE))
        self._configuration = descriptors.configuration(self._whole_configuration())

    def close(self) -> None:
        """Give the device back. Idempotent."""
        with contextlib.suppress(OSError):
            self._connection.close()

    # --- what pyusb asks for

    def enumerate_devices(self) -> Iterator[UsbIpBackend]:
        return iter([self])

    def get_parent(self, _dev: object) -> None:
        return None

    def get_device_descriptor(self, _dev: object) -> SimpleNamespace:
        place = {"bus": self._bus, "address": self._address, "port_number": 1, "port_numbers": (1,)}
        return SimpleNamespace(**self._device, **place, speed=self._speed)

    def get_configuration_descriptor(self, _dev: object, config: int) -> SimpleNamespace:
        if config:
            raise IndexError("Invalid configuration index")
        return self._configuration

    def get_interface_descriptor(self, _dev: object, intf: int, alt: int, config: int) -> SimpleNamespace:
        interfaces = self.get_configuration_descriptor(None, config).interfaces
        found: SimpleNamespace = interfaces[sorted(interfaces)[intf]][alt]
        return found

    def get_endpoint_descriptor(self, _dev: object, ep: int, intf: int, alt: int, config: int) -> SimpleNamespace:
        found: SimpleNamespace = self.get_interface_descriptor(None, intf, alt, config).endpoints[ep]
        return found

    def open_device(self, _dev: object) -> UsbIpBackend:
        return self

    def close_device(self, _handle: object) -> None:
        self.close()

    def set_configuration(self, _handle: object, value: int) -> None:
        self._control(0x00, 0x09, value, 0)

    def get_configuration(self, _handle: object) -> int:
        return self._control(0x80, 0x08, 0, 0, 1)[0]

    def set_interface_altsetting(self, _handle: object, intf: int, alt: int) -> None:
        self._control(0x01, 0x0B, alt, intf)

    def claim_interface(self, _handle: object, _intf: int) -> None:
        """Claim it: whoever has imported a device has it to himself."""
        self._claimed = True

    def release_interface(self, _handle: object, _intf: int) -> None:
        if not self._claimed:
            raise usb_error(errno.ENOENT)
        self._claimed = False

    def is_kernel_driver_active(self, _handle: object, _intf: int) -> bool:
        return False

    def clear_halt(self, _handle: object, ep: int) -> None:
        self._control(0x02, 0x01, 0, ep)

    def bulk_write(self, _handle: object, ep: int, _intf: int, data: array[int], timeout: int) -> int:
        taken, _ = self._transfer(ep, data.tobytes(), len(data) * data.itemsize, timeout / 1000)
        return taken

    def bulk_read(self, _handle: object, ep: int, _intf: int, buff: array[int], timeout: int) -> int:
        space = memoryview(buff).cast("B")
        _, data = self._transfer(ep, b"", len(space), timeout / 1000)
        space[: len(data)] = data
        return len(data)

    def ctrl_transfer(
        self, _handle: object, kind: int, request: int, value: int, index: int, data: array[int], timeout: int
    ) -> int:
        space = memoryview(data).cast("B")
        if not kind & _IN:
            return self._control_out(kind, request, value, index, bytes(space), timeout / 1000)
        told = self._control(kind, request, value, index, len(space), timeout / 1000)
        space[: len(told)] = told
        return len(told)

    # --- USB/IP

    def _descriptor(self, kind: int, size: int) -> bytes:
        return self._control(0x80, 0x06, kind << 8, 0, size)

    def _whole_configuration(self) -> bytes:
        size = descriptors.total_size(self._descriptor(descriptors.CONFIGURATION, descriptors.CONFIGURATION_SIZE))
        return self._descriptor(descriptors.CONFIGURATION, size)

    def _control(
        self, kind: int, request: int, value: int, index: int, size: int = 0, limit_s: float = _CONTROL_S
    ) -> bytes:
        setup = struct.pack("<BBHHH", kind, request, value, index, size)
        _, data = self._transfer(kind & _IN, b"", size, limit_s or _CONTROL_S, setup)
        if size and not data:
            raise usb_error(errno.EIO)
        return data

    def _control_out(self, kind: int, request: int, value: int, index: int, data: bytes, limit_s: float) -> int:
        setup = struct.pack("<BBHHH", kind, request, value, index, len(data))
        taken, _ = self._transfer(0, data, len(data), limit_s or _CONTROL_S, setup)
        return taken

    def _transfer(
        self, endpoint: int, data: bytes, size: int, limit_s: float, setup: bytes = bytes(8)
    ) -> tuple[int, bytes]:
        """Do one transfer within *limit_s*; return how many bytes were moved, and those received."""
        number = self._next()
        is_in = bool(endpoint & _IN)
        basic = struct.pack(">IIIII", _SUBMIT, number, self._id, is_in, endpoint & 0x0F)
        self._send(basic + struct.pack(">IIIII8s", 0, size, 0, 0, 0, setup) + data)
        wanted = size if is_in else 0
        if self._wait(limit_s):
            command, _, status, moved, received = self._reply(number, wanted)
            return self._result(status, moved, size, received) if command == _SUBMITTED else self._broken()
        return self._give_up(number, size, wanted)

    def _give_up(self, number: int, size: int, wanted: int) -> tuple[int, bytes]:
        """Unlink a transfer whose time is over; it may have ended in the same moment."""
        unlink = self._next()
        self._send(struct.pack(">IIIIII24x", _UNLINK, unlink, self._id, 0, 0, number))
        ended: tuple[int, int, int, int, bytes] | None = None
        end = time.monotonic() + _UNLINK_S
        while self._wait(end - time.monotonic()):
            reply = self._reply(number, wanted)
            if reply[:2] == (_UNLINKED, unlink):
                if ended is None:
                    raise usb_error(errno.ETIMEDOUT)
                return self._result(ended[2], ended[3], size, ended[4])
            if reply[0] != _SUBMITTED or ended:
                break
            ended = reply
        return self._broken()

    def _result(self, status: int, moved: int, size: int, received: bytes) -> tuple[int, bytes]:
        if status:
            raise usb_error(-status)
        if moved > size:
            self._broken()
        return moved, received

    def _reply(self, number: int, wanted: int) -> tuple[int, int, int, int, bytes]:
        """Return command, number, status, count and data of the next message; *wanted* bytes of data at most."""
        header = self._receive(_HEADER_SIZE)
        command, told, _, _, _, status, moved = struct.unpack_from(">IIIIIiI", header)
        if command != _SUBMITTED:
            return command, told, status, 0, b""
        if told != number or (wanted and moved > wanted):
            self._broken()
        return command, told, status, moved, self._receive(moved) if wanted else b""

    def _next(self) -> int:
        self._number = self._number % 0x7FFFFFFF + 1
        return self._number

    def _wait(self, wait_s: float) -> bool:
        try:
            return bool(self._input.poll(max(0.0, wait_s) * 1000))
        except OSError as error:
            raise usb_error(errno.ENODEV) from error

    def _send(self, data: bytes) -> None:
        try:
            self._connection.settimeout(_CONTROL_S)
            self._connection.sendall(data)
        except OSError as error:
            raise usb_error(errno.ENODEV) from error

    def _receive(self, size: int) -> bytes:
        """Receive *size* bytes of a message that has begun; one that does not go on is a broken connection."""
        try:
            return receive(self._connection, size)
        except OSError as error:
            raise usb_error(errno.ENODEV) from error

    def _broken(self) -> NoReturn:
        """End a connection whose messages do not fit what was asked: nothing on it can be trusted any more."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        raise usb_error(errno.ENODEV)


def receive(connection: socket.socket, size: int) -> bytes:
    """Return *size* bytes within 2 s; raises ``OSError``, also at the end of the stream."""
    data = bytearray()
    end = time.monotonic() + _CONTROL_S
    while len(data) < size:
        connection.settimeout(max(0.001, end - time.monotonic()))
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionResetError(errno.ECONNRESET, "end of stream")
        data += piece
    return bytes(data)
