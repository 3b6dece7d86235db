"""The processes of the demo: a broker on the loopback, the simulators, the daemon. All end with the demo."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from edge.errors import EdgeError
from edge.tools.demo.devices import DemoDevice
from edge.tools.stage import Stage, free_port

_DONE_S = 30.0
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

[page]
port = {page}

[commands]  # the camera's pictures are asked for, which is off by default
allow = ["read", "test", "evaluation-pad.evaluate", "scanner.scan", "document-camera.capture"]

[[subscriber]]
name = "back-office"
"""


class Parts(Stage):
    """Starts the processes in *folder* (a temporary one) and ends them; a context manager."""

    def __init__(self, folder: Path, devices: Sequence[DemoDevice]) -> None:
        super().__init__(folder)
        self.devices = devices
        self.page = free_port()
        self.simulators: subprocess.Popen[bytes]
        self._lines = 0  # so many the simulators were told

    def __enter__(self) -> Parts:
        self.make_folders("state", "run", "ports")
        config, simulated = self._written()
        try:
            self.start_broker()
            simulators = [sys.executable, "-m", "simulators", "--dir", str(self.folder / "ports"), *simulated]
            self.simulators = self.start("simulators", simulators)
            log = self.folder / "simulators.log"
            self.until(lambda: "ready" in log.read_text(encoding="utf-8", errors="replace"), "the simulated devices")
            self.start_daemon(config)
        except BaseException:
            self.__exit__()
            raise
        return self

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

    def _written(self) -> tuple[Path, list[str]]:
        """Write the configuration; return its path and what the simulators are started with."""
        tables, simulated = [_CONFIG.format(folder=self.folder, port=self.port, page=self.page)], []
        for device in self.devices:
            places = {"folder": self.folder, "port": free_port()}
            tables.append(f'[[device]]\nname = "{device.name}"\n{device.config.format(**places)}\n')
            simulated.append(f"{device.name}={device.simulator.format(**places)}")
        config = self.folder / "hall-edge.toml"
        config.write_text("\n".join(tables), encoding="utf-8")
        return config, simulated
