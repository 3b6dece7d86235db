"""SANE's own test scanner, on this machine or behind SANE's network daemon, which can be killed and started again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.wait import wait_until

PORT = 6566
"""A client cannot choose another one."""
LOCK_S = 30.0


def folder(place: Path, *backends: str, **files: str) -> Path:
    """Write a folder of SANE's configuration with these backends."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "dll.conf").write_text("".join(f"{name}\n" for name in backends))
    for name, text in files.items():
        (place / f"{name}.conf").write_text(text)
    return place


def backend_test(place: Path) -> Path:
    """Write a folder for SANE's own test backend with two scanners that take A4."""
    return folder(place, "test", test="number_of_devices 2\ngeometry_max 300.0\nmode Color\n")


class Saned:
    """Serves the test scanner to this machine. ``address`` is what a window's configuration says for it."""

    def __init__(self, place: Path) -> None:
        self.config = folder(place / "client", "net", net="connect_timeout = 2\nlocalhost\n")
        self.address = f"sane:net:localhost:test:0?config={self.config}"
        self._served = backend_test(place / "server")
        (self._served / "saned.conf").write_text("localhost\n127.0.0.1\n")
        self._process: subprocess.Popen[bytes] | None = None

    def plug(self) -> None:
        """Serve, if it does not yet."""
        if self._process is None:
            words = ["saned", "-l", "-b", "127.0.0.1", "-p", str(PORT), "-e"]
            where = {"SANE_CONFIG_DIR": str(self._served), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
            self._process = subprocess.Popen(
                words, env={**os.environ, **where}, stderr=subprocess.DEVNULL, start_new_session=True
            )
            wait_until(_listening, what="saned listens")

    def unplug(self) -> None:
        """Kill it, and what it has started for its clients."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def saned(place: Path) -> Iterator[Saned]:
    """Serve while the context lasts; one test run of this machine at a time, for there is one port."""
    with Path(tempfile.gettempdir(), "hall-edge-saned.lock").open("w") as lock:
        wait_until(lambda: _locked(lock.fileno()), LOCK_S, "no other test run uses saned")
        if _listening():
            pytest.skip(f"this machine has a saned of its own on port {PORT}")
        server = Saned(place)
        try:
            server.plug()
            yield server
        finally:
            server.unplug()


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _listening() -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", PORT)) == 0
