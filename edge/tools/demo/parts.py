"""The processes of the demo: a broker on the loopback, the simulators, the daemon. All end with the demo."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.errors import EdgeError
from edge.tools.demo.devices import DemoDevice

_START_S = 15.0
_STOP_S = 5.0
_DONE_S = 30.0
_SBIN = "/usr/sbin:/usr/local/sbin"

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 0
persistence false
log_type none
"""
_RUMQTTD = """\
id = 0
[router]
id = 0
max_connections = 50
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "demo"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 500
dynamic_filters = true
"""
_CONFIG = """\
[window]
hall = "demo"
window = "w01"
lab = true

[paths]
state = "{folder}/state"
run = "{folder}/run"

[mqtt]
url = "mqtt://127.0.0.1:{port}"

[commands]  # the camera's pictures are asked for, which is off by default
allow = ["read", "test", "evaluation-pad.evaluate", "scanner.scan", "document-camera.capture"]

[[subscriber]]
name = "back-office"
"""


class Parts:
    """Starts the processes in *folder* (a temporary one) and ends them; a context manager."""

    def __init__(self, folder: Path, devices: Sequence[DemoDevice]) -> None:
        self.folder = folder
        self.devices = devices
        self.port = _free_port()
        self.broker = ""
        self.simulators: subprocess.Popen[bytes]
        self._lines = 0  # so many the simulators were told
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Parts:
        for name in ("state", "run", "ports"):
            (self.folder / name).mkdir(mode=0o700)
        config, simulated = self._written()
        try:
            self._start_broker()
            simulators = [sys.executable, "-m", "simulators", "--dir", str(self.folder / "ports"), *simulated]
            self.simulators = self._start("simulators", simulators)
            log = self.folder / "simulators.log"
            self._until(lambda: "ready" in log.read_text(encoding="utf-8", errors="replace"), "the simulated devices")
            self._start("daemon", [sys.executable, "-m", "edge", "run", "-c", str(config)])
            self._until((self.folder / "run" / "control.sock").exists, "the daemon")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        """End all of them, the daemon first, so that it can say goodbye to the broker."""
        for _name, process in reversed(self._running):
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()

    async def do(self, line: str) -> None:
        """Have the simulators do what a person does, e.g. ``id-1 insert resident seed=7``; wait until it is done."""
        self._lines += 1
        number = self._lines
        if self.simulators.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.simulators.stdin.write(line.encode() + b"\n")
                self.simulators.stdin.flush()
        deadline = time.monotonic() + _DONE_S
        while (answer := self._answer_to(number)) is None:
            self.check()
            if time.monotonic() > deadline:
                raise EdgeError(f"the simulators have not done {line!r} within {_DONE_S:.0f} s", code="SYS-124")
            await asyncio.sleep(0.01)
        if not answer.startswith(" "):
            raise EdgeError(f"the simulators cannot do {line!r}{answer}", code="SYS-124")

    def _answer_to(self, number: int) -> str | None:
        """Return what the simulators said of the line *number*: a space and what they did, or a colon and why not."""
        said = (self.folder / "simulators.log").read_text(encoding="utf-8", errors="replace")
        found = re.search(rf"^stdin:{number}([ :].*)\n", said, re.MULTILINE)
        return found and found[1]

    def check(self) -> None:
        """Raise when one of the processes has ended by itself, with the end of its log."""
        for name, process in self._running:
            if process.poll() is not None:
                raise self._ended(name, process)

    def _written(self) -> tuple[Path, list[str]]:
        """Write the configuration; return its path and what the simulators are started with."""
        tables, simulated = [_CONFIG.format(folder=self.folder, port=self.port)], []
        for device in self.devices:
            places = {"folder": self.folder, "port": _free_port()}
            tables.append(f'[[device]]\nname = "{device.name}"\n{device.config.format(**places)}\n')
            simulated.append(f"{device.name}={device.simulator.format(**places)}")
        config = self.folder / "hall-edge.toml"
        config.write_text("\n".join(tables), encoding="utf-8")
        return config, simulated

    def _start_broker(self) -> None:
        """Start mosquitto where it is installed, else (or with HALL_EDGE_DEMO_BROKER=rumqttd) the one in a wheel."""
        wanted = os.environ.get("HALL_EDGE_DEMO_BROKER", "mosquitto")
        program = shutil.which(wanted, path=os.environ.get("PATH", "") + ":" + _SBIN)
        config = self.folder / "broker.toml"
        if program:
            self.broker = "mosquitto"
            user = "user root\n" if os.geteuid() == 0 else ""  # else it drops to a user without our folder
            config.write_text(_MOSQUITTO.format(port=self.port) + user, encoding="utf-8")
            self._start("broker", [program, "-c", str(config)])
        else:
            self.broker = "rumqttd"
            config.write_text(_RUMQTTD.format(port=self.port), encoding="utf-8")
            code = f"from iotcore import Broker; Broker(config_path={str(config)!r}).run_forever()"
            self._start("broker", [sys.executable, "-c", code])
        self._until(self._broker_answers, "the broker")

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        """Start *command* in a session of its own, so that Ctrl-C reaches only us; it ends when we are killed."""
        setpriv = shutil.which("setpriv")
        bound = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                bound + command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        self._running.append((name, process))
        return process

    def _broker_answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def _until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _START_S
        while not done():
            self.check()
            if time.monotonic() > deadline:
                raise EdgeError(f"{what} did not start within {_START_S:.0f} s", code="SYS-120")
            time.sleep(0.02)

    def _ended(self, name: str, process: subprocess.Popen[bytes]) -> EdgeError:
        tail = (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-1500:]
        return EdgeError(f"the {name} ended with {process.returncode}:\n{tail}", code="SYS-121")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
