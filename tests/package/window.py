"""A window in the chroot: its configuration, a simulated scan gun, the daemon as its own user, a broker."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.package.chroot import Chroot
from tests.support.wait import wait_until

CONFIG = """\
[window]
hall = "package-test"
window = "w01"

[mqtt]
url = "mqtt://127.0.0.1:{port}"

[[subscriber]]
name = "first"

[[device]]
name = "ticket-1"
driver = "code_serial"
address = "serial:///srv/ports/ticket-1"
content = "public"
"""
PORTS = "/srv/ports"
PYTHON = "/usr/lib/hall-edge/bin/python"


class InstalledWindow:
    """What an administrator and systemd do with the installed package; *logs* is a folder for what programs print."""

    def __init__(self, pc: Chroot, logs: Path) -> None:
        self.pc = pc
        self.logs = logs
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    def configure(self) -> None:
        """Write the configuration, and make the folders."""
        self.pc.write("etc/hall-edge/hall-edge.toml", CONFIG.format(port=self.port), mode=0o640)
        self.pc.run("chown root:hall-edge /etc/hall-edge/hall-edge.toml")
        self.folders()

    def folders(self) -> None:
        """Make the folders that systemd would make from the unit, and one for the simulators."""
        self.pc.run("install -d -o hall-edge -g hall-edge -m 700 /var/lib/hall-edge")
        self.pc.run(f"install -d -o hall-edge -g hall-edge -m 750 /run/hall-edge {PORTS}")

    @contextmanager
    def working(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the simulated gun and the daemon, ready; yields the simulators' process."""
        simulators = [PYTHON, "-m", "simulators", "--dir", PORTS, "ticket-1=code_serial"]
        with self.pc.running(simulators, self.logs / "simulators.log", user="hall-edge") as gun:
            wait_until(lambda: b"ready" in (self.logs / "simulators.log").read_bytes(), 20, "the simulators")
            with self.daemon():
                wait_until(lambda: self._state() == "ready", 20, "the device is ready")
                yield gun

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """Run the daemon as systemd does; it answers."""
        command = ["/usr/bin/hall-edge", "run", "--config", "/etc/hall-edge/hall-edge.toml"]
        log = self.logs / "daemon.log"
        with self.pc.running(command, log, user="hall-edge") as process:
            wait_until(lambda: self.status() or process.poll() is not None, 20, "the daemon answers")
            assert process.poll() is None, log.read_text()
            yield

    def status(self) -> dict[str, Any]:
        """Return what the running daemon says; empty while there is none."""
        command = self.pc.command(["hall-edge", "status", "--json"])
        said = subprocess.run(command, check=False, capture_output=True).stdout
        found: dict[str, Any] = json.loads(said) if said else {}
        return found

    def _state(self) -> str:
        return str(self.status().get("devices", {}).get("ticket-1", {}).get("state"))

    def scan(self, gun: subprocess.Popen[bytes], code: str) -> None:
        """Scan a ticket, and wait until its event is on the disk."""
        before = self.ladder("accepted")
        assert gun.stdin is not None
        gun.stdin.write(f"ticket-1 scan {code}\n".encode())
        gun.stdin.flush()
        wait_until(lambda: self.ladder("accepted") != before, 10, f"{code} is in the outbox")

    def ladder(self, rung: str) -> str:
        """Return how far the events have come: ``accepted``, ``sent``, ``brokered`` or ``confirmed``."""
        return str(self.status()["health"]["ladder"][rung])

    def kept(self, *codes: str) -> bool:
        """Return whether just these codes wait in the outbox, in this order; only while no daemon runs."""
        store = sqlite3.connect(self.pc.path("var/lib/hall-edge/outbox.db"))
        try:
            bodies = [bytes(body) for (body,) in store.execute("SELECT public FROM event ORDER BY seq")]
        finally:
            store.close()
        return re.findall(rb"A\d{3}", b" ".join(bodies)) == [code.encode() for code in codes]

    @contextmanager
    def broker(self) -> Iterator[None]:
        """Run the chroot's mosquitto."""
        with self.pc.running(["/usr/sbin/mosquitto", "-p", str(self.port)], self.logs / "mosquitto.log"):
            wait_until(lambda: b"running" in (self.logs / "mosquitto.log").read_bytes(), 10, "mosquitto")
            yield

    @contextmanager
    def subscriber(self) -> Iterator[Path]:
        """Run the registered subscriber, connected; yields the file of what it took and acknowledged."""
        listen = f"hall-edge listen --url mqtt://127.0.0.1:{self.port} --hall package-test --name first --acknowledge"
        heard = self.logs / "first.log"
        with self.pc.running([*listen.split(), "--json"], heard):
            wait_until(lambda: b"connected" in heard.read_bytes(), 20, "the subscriber is connected")
            yield heard
