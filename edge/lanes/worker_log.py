"""The log of a driver's process: its records go to the daemon, which alone writes the log."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from edge import logs
from edge.lanes.channel import Logged


class _ToDaemon(logging.Handler):
    """Hands log records to the daemon, which alone writes the log."""

    def __init__(self, say: Callable[[Logged], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message, more = logs.said(record)
            fields = {key: logs.shown(value) for key, value in {**getattr(record, "fields", {}), **more}.items()}
            if record.exc_info and record.exc_info[1] is not None:
                fields["where"] = logs.where(record.exc_info[1])
            self._say(Logged(level=record.levelno, message=message, fields=fields))
        except Exception:  # noqa: BLE001  # as logging does it: a record that cannot be told is no reason to fail
            self.handleError(record)


def send_logs(level: int, say: Callable[[Logged], None]) -> None:
    """Send records to the daemon, and what C libraries print nowhere: it may hold what a device sent."""
    root = logging.getLogger()
    root.handlers[:] = [_ToDaemon(say)]
    root.setLevel(logging.WARNING)
    logging.getLogger("hall-edge").setLevel(level)
    logging.raiseExceptions = False
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (1, 2):
        os.dup2(nowhere, fd)
    os.close(nowhere)
