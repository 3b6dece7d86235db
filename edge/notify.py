"""Tells systemd how the daemon is (sd_notify(3)), by hand: datagrams that are never waited for and never fail.

Started by anybody else (no ``$NOTIFY_SOCKET``) nothing here does anything. What a person must know is also in the
log and in ``hall-edge status``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, TypeVar

from edge.device_state import USABLE
from edge.wire import HealthProblem

MORE_S = 30.0
"""So much more time systemd is asked for, again and again, while something long makes progress."""
_TICK_S = 2.0
_MOST_OWED = 16
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
T = TypeVar("T")


class Notifier:
    """Speaks to systemd, if it has started us. Any thread."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        """Take what systemd has left in *environ* out of it: no process that we start may speak for us."""
        address, usec, pid = (environ.pop(name, "") for name in _VARIABLES)
        self.watchdog_s = int(usec) / 1e6 if usec.isdecimal() and pid in ("", str(os.getpid())) else None
        """How long systemd waits for :meth:`alive`; ``None``: it does not."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._owed: deque[bytes] = deque(maxlen=_MOST_OWED)
        """What was not taken yet, and has to be told all the same."""
        self._status = ""
        self._socket: socket.socket | None = None
        if address[:1] in ("/", "@"):
            with contextlib.suppress(OSError):  # no handle left: nobody is told
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    @property
    def active(self) -> bool:
        """Whether systemd wants to know."""
        return self._socket is not None

    def ready(self, status: str) -> None:
        """Say that the daemon does its work now; also at the end of a reload."""
        self._status = status
        self._tell(f"READY=1\nSTATUS={_line(status)}")

    def status(self, text: str) -> None:
        """Show *text*, which must hold nothing personal, in ``systemctl status``, if it is new."""
        if text != self._status:
            self._status = text
            self._tell(f"STATUS={_line(text)}")

    def reloading(self) -> None:
        """Say that the configuration is being read anew; :meth:`ready` ends it."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the daemon ends."""
        self._tell("STOPPING=1\nSTATUS=it ends")

    def more_time(self, wanted_s: float) -> None:
        """Ask for so much time until the daemon is ready."""
        self._tell(f"EXTEND_TIMEOUT_USEC={int(wanted_s * 1e6)}")

    def alive(self) -> None:
        """Say that everything moves. One that is not taken is not said again."""
        self._deliver()
        if self.watchdog_s is not None and not self._owed:
            self._send(b"WATCHDOG=1")

    def close(self) -> None:
        """Say nothing any more. Idempotent."""
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()

    def _tell(self, text: str) -> None:
        self._owed.append(text.encode("utf-8", "replace"))
        self._deliver()

    def _deliver(self) -> None:
        while self._owed and self._send(self._owed[0]):
            self._owed.popleft()

    def _send(self, datagram: bytes) -> bool:
        """Return whether *datagram* is done with: taken, or there is nobody to take it."""
        if self._socket is None:
            return True
        try:
            self._socket.sendto(datagram, socket.MSG_NOSIGNAL, self._address)
        except BlockingIOError:
            return False
        except (OSError, ValueError):  # nobody is there any more, or never was
            return True
        return True


def _line(text: str) -> str:
    return " ".join(text.split())


def summary(states: Iterable[str], link: str, waiting: int, problems: Iterable[HealthProblem] = ()) -> str:
    """Return the daemon's state in a line, for ``STATUS=``; of *problems* the codes of those that need a person."""
    known = list(states)
    usable = sum(state in USABLE for state in known)
    trouble = ", ".join(dict.fromkeys(problem.code for problem in problems if problem.level == "attention"))
    line = f"{usable} of {len(known)} devices ready, broker {link}, {waiting} events wait"
    return f"{line}; see to {trouble}" if trouble else line


async def patiently(work: asyncio.Future[T], notifier: Notifier, stop: asyncio.Event) -> bool:
    """Wait for *work*, whose error is raised; return ``False`` when *stop* was set before.

    A large store may take longer to open than systemd waits for a service to start. It is asked for more time, and
    told that all is well, as long as this process computes, reads or writes: not for a disk that hangs.
    """
    stopped = asyncio.ensure_future(stop.wait())
    try:
        spent = _spent()
        while not (work.done() or stopped.done()):
            either: list[asyncio.Future[Any]] = [work, stopped]
            await asyncio.wait(either, timeout=_TICK_S, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and (now := _spent()) != spent:
                spent = now
                notifier.more_time(MORE_S)
                notifier.alive()
        if work.done():
            work.result()
        return work.done()
    finally:
        stopped.cancel()


def _spent() -> tuple[int, int, int]:
    """Return what this process has used, in steps that waiting alone does not make: 1/20 s of CPU, blocks of disk."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int(time.process_time() * 20), used.ru_inblock, used.ru_oublock


async def keep_alive(notifier: Notifier, stalled: Callable[[], str | None]) -> None:
    """Say that all is well for as long as *stalled* names nothing."""
    while notifier.watchdog_s is not None:
        if stalled() is None:
            notifier.alive()
        await asyncio.sleep(min(_TICK_S, notifier.watchdog_s / 2))
