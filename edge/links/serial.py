"""Serial lines, by pyserial: real ports, USB bridges, pseudo-terminals."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import termios

import serial

from edge.errors import DeviceAbsent, DeviceAccess, DeviceBusy, DeviceLost, DeviceProtocol, Unsupported
from edge.links import SerialLine
from edge.links.access import how_to_allow
from edge.links.fd import FdLink, Tap
from edge.links.holder import action_against, holder_of


class SerialLink(FdLink):
    """One open serial line, locked against other programs that lock (``flock``)."""

    stuck, lost = "SER-104", "SER-105"

    def __init__(self, line: serial.Serial, path: str, tap: Tap, *, fixed: bool) -> None:
        super().__init__(line.fileno(), path, tap)
        self._line = line
        self._fixed = fixed
        self.simulated = os.path.realpath(path).startswith("/dev/pts/")

    def set_baud(self, baud: int) -> None:
        if self._fixed:
            raise Unsupported(f"the address of {self._name} says which rate it has")
        try:
            self._line.baudrate = baud
        except (OSError, ValueError, termios.error) as error:
            raise DeviceLost(f"{self._name} does not take {baud} baud", code="SER-105") from error

    def _release(self) -> None:
        with contextlib.suppress(OSError, termios.error):
            termios.tcflush(self._line.fileno(), termios.TCOFLUSH)  # else close() waits until all is sent
        with contextlib.suppress(OSError):
            fcntl.flock(self._line.fileno(), fcntl.LOCK_UN)  # else a child that is being started keeps it
        with contextlib.suppress(OSError):
            self._line.close()


def open_serial(path: str, line: SerialLine, tap: Tap, *, fixed: bool = False) -> SerialLink:
    """Open *path*, at a rate that is *fixed* or may be changed.

    Raises ``DeviceAbsent``, ``DeviceAccess``, ``DeviceBusy`` or ``DeviceProtocol``.
    """
    try:
        port = serial.Serial(
            path,
            line.baud,
            bytesize=line.data_bits,
            parity=line.parity,
            stopbits=line.stop_bits,
            timeout=0,
            exclusive=True,
        )
    except (OSError, termios.error) as error:
        raise _ours(path, error) from error
    except ValueError as error:
        raise DeviceProtocol(f"{path} does not take {line.baud} baud", code="SER-106") from error
    return SerialLink(port, path, tap, fixed=fixed)


def _ours(path: str, error: Exception) -> Exception:
    """Sort an opening error by what happens next."""
    number = error.errno if isinstance(error, OSError) else error.args[0]
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO):
        return DeviceAbsent(f"{path} is not there", code="SER-101")
    if number in (errno.EACCES, errno.EPERM):
        return DeviceAccess(f"no permission to open {path}", code="SER-102", action=how_to_allow(path, "tty"))
    if number in (errno.EBUSY, errno.EAGAIN):
        holder = holder_of(path)
        what = f"{path} is held by {holder or 'another program'}"
        return DeviceBusy(what, code="SER-103", action=action_against(holder, path))
    why = errno.errorcode.get(number or 0, "unknown reason")
    return DeviceProtocol(f"{path} is no serial line ({why})", code="SER-106", action="check the device's address")
