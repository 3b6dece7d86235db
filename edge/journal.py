"""The journal's own way to take log records (systemd's native protocol): fields instead of a line, never waited for.

Used where standard error is the journal. ``journalctl HALL_EDGE_DEVICE=pad-1`` then finds what concerns one device.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "hall-edge"
_PREFIX = "HALL_EDGE_"
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7
_MAX_NAME = 64


def is_journal(fd: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether descriptor *fd* leads to the journal, as ``$JOURNAL_STREAM`` says (systemd.exec(5))."""
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def priority(level: int) -> int:
    """Return the syslog priority of a *level* of :mod:`logging`."""
    return next((number for least, number in _PRIORITIES if level >= least), _DEBUG)


def datagram(level: int, message: str, fields: Mapping[str, object]) -> bytes:
    """Return a record as the journal takes it; *fields* get our prefix, so that none passes for the journal's own."""
    own = {f"{_PREFIX}{_name(key)}"[:_MAX_NAME]: value for key, value in fields.items()}
    entries = {"MESSAGE": message, "PRIORITY": priority(level), "SYSLOG_IDENTIFIER": IDENTIFIER, **own}
    return b"".join(_entry(key, str(value)) for key, value in entries.items())


def _name(key: str) -> str:
    return re.sub("[^A-Z0-9_]", "_", key.upper())


def _entry(key: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")
    if b"\n" in data:  # its length goes before it: no value can pass for another field
        return key.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return key.encode() + b"=" + data + b"\n"


class JournalOutput:
    """Sends records to the journal's socket at *path*; one that is not taken at once is dropped and counted."""

    def __init__(self, path: str = SOCKET) -> None:
        """Raise ``OSError`` when there is no journal."""
        self.lost = 0
        """Records that were not taken and not told of yet."""
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            self._socket.sendto(b"", path)  # it ignores an empty one
        except BlockingIOError:
            pass  # it is there, and busy
        except OSError:
            self._socket.close()
            raise

    def write(self, record: bytes) -> bool:
        """Send *record*; return whether it was taken. Never raises."""
        if not self.catch_up() or not self._taken(record):
            self.lost += 1
            return False
        return True

    def catch_up(self) -> bool:
        """Tell how many records were lost; return whether that is done."""
        if self.lost:
            told = datagram(logging.WARNING, f"{self.lost} lines of the log were lost here", {})
            if self._taken(told):
                self.lost = 0
        return not self.lost

    def close(self) -> None:
        """Close it. Idempotent."""
        self._socket.close()

    def _taken(self, data: bytes) -> bool:
        with contextlib.suppress(OSError):  # full, gone, or started anew just now
            self._socket.sendto(data, socket.MSG_NOSIGNAL, self._path)
            return True
        return False
