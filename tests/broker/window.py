"""A real daemon that reaches the recipe's broker with its own certificate: simulated devices, real pictures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from edge.sealing.jwe import new_key, public_jwk
from edge.tools.ask import Unreachable, answers
from simulators.bench import Bench
from tests.broker.recipe import HALL, Authority, RecipeBroker
from tests.support import picture_driver
from tests.support.broker import HOST
from tests.support.wait import wait_until

READY_S = 20.0
_CONFIG = """[window]
hall = "{hall}"
window = "{name}"
allow_drivers = ["{package}"]
[paths]
state = "{folder}/state"
run = "{folder}/run"
[page]
enabled = false
[mqtt]
url = "mqtts://{host}:{port}"
ca = "{ca}"
crl = "{crl}"
certificate = "{certificate}"
key = "{key}"
[[subscriber]]
name = "case-system"
key = "{folder}/case-system.jwk"
[[device]]
name = "gun-1"
driver = "code_serial"
address = "{gun}"
content = "{content}"
[[device]]
name = "scan-1"
driver = "{pictures}"
address = "serial:///dev/null"
size = 200000
"""


class HallWindow:
    """One window of the recipe's hall. Its back office's private key is ``folder/private.jwk``."""

    def __init__(
        self, folder: Path, name: str, authority: Authority, broker: RecipeBroker, content: str = "personal"
    ) -> None:
        folder.mkdir()
        self.folder, self.name = folder, name
        self.bench = Bench(folder / "ports")
        self.bench.add("gun-1", "code_serial")
        for own in ("state", "run"):
            (folder / own).mkdir(mode=0o700)
        key = new_key()
        (folder / "private.jwk").write_text(json.dumps(key.as_dict(private=True)), encoding="utf-8")
        (folder / "private.jwk").chmod(0o600)
        (folder / "case-system.jwk").write_text(json.dumps(public_jwk(key)), encoding="utf-8")
        files = authority.files(f"window/{HALL}/{name}")
        text = _CONFIG.format(
            hall=HALL, name=name, folder=folder, host=HOST, port=broker.port, ca=files.ca, crl=files.crl,
            certificate=files.certificate, key=files.key, gun=self.bench.address("gun-1"), content=content,
            package=picture_driver.PACKAGE, pictures=picture_driver.DRIVER,
        )  # fmt: skip
        (folder / "hall-edge.toml").write_text(text, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_text(self) -> str:
        return (self.folder / "daemon.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start the daemon, and return when it is connected and its devices are ready."""
        env = {**os.environ, "PYTHONPATH": picture_driver.install(self.folder)}
        command = [sys.executable, "-m", "edge", "run", "-c", str(self.folder / "hall-edge.toml")]
        with (self.folder / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        wait_until(self._ready, READY_S, f"the window works:\n{self.log_text[-3000:]}")

    def health(self) -> dict[str, Any]:
        """Return what the running daemon says of itself."""
        status: dict[str, Any] = next(answers(str(self.folder / "run"), "status"))
        health: dict[str, Any] = status["health"]
        return health

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)
        self.bench.close()

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log_text[-3000:]
        try:
            status = next(answers(str(self.folder / "run"), "status"))
        except Unreachable:  # not yet
            return False
        ready = all(device["state"] == "ready" for device in status["devices"].values())
        return ready and status["health"]["link"]["state"] == "up"
