"""The other end of a simulated port: a plain file descriptor, as any vendor's tool would open it."""

from __future__ import annotations

import errno
import os
import select
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

DEADLINE_S = 5.0
FOUND_SIZE, SELECTED_SIZE, RECORD_SIZE = 15, 19, 1295
"""Bytes of the answers to find, select and read."""


def sdt(command: str) -> bytes:
    """Write an SDT request from its command, parameter and data in hexadecimal digits."""
    body = bytes.fromhex(command)
    counted = (len(body) + 1).to_bytes(2, "big") + body
    check = 0
    for byte in counted:
        check ^= byte
    return bytes.fromhex("AAAAAA9669") + counted + bytes((check,))


class Host:
    """Open a port raw at a rate; ``read`` waits for a number of bytes, and never sleeps."""

    def __init__(self, path: Path, baud: int = 115200) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.set_baud(baud)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def set_baud(self, baud: int) -> None:
        settings = termios.tcgetattr(self.fd)
        settings[4] = settings[5] = getattr(termios, f"B{baud}")
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)

    def write(self, data: bytes) -> None:
        assert os.write(self.fd, data) == len(data)

    def read(self, size: int, within_s: float = DEADLINE_S) -> bytes:
        """Read exactly ``size`` bytes, or what came before the deadline or the hang-up."""
        data, end = b"", time.monotonic() + within_s
        while len(data) < size and (left_s := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], left_s)[0]:
                part = self._part(size - len(data))
                if not part:
                    break
                data += part
        return data

    def ask(self, command: str, size: int, within_s: float = DEADLINE_S) -> bytes:
        """Send an SDT request and read ``size`` bytes."""
        self.write(sdt(command))
        return self.read(size, within_s)

    def select_card(self) -> None:
        """Find and select."""
        assert len(self.ask("2001", FOUND_SIZE)) == FOUND_SIZE
        assert len(self.ask("2002", SELECTED_SIZE)) == SELECTED_SIZE

    def is_silent(self, for_s: float = 0.05) -> bool:
        return not self.read(1, for_s)

    def is_gone(self, within_s: float = DEADLINE_S) -> bool:
        """Wait for the hang-up."""
        poller = select.poll()
        poller.register(self.fd, 0)
        return any(events & select.POLLHUP for _, events in poller.poll(int(within_s * 1000)))

    def _part(self, size: int) -> bytes:
        try:
            return os.read(self.fd, size)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return b""
