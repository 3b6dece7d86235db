"""What systemd is to a service: a socket that is told how it is, and somebody who starts it again."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.support.wait import wait_until


class Said(NamedTuple):
    """One message: its lines, and when it came, on the monotonic clock."""

    at: float
    lines: dict[str, str]


class NotifySocket:
    """Listens at *address* (``@…``: an abstract one) and keeps what is said."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.said: list[Said] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._thread = threading.Thread(target=self._listen, name="notify-socket", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def environment(self, watchdog_s: float | None = None) -> dict[str, str]:
        """Return what systemd would put into the environment of a service."""
        watchdog = {} if watchdog_s is None else {"WATCHDOG_USEC": str(int(watchdog_s * 1e6))}
        return {"NOTIFY_SOCKET": self.address, **watchdog}

    def having(self, key: str, value: str | None = None) -> list[Said]:
        """Return the messages that say *key*, in order."""
        return [one for one in list(self.said) if key in one.lines and value in (None, one.lines[key])]

    def wait(self, key: str, deadline_s: float = 15.0, count: int = 1) -> Said:
        """Wait until *key* was said so often; return the last one of them."""
        return wait_until(lambda: self.having(key)[count - 1 : count], deadline_s, f"{key} is said: {self.words}")[0]

    @property
    def words(self) -> list[str]:
        """The first key of every message, without repetitions in a row."""
        keys = [next(iter(one.lines)) for one in list(self.said)]
        return [key for number, key in enumerate(keys) if number == 0 or keys[number - 1] != key]

    def close(self) -> None:
        """Listen no more. Idempotent."""
        if self._socket.fileno() >= 0:
            self._socket.shutdown(socket.SHUT_RDWR)
            self._thread.join(5)
            self._socket.close()
            if not self.address.startswith("@"):
                Path(self.address).unlink(missing_ok=True)

    def _listen(self) -> None:
        while data := self._socket.recv(4096):
            lines = dict(line.split("=", 1) for line in data.decode().splitlines())
            self.said.append(Said(time.monotonic(), lines))
