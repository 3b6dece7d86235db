"""A whole window for tests: real daemon process, real broker, simulated devices, and everything that crosses.

After each use all of it is searched for the personal data that was planted (``tests.support.places``), and for
pictures in clear.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from edge.tools.ask import answers
from simulators.bench import Bench
from tests.support import canaries, contract, places
from tests.support.broker import Broker
from tests.support.canaries import Canary
from tests.support.wait import wait_until
from tests.support.wiretap import BASE, HALL, WINDOW, Requested, Wiretap

__all__ = ["BASE", "HALL", "WINDOW", "Requested", "WindowUnderTest", "Wiretap"]

START_S = 15.0
READY_S = 10.0


class WindowUnderTest:
    """One window in *folder*: write its configuration with :meth:`device`, then :meth:`start`."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.broker = broker
        self.bench = Bench(folder / "ports")
        self.tap = Wiretap(broker.port)
        self.process: subprocess.Popen[bytes] | None = None
        self.planted: list[Canary] = []
        """Texts and bytes that nobody but the back office may see; :meth:`do` adds to them."""
        self.lab = True
        self.extra = ""
        self.allow_drivers = "[]"
        self.allow = '["read", "test", "act"]'
        """What may be asked for: here also what is off by default; empty for the defaults."""
        self.page = "enabled = false"
        """Lines of ``[page]``: many windows run on one PC here."""
        self.program = [sys.executable, "-m", "edge"]
        self._devices: list[str] = []

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.broker.port}"

    @property
    def config_path(self) -> Path:
        return self.folder / "hall-edge.toml"

    @property
    def log_text(self) -> str:
        path = self.folder / "daemon.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def device(self, name: str, driver: str, lines: str = "", *, model: str | None = None, **options: object) -> None:
        """Add a device to the configuration, and its simulator (*model*, else the driver's namesake)."""
        self.bench.add(name, model or driver, **options)
        self.foreign(name, driver, self.bench.address(name), lines)

    def foreign(self, name: str, driver: str, address: str, lines: str = "") -> None:
        """Add a device that has no simulator of ours."""
        self._devices.append(f'[[device]]\nname = "{name}"\ndriver = "{driver}"\naddress = "{address}"\n{lines}\n')

    def do(self, line: str) -> None:
        """Do at a device what a person does; personal data that this plants is searched for at the end."""
        self.planted += canaries.of_line(line)
        self.bench.do(line)

    def write_config(self) -> Path:
        for name in ("state", "run", "tmp"):
            (self.folder / name).mkdir(exist_ok=True, mode=0o700)
        parts = [
            f'[window]\nhall = "{HALL}"\nwindow = "{WINDOW}"\nlab = {str(self.lab).lower()}',
            f"allow_drivers = {self.allow_drivers}",
            f'[paths]\nstate = "{self.folder}/state"\nrun = "{self.folder}/run"\n',
            f'[mqtt]\nurl = "{self.url}"\n',
            '[log]\nlevel = "traffic"\n',
            f"[page]\n{self.page}\n",
            f"[commands]\nallow = {self.allow}\n" if self.allow else "",
            self.extra,
            *self._devices,
        ]
        self.config_path.write_text("\n".join(parts), encoding="utf-8")
        return self.config_path

    def start(self, *, ready: bool = True) -> Self:
        """Start the daemon; with *ready* wait until every device is."""
        config = self.write_config()
        with (self.folder / "daemon.log").open("ab") as log:
            command = [*self.program, "run", "-c", str(config)]
            env = {**os.environ, "TMPDIR": str(self.folder / "tmp")}
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, deadline_s: float = START_S) -> None:
        def all_ready() -> bool:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log_text[-3000:]}")
            states = self.states()
            return bool(states) and all(state == "ready" for state in states.values())

        wait_until(all_ready, deadline_s, f"all devices are ready: {self.states()}")

    def states(self) -> dict[str, str]:
        """Return the devices' states by the control socket; empty while nobody answers."""
        status = self.status()
        return {name: device["state"] for name, device in status["devices"].items()} if status else {}

    def connected(self) -> bool:
        """Return whether the daemon is at its broker, as it says itself."""
        status = self.status()
        return bool(status) and status["health"]["link"]["state"] == "up"

    def status(self) -> dict[str, Any]:
        try:
            return next(answers(str(self.folder / "run"), "status"))
        except Exception:  # noqa: BLE001  # not there yet, or gone in the middle of an answer
            return {}

    def wait_state(self, device: str, state: str, deadline_s: float = READY_S) -> dict[str, Any]:
        """Wait until the retained status of *device* says *state*; return it."""

        def last() -> dict[str, Any] | None:
            heard = self.tap.on(f"device/{device}/status")
            return heard[-1] if heard and heard[-1]["state"] == state else None

        return wait_until(last, deadline_s, f"{device} is {state}")

    def kill(self) -> None:
        """End the daemon as a power cut of the process would: SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """End the daemon in order; return its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def request(self, device: str, command: str, params: object = None, **more: Any) -> Requested:
        """Send a request, as a back office does; see :class:`Requested` for what *more* can say.

        The daemon is connected by then: a broker keeps nothing for one that it has never seen.
        """
        wait_until(self.connected, START_S, "the daemon is connected to its broker")
        return Requested(self.tap, device, command, params or {}, **more)

    def close(self) -> None:
        """Stop everything, and search all of it for personal data, before the end and after it."""
        running = self.process is not None and self.process.poll() is None
        found = self.leaks() if running else []
        dumps = places.that_dump(self.process.pid) if running and self.process else []
        self.stop()
        self.broker.save()
        self.tap.close()
        self.bench.close()
        assert not found + self.leaks()
        assert not dumps + places.dumped(self.folder)
        assert not contract.breaks(self._ours())

    def _ours(self) -> list[tuple[str, bytes, bool]]:
        """Return what the daemon sent: what a test itself publishes may be as wrong as it likes."""
        theirs = ("request", "ack", "replay", "nothing")
        own = [message for message in self.tap.messages if message[0].startswith(f"{BASE}/")]
        return [message for message in own if message[0].split("/")[4] not in theirs]

    def leaks(self) -> list[str]:
        """Return where planted personal data stands that nobody but the back office may see, and open pictures."""
        everywhere = list(self._places())
        found = canaries.found(list(dict.fromkeys(self.planted)), everywhere)
        if any('content = "public"' in device for device in self._devices):
            return found
        return found + canaries.open_pictures(everywhere)

    def _places(self) -> Iterator[tuple[str, bytes]]:
        yield from places.of_broker(self.tap.messages, self.broker.folder)
        yield from places.of_folder(self.folder, but=("ports",))
        if self.process is not None and self.process.poll() is None:
            yield from places.of_processes(self.process.pid)


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary folder with a short name: a unix socket's path has at most 107 characters."""
    return tmp_path_factory.mktemp("w")


@pytest.fixture
def window(short_path: Path, broker: Broker) -> Iterator[WindowUnderTest]:
    """A window with a broker of its own; configured and started by the test."""
    under_test = WindowUnderTest(short_path, broker)
    try:
        yield under_test
    finally:
        under_test.close()
