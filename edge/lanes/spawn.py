"""How a driver's process comes to be: as a child of ours, or, where systemd runs us, as an instance of a unit.

A unit can give up what a child cannot: the network above all. systemd starts one instance of it for each connection
to its socket, so nobody needs a right to start units; an instance ends with its connection, and with the daemon.
Which socket it is depends on whether the driver has to reach the network. Either way the process is a session of its
own, of the same user as we.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from edge.errors import DeviceFault
from edge.lanes.confine import environment

SOCKETS = "HALL_EDGE_DRIVERS"
"""The variable that names the folder of the units' sockets; without it the daemon starts children."""
ALONE, CONNECTED = "driver.sock", "netdriver.sock"
_COME_S = 10.0  # so long may systemd take to start an instance
_KILLED_S = 1.0
_CREDENTIALS = struct.Struct("3i")
_undead: list[subprocess.Popen[bytes]] = []  # killed, but the kernel has not let go of them yet


class ProcessFault(DeviceFault):
    """A driver's process ended, or said what it must not. It is started again."""

    default_code = "DRV-105"
    default_action = "nothing to do once; if it happens again, send the log around this line to the driver's author"


class Process(Protocol):
    """A driver's process that was started."""

    @property
    def pid(self) -> int: ...

    def died(self, within_s: float = 0.0) -> bool:
        """Return whether it has ended, or does *within_s*."""

    def signal(self, number: int) -> None:
        """Send a signal to it alone; nothing when it has ended."""

    def kill(self) -> None:
        """End it and what it has started."""

    def reap(self) -> str:
        """Return how it ended, after :meth:`kill`; let go of it."""


class _Watched:
    """A process that is told from every later one with its number."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)
        self._ended = select.poll()
        self._ended.register(self._handle, select.POLLIN)

    def died(self, within_s: float = 0.0) -> bool:
        return bool(self._ended.poll(within_s * 1000))

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # nor reaped: its group's number is still its own
            os.killpg(self.pid, signal.SIGKILL)

    def reap(self) -> str:
        os.close(self._handle)
        return "ended"


class Ours(_Watched):
    """A child of this process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(process.pid)
        self._process = process

    def reap(self) -> str:
        try:
            self._process.wait(_KILLED_S)
        except subprocess.TimeoutExpired:  # in the middle of a system call that cannot be interrupted
            _undead.append(self._process)
        super().reap()
        code = self._process.returncode
        if code is None:
            return "cannot be ended"
        return f"ended by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"


class Units(_Watched):
    """An instance of a unit: systemd reaps it, ends what it has started, and its journal says how it ended."""

    def kill(self) -> None:
        if not self.died():
            super().kill()

    def reap(self) -> str:
        told = "ended" if self.died(_KILLED_S) else "cannot be ended"
        super().reap()
        return told


def spawn(device: str, *, network: bool) -> tuple[Process, socket.socket]:
    """Start a process for *device*; return it with our end of its socket. Raises :class:`ProcessFault`."""
    folder = os.environ.get(SOCKETS)
    if folder is not None:
        return _instance(Path(folder) / (CONNECTED if network else ALONE))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            return Ours(_child(theirs.fileno(), device)), ours
        except BaseException:
            ours.close()
            raise


def _child(sock: int, device: str) -> subprocess.Popen[bytes]:
    """Start an interpreter of its own, with our path and nothing else that is ours."""
    _undead[:] = [process for process in _undead if process.poll() is None]
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "edge.lanes.worker", str(sock), device],
            env={**environment(os.environ), "PYTHONPATH": path},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(sock,),
            start_new_session=True,
        )
    except OSError as error:  # no memory, or too many processes
        raise ProcessFault(
            f"the driver's process cannot be started ({_name(error)})",
            code="DRV-107",
            action="close other programs: this PC has no memory left, or too many processes",
        ) from error


def _instance(path: Path) -> tuple[Process, socket.socket]:
    """Have systemd start an instance, and wait for its first sign of life, which says who it is."""
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.settimeout(_COME_S)
        ours.connect(os.fspath(path))
        size, control, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size), socket.MSG_PEEK)
        if not size:
            raise ConnectionResetError(errno.ECONNRESET, "it was refused")
        pid = _CREDENTIALS.unpack(control[0][2])[0]  # of the kernel: nobody can give another's
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        ours.settimeout(None)
        return Units(pid), ours
    except OSError as error:
        ours.close()
        action = f"sudo systemctl status hall-edge-{path.stem}.socket; sudo journalctl -u 'hall-edge-{path.stem}@*'"
        cause = f"no driver's process comes at {path} ({_name(error)})"
        raise ProcessFault(cause, code="DRV-107", action=action) from error


def _name(error: OSError) -> str:
    return "no answer" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno or 0, "?")


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
