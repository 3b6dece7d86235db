"""A real mosquitto of the tests' own: started, killed, frozen and restarted on one loopback port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.support.wait import wait_until

HOST = "127.0.0.1"
START_S = 10.0
STOP_S = 10.0
START_TRIES = 3


class Broker:
    """One mosquitto process with its folder; ``port`` stays the same over restarts.

    *persistent* keeps sessions and queues over :meth:`terminate` (a kill loses what was not yet saved, as
    in the field). *extra* are further lines of the configuration; with ``allow_anonymous`` among them, ours
    is left out.
    """

    def __init__(self, folder: Path, *, persistent: bool = False, extra: Sequence[str] = ()) -> None:
        self.folder = folder
        self.persistent = persistent
        self.extra = tuple(extra)
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        return self.folder / "mosquitto.log"

    def log_text(self) -> str:
        """Return what mosquitto has logged so far; it survives restarts."""
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> Self:
        """Start, and return when it accepts connections. The first start chooses the port."""
        if self.running:
            raise AssertionError("the broker runs already")
        tries = 1 if self.port else START_TRIES  # between our look and its bind another one may take the port
        for _ in range(tries):
            port = self.port or free_port()
            if self._start_on(port):
                self.port = port
                return self
        raise AssertionError(f"mosquitto does not start:\n{self.log_text()[-2000:]}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()  # an end in order takes it 0.1 s, and nobody reads what it would save

    def kill(self) -> None:
        """End it as a crash does: nothing is saved."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """End it in order: a persistent one saves its state first."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """End it in order if it still runs, and start it on the same port."""
        self.terminate()
        self.start()

    def save(self) -> None:
        """Have a persistent one write its store now, if it runs."""
        store = self.folder / "mosquitto.db"
        if not (self.persistent and self.running):
            return
        before = store.stat().st_mtime_ns if store.exists() else 0
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGUSR1)
        wait_until(lambda: store.exists() and store.stat().st_mtime_ns != before, START_S, "mosquitto saves its store")

    def freeze(self) -> None:
        """Stop it without closing anything: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _start_on(self, port: int) -> bool:
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join([*self._config_lines(port), ""]), encoding="utf-8")
        with (self.folder / "mosquitto.out").open("ab") as out:
            command = [mosquitto_path(), "-c", str(config)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.process = process
        wait_until(lambda: process.poll() is not None or _accepts(port), START_S, f"mosquitto answers on {port}")
        return process.poll() is None

    def _config_lines(self, port: int) -> list[str]:
        lines = [
            f"listener {port} {HOST}",
            "set_tcp_nodelay true",
            "max_queued_messages 0",
            "max_inflight_messages 0",
            f"persistence {'true' if self.persistent else 'false'}",
            f"persistence_location {self.folder}/",
            f"log_dest file {self.log_path}",
            "log_type all",
            *self.extra,
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # else it drops to a user who may not write into our folder
        if not any(line.startswith("allow_anonymous") for line in self.extra):
            lines.append("allow_anonymous true")
        return lines

    def _signal(self, number: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            raise AssertionError("the broker does not run")
        self.process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a frozen one does not see the other signal
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"mosquitto did not end within {STOP_S:g} s of {number.name}") from None


def mosquitto_path() -> str:
    """Return the path of mosquitto, which Debian keeps outside a user's PATH."""
    path = shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if path is None:
        raise AssertionError("mosquitto is not installed: run `make test`, or apt-get install mosquitto")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """Lend a broker of the test's own, without persistence."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with Broker(folder) as own:
        yield own


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Lend one broker to all tests that only talk over it; use topics of your own, never stop it."""
    with Broker(tmp_path_factory.mktemp("shared-broker")) as shared:
        yield shared
