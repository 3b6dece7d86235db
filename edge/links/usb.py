"""USB devices that are spoken to over bulk endpoints, by pyusb: on this PC with libusb, or imported over USB/IP.

Nothing is changed at a device but what is needed: a kernel driver is detached, interface 0 claimed. Reads are made of
short transfers, so that the lane's thread, the only one that touches pyusb, is never long in one.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import usb.core  # type: ignore[import-untyped]  # pyusb has no types

from edge.errors import DeviceLost, DeviceTimeout, Unsupported
from edge.links import UsbLine
from edge.links.fd import Tap

T = TypeVar("T")
_READ_S = 0.1  # the longest transfer
_DRAIN_S = 0.002
_LOOK_S = 0.25
_WRITE_S = 2.0
_DISCARD_READS = 256


@dataclass(frozen=True)
class Pipes:
    """Bulk endpoints by address: one pair, or two where a frame is spread over them; ``sizes`` of their packets."""

    outs: tuple[int, ...]
    ins: tuple[int, ...]
    sizes: Mapping[int, int]


class UsbLink:
    """One claimed device. *release* lets go of it; *name* is what messages call it."""

    def __init__(
        self,
        device: Any,
        pipes: Pipes,
        name: str,
        line: UsbLine,
        tap: Tap,
        release: Callable[[], None],
        *,
        simulated: bool,
    ) -> None:
        self.simulated = simulated
        self._device = device
        self._name = name
        self._line = line
        self._tap = tap
        self._release = release
        self._pipes = pipes
        self._tail = b""
        self._body_left = 0
        self._ahead = b""
        self._woken = threading.Event()
        self._state = threading.Lock()
        self._busy = self._closed = False

    def read(self, wait_s: float) -> bytes:
        """Return the bytes of one packet, as soon as there is one."""
        if self._ahead:
            data, self._ahead = self._ahead, b""
            return data
        end = time.monotonic() + wait_s
        while True:
            left = end - time.monotonic()
            data = self._packet(max(_DRAIN_S, min(left, _READ_S)))
            if data or left <= _READ_S:
                return data

    def idle(self, wait_s: float) -> bool:
        """Wait to be woken; that the device has said something, or has gone, is noticed within 0.25 s.

        A device on USB is only heard when it is asked for bytes, so nothing wakes this thread when it speaks.
        """
        self._check_open()
        end = time.monotonic() + wait_s
        while not self._ahead:
            left = end - time.monotonic()
            if self._woken.wait(max(0.0, min(left, _LOOK_S))):
                self._woken.clear()
                self._check_open()
                return bool(self._ahead)
            self._ahead = self._packet(_DRAIN_S)
            if left <= _LOOK_S:
                break
        return bool(self._ahead)

    def write(self, data: bytes) -> None:
        self._check_open()
        self._tap(">", data)
        head = self._line.head_bytes if len(self._pipes.outs) > 1 else 0
        pieces = ((self._pipes.outs[0], data[:head]), (self._pipes.outs[-1], data[head:]))
        for endpoint, piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[self._written(endpoint, bytes(rest)) :]

    def discard(self) -> None:
        """Drop what was said and not read, and begin at a head again."""
        self.drain(_DRAIN_S)

    def drain(self, quiet_s: float) -> None:
        """Drop what comes until every endpoint is quiet for *quiet_s*."""
        self._ahead = b""
        for endpoint in self._pipes.ins:
            for _ in range(_DISCARD_READS):
                if not self._transferred(endpoint, quiet_s):
                    break
        self._tail, self._body_left = b"", 0

    def set_baud(self, baud: int) -> None:
        raise Unsupported(f"{self._name} has no line rate to set to {baud}")

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        """Let go of the device; a transfer under way in another thread is finished first, and lets go itself."""
        with self._state:
            closed, self._closed = self._closed, True
            if closed or self._busy:
                return
        self._release()

    def _packet(self, wait_s: float) -> bytes:
        """Return the next packet of what the device says: of a frame's body while there is one, else of a head."""
        if len(self._pipes.ins) == 1:
            return self._transferred(self._pipes.ins[0], wait_s)
        if self._body_left:
            data = self._transferred(self._pipes.ins[1], wait_s)
            self._body_left = max(0, self._body_left - len(data))
            return data
        data = self._transferred(self._pipes.ins[0], wait_s)
        self._tail = (self._tail + data)[-self._line.head_bytes :]
        if data and len(self._tail) == self._line.head_bytes:
            self._body_left = self._line.body_bytes(self._tail) or 0
            self._tail = b"" if self._body_left else self._tail
        return data

    def _transferred(self, endpoint: int, wait_s: float) -> bytes:
        """Return one packet, or nothing when none comes within *wait_s*."""
        size = self._pipes.sizes[endpoint]
        try:
            data = self._call(lambda: bytes(self._device.read(endpoint, size, _ms(wait_s))), endpoint)
        except usb.core.USBTimeoutError:
            return b""
        if data:
            self._tap("<", data)
        return data

    def _written(self, endpoint: int, data: bytes) -> int:
        try:
            return self._call(lambda: int(self._device.write(endpoint, data, _ms(_WRITE_S))), endpoint)
        except usb.core.USBTimeoutError as error:
            raise DeviceTimeout(f"{self._name} takes no bytes any more", code="USB-104") from error

    def _call(self, work: Callable[[], T], endpoint: int) -> T:
        """Do *work*, once more after a stall; raises ``DeviceLost``, or ``USBTimeoutError``."""
        with self._using():
            try:
                try:
                    return work()
                except usb.core.USBError as error:
                    if error.errno != errno.EPIPE:
                        raise
                    self._device.clear_halt(endpoint)
                    return work()
            except usb.core.USBTimeoutError:
                raise
            except (usb.core.USBError, NotImplementedError, ValueError) as error:
                self._lost(error)

    @contextmanager
    def _using(self) -> Iterator[None]:
        """Keep the device from being let go of while the context lasts."""
        with self._state:
            self._check_open()
            self._busy = True
        try:
            yield
        finally:
            with self._state:
                self._busy = False
                closed = self._closed
            if closed:
                self._release()

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceLost(f"{self._name} is closed", code="USB-105")

    def _lost(self, error: Exception) -> NoReturn:
        number = getattr(error, "errno", None)
        raise DeviceLost(
            f"{self._name} went away ({errno.errorcode.get(number or 0, 'EIO')})", code="USB-105"
        ) from error


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # 0 would be for ever
