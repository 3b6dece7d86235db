"""Offer a serial port at a stable path: a pseudo-terminal that can be plugged in and pulled out."""

import fcntl
import os
import re
import select
import sys
import termios
import tty
from contextlib import suppress
from pathlib import Path
from typing import Protocol

BAUDS: dict[int, int] = {getattr(termios, name): int(name[1:]) for name in dir(termios) if re.fullmatch(r"B\d+", name)}
"""Rates in baud by the constants of ``tcgetattr``."""

_READ_SIZE = 65536
_OUTPUT_SPEED = 5


class Port(Protocol):
    """What a device needs of the way to its host; ``fd`` is readable when the host has said something."""

    link: Path
    """The path that belongs to the device."""

    @property
    def fd(self) -> int | None:
        """Give the device's end, None while unplugged."""

    def plug(self) -> None:
        """Appear; nothing happens when plugged already. Raises OSError."""

    def unplug(self) -> None:
        """Disappear, and cut off whoever is there."""

    def read(self) -> bytes:
        """Take all the host has written, without waiting."""

    def write(self, data: bytes) -> int:
        """Send to the host and tell how many bytes reached it."""

    def unread(self) -> int:
        """Count the bytes that the host has not fetched yet."""

    def baud(self) -> int | None:
        """Read the rate the host has set, where there is one."""


class SerialPort:
    """Hold the device's end of a pseudo-terminal; ``link`` leads a host to the other end while plugged.

    Only the host keeps the other end open, so closing it is noticed, and bytes sent to nobody are lost as on
    a real line. Watch the device's end edge-triggered: with nobody there it reports a hang-up for ever.
    """

    def __init__(self, link: Path) -> None:
        self.link = link
        self._device_end: int | None = None
        self._host_end = Path()
        self._may_hold_bytes = False

    @property
    def fd(self) -> int | None:
        """Give the device's end, None while unplugged."""
        return self._device_end

    def plug(self) -> None:
        """Appear at ``link``, in raw mode; nothing happens when plugged already."""
        if self._device_end is not None:
            return
        if self.link.exists() and not self.link.is_symlink():
            raise FileExistsError(f"{self.link} is in the way and is not a link of a simulator")
        device_end, host_end = os.openpty()
        try:
            tty.setraw(host_end)
            os.set_blocking(device_end, False)
            self._host_end = Path(os.ttyname(host_end))
            self._appear()
        except BaseException:
            os.close(device_end)
            raise
        finally:
            os.close(host_end)
        self._device_end = device_end
        self._may_hold_bytes = False

    def unplug(self) -> None:
        """Disappear: the link goes first, then a waiting host gets EIO."""
        if self._device_end is None:
            return
        with suppress(OSError):
            if self.link.readlink() == self._host_end:
                self.link.unlink()
        os.close(self._device_end)
        self._device_end = None

    def read(self) -> bytes:
        """Take all the host has written, without waiting."""
        data = b""
        while self._device_end is not None:
            try:
                data += os.read(self._device_end, _READ_SIZE)
            except BlockingIOError:
                break
            except OSError:
                self._forget_unread()
                break
        return data

    def write(self, data: bytes) -> int:
        """Send to the host and tell how many bytes reached it: none with nobody there, some when full."""
        if self._device_end is None or not self.has_host():
            return 0
        self._may_hold_bytes = True
        try:
            return os.write(self._device_end, data)
        except OSError:
            return 0

    def has_host(self) -> bool:
        """Tell whether somebody has the port open."""
        if self._device_end is None:
            return False
        poller = select.poll()
        poller.register(self._device_end, 0)
        return not any(events & select.POLLHUP for _, events in poller.poll(0))

    def unread(self) -> int:
        """Count the bytes that the host has not fetched yet."""
        if not self.has_host():
            return 0
        with suppress(OSError):
            host_end = os.open(self._host_end, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                count: bytes = fcntl.ioctl(host_end, termios.FIONREAD, bytes(4))
                return int.from_bytes(count, sys.byteorder)
            finally:
                os.close(host_end)
        return 0

    def baud(self) -> int | None:
        """Read the rate the host has set; None for one without a name."""
        if self._device_end is None:
            return None
        speed = termios.tcgetattr(self._device_end)[_OUTPUT_SPEED]
        return BAUDS.get(speed) if isinstance(speed, int) else None

    def _appear(self) -> None:
        fresh = self.link.with_name(f".{self.link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self._host_end)
        fresh.replace(self.link)

    def _forget_unread(self) -> None:
        """Drop what the host left unread when it closed; the kernel would keep it for the next host."""
        if not self._may_hold_bytes:
            return
        self._may_hold_bytes = False
        with suppress(OSError, termios.error):
            host_end = os.open(self._host_end, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                termios.tcflush(host_end, termios.TCIFLUSH)
            finally:
                os.close(host_end)
