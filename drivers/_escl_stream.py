"""Bytes from a scanner: every wait is short, bounded, and asks whether it is still wanted."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from drivers._escl_problems import device_error

SLICE_S = 0.1
HEAD_BYTES = 1 << 18
"""What may come besides a body: headers, and the sizes of chunks."""
Check = Callable[[], None]


@dataclass(frozen=True)
class Patience:
    """How long to wait: for a connection, for the next byte, for the whole answer; and how much may come."""

    silence_s: float = 5.0
    total_s: float | None = 5.0
    connect_s: float = 2.0
    limit: int = 1 << 20


class Watch:
    """Guards one exchange: wanted still? too long? too much?"""

    def __init__(self, patience: Patience, clock: Callable[[], float], check: Check) -> None:
        self._patience, self._clock, self._check = patience, clock, check
        self._begin = self._last = clock()
        self._bytes = 0

    def tick(self) -> None:
        self._check()
        now, patience = self._clock(), self._patience
        late = patience.total_s is not None and now - self._begin > patience.total_s
        if late or now - self._last > patience.silence_s:
            raise device_error("ESC-101")

    def got(self, count: int) -> None:
        self._last = self._clock()
        self._bytes += count
        if self._bytes > self._patience.limit + HEAD_BYTES:
            raise device_error("ESC-106")


class _Stream(io.RawIOBase):
    """What ``http.client`` reads from. It does not own the socket."""

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        super().__init__()
        self._sock, self._watch = sock, watch

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            self._watch.tick()
            with suppress(TimeoutError):
                count = self._sock.recv_into(buffer)
                self._watch.got(count)
                return count


class Source:
    """The part of a socket that ``HTTPResponse`` asks for."""

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        self._sock, self._watch = sock, watch

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Stream(self._sock, self._watch))
