"""QEMU's monitor: one command, one answer, over a unix socket (QMP)."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, Self

ANSWER_S = 120.0


class MonitorError(Exception):
    """QEMU refused a command."""


class Monitor:
    """A connection to the monitor at *path*; a context manager."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_S)
        try:
            self._socket.connect(str(path))
            self._lines = self._socket.makefile("rw", encoding="utf-8")
            self._lines.readline()  # the greeting
            self.ask("qmp_capabilities")
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send *command* and return what it returns; events on the way are skipped."""
        self._lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._lines.flush()
        for line in self._lines:
            answer = json.loads(line)
            if "error" in answer:
                raise MonitorError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise MonitorError(f"{command}: QEMU has gone")

    def human(self, line: str) -> None:
        """Give a command of the human monitor; what it says is an error."""
        if said := self.ask("human-monitor-command", **{"command-line": line}).strip():
            raise MonitorError(f"{line}: {said}")
