"""Where log lines go: a descriptor that is never waited for.

A journal that hangs, a full disk or a reader that has gone must not stop the daemon: a line that is not taken at
once is dropped and counted, and the count is told when lines are taken again.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat

_STANDARD = (0, 1, 2)


def occupy_standard() -> None:
    """Open ``/dev/null`` where standard input, output or error is closed.

    Else the next file that is opened, perhaps the store, would be what a library writes its complaints to.
    """
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)


class LineOutput:
    """Writes lines to what descriptor *fd* leads to, without ever waiting; *fd* itself is left as it is."""

    def __init__(self, fd: int) -> None:
        self.lost = 0
        """Lines that were not taken and not told of yet."""
        self._rest = b""  # of a line that was taken in part
        self._socket: socket.socket | None = None
        self._fd = os.dup(fd)
        mode = os.fstat(fd).st_mode
        if stat.S_ISSOCK(mode):
            self._socket = socket.socket(fileno=self._fd)
        elif stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            with contextlib.suppress(OSError):  # a description of its own: the one we got is shared with others
                own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
                os.close(self._fd)
                self._fd = own

    def write(self, line: str) -> bool:
        """Write *line*; return whether it was taken. Never raises."""
        if not self.catch_up() or not self._begin(line):
            self.lost += 1
            return False
        return True

    def catch_up(self) -> bool:
        """Finish a line that was taken in part, and tell how many were lost; return whether that is done."""
        self._rest = self._rest[self._take(self._rest) :] if self._rest else b""
        if not self._rest and self.lost and self._begin(f"{self.lost} lines of the log were lost here"):
            self.lost = 0
        return not self._rest and not self.lost

    def close(self) -> None:
        """Close it. Idempotent."""
        fd, self._fd = self._fd, -1
        if self._socket is not None:
            self._socket.close()
        elif fd >= 0:
            os.close(fd)

    def _begin(self, line: str) -> bool:
        """Write *line* if at least its beginning is taken now."""
        data = f"{line}\n".encode("utf-8", "backslashreplace")
        taken = self._take(data)
        self._rest = data[taken:] if taken else b""
        return taken > 0

    def _take(self, data: bytes) -> int:
        """Return how many bytes of *data* were taken."""
        try:
            if self._socket is not None:
                return self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            return os.write(self._fd, data)
        except OSError:  # full, gone, or no space on its disk: told when it takes lines again
            return 0
