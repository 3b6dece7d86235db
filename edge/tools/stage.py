"""Processes on a stage of their own, in a temporary folder: a broker on the loopback, and what plays before it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from edge.errors import EdgeError

_START_S = 15.0
_STOP_S = 5.0
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


class Stage:
    """Starts processes in *folder* and ends them; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.broker = ""
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
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

    def check(self) -> None:
        """Raise when one of the processes has ended by itself, with the end of its log."""
        for name, process in self._running:
            if process.poll() is not None:
                raise self._ended(name, process)

    def start_broker(self) -> None:
        """Start mosquitto where it is installed, else (or with HALL_EDGE_DEMO_BROKER=rumqttd) the one in a wheel."""
        wanted = os.environ.get("HALL_EDGE_DEMO_BROKER", "mosquitto")
        program = shutil.which(wanted, path=os.environ.get("PATH", "") + ":" + _SBIN)
        config = self.folder / "broker.toml"
        if program:
            self.broker = "mosquitto"
            user = "user root\n" if os.geteuid() == 0 else ""  # else it drops to a user without our folder
            config.write_text(_MOSQUITTO.format(port=self.port) + user, encoding="utf-8")
            self.start("broker", [program, "-c", str(config)])
        else:
            self.broker = "rumqttd"
            config.write_text(_RUMQTTD.format(port=self.port), encoding="utf-8")
            code = f"from iotcore import Broker; Broker(config_path={str(config)!r}).run_forever()"
            self.start("broker", [sys.executable, "-c", code])
        self.until(self._broker_answers, "the broker")

    def start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        """Start *command* in a session of its own, so that Ctrl-C reaches only us; it ends when we are killed."""
        setpriv = shutil.which("setpriv")
        bound = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                bound + command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        self._running.append((name, process))
        return process

    def start_daemon(self, config: Path) -> None:
        """Start the daemon; return when it can be asked."""
        self.start("daemon", [sys.executable, "-m", "edge", "run", "-c", str(config)])
        self.until((self.folder / "run" / "control.sock").exists, "the daemon")

    def make_folders(self, *names: str) -> None:
        """Make folders that nobody else can look into."""
        for name in names:
            (self.folder / name).mkdir(mode=0o700)

    def _broker_answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _START_S
        while not done():
            self.check()
            if time.monotonic() > deadline:
                raise EdgeError(f"{what} did not start within {_START_S:.0f} s", code="SYS-120")
            time.sleep(0.02)

    def _ended(self, name: str, process: subprocess.Popen[bytes]) -> EdgeError:
        tail = (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-1500:]
        return EdgeError(f"the {name} ended with {process.returncode}:\n{tail}", code="SYS-121")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
