"""What serial and TCP links share: a file descriptor, a poll object and a way to be woken."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from edge.errors import DeviceLost, DeviceTimeout, Unsupported

Tap = Callable[[str, bytes], None]
"""Sees all traffic: ``("<", bytes)`` from the device, ``(">", bytes)`` to it. Must be quick."""

_READ_BYTES = 4096
_WRITE_LIMIT_S = 2.0
_DISCARD_READS = 256


class FdLink:
    """A link over a non-blocking descriptor; *name* is what error messages call it."""

    simulated = False
    stuck, lost = "DEV-104", "DEV-105"
    """The codes of its errors."""

    def __init__(self, fd: int, name: str, tap: Tap) -> None:
        self._fd = fd
        self._name = name
        self._tap = tap
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._input = select.poll()
        self._input.register(fd, select.POLLIN)
        self._either = select.poll()
        self._either.register(fd, select.POLLIN)
        self._either.register(self._wake_fd, select.POLLIN)
        self._closing = threading.Lock()

    def read(self, wait_s: float) -> bytes:
        self._check_open()
        if not self._input.poll(max(0.0, wait_s) * 1000):
            return b""
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            self._lost(error)
        if not data:
            self._lost(None)
        self._tap("<", data)
        return data

    def idle(self, wait_s: float) -> bool:
        self._check_open()
        ready = dict(self._either.poll(max(0.0, wait_s) * 1000))
        woken = ready.pop(self._wake_fd, 0)
        if woken:
            with contextlib.suppress(OSError):
                os.eventfd_read(self._wake_fd)
        return bool(ready)

    def write(self, data: bytes) -> None:
        self._check_open()
        self._tap(">", data)
        rest = memoryview(data)
        deadline = time.monotonic() + _WRITE_LIMIT_S
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                self._await_room(deadline - time.monotonic())
            except OSError as error:
                self._lost(error)

    def discard(self) -> None:
        for _ in range(_DISCARD_READS):  # a device that floods would keep us here for ever
            if not self.read(0):
                break

    def set_baud(self, baud: int) -> None:
        raise Unsupported(f"{self._name} has no line rate to set to {baud}")

    def wake(self) -> None:
        with self._closing:
            if self._fd >= 0:
                os.eventfd_write(self._wake_fd, 1)

    def close(self) -> None:
        with self._closing:
            if self._fd < 0:
                return
            self._fd = -1
            os.close(self._wake_fd)
        self._release()  # may take its time: wake() must not wait for it

    def _release(self) -> None:
        """Close the descriptor itself. Never raises."""
        raise NotImplementedError

    def _await_room(self, wait_s: float) -> None:
        room = select.poll()
        room.register(self._fd, select.POLLOUT)
        if wait_s <= 0 or not room.poll(wait_s * 1000):
            raise DeviceTimeout(f"{self._name} takes no bytes any more", code=self.stuck)

    def _check_open(self) -> None:
        if self._fd < 0:
            raise DeviceLost(f"{self._name} is closed", code=self.lost)

    def _lost(self, error: OSError | None) -> NoReturn:
        why = errno.errorcode.get(error.errno or 0, "EIO") if error else "end of stream"
        raise DeviceLost(f"{self._name} went away ({why})", code=self.lost) from error
