"""The programs under test, each with a line of its own, and how they are started, watched and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from simulators.port import SerialPort
from tests.bench.failure import BenchFailure
from tests.support.project import ROOT

HALL = "bench"
TOPICS = f"hall/v1/{HALL}/+/event/#"
_END_S = 3.0
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")

_CONFIG = """\
[window]
hall = "{hall}"
window = "{name}"
lab = true
[mqtt]
url = "mqtt://127.0.0.1:{broker}"
[page]
enabled = false
[paths]
state = "{folder}/state"
run = "{folder}/run"
[[device]]
name = "gun-1"
driver = "code_serial"
address = "serial://{folder}/gun-1"
content = "public"
"""
_SUBSCRIBER = """\
[[subscriber]]
name = "{subscriber}"
"""
_MORE_DEVICES = """\
[[device]]
name = "id-1"
driver = "idcard_sdt"
address = "serial://{folder}/id-1"
[[device]]
name = "pad-1"
driver = "pad_serial"
address = "serial://{folder}/pad-1"
profile = "aa55_xor"
"""
_MORE_SIMULATORS = ("id-1=idcard_sdt", "pad-1=pad_serial,profile=aa55_xor")


@dataclass
class Contender:
    """One program and the gun at its line. *label* is what the tables call it, *name* its window."""

    label: str
    name: str
    folder: Path
    command: Sequence[str]
    simulators: Sequence[str] = ()
    subscriber: str | None = None
    """Who must acknowledge its events."""
    fed: int = 0
    """Codes it was given in rounds so far."""
    source: Path = ROOT
    """Where its code is."""
    _children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.port = SerialPort(self.folder / "gun-1")

    def __enter__(self) -> Self:
        self.port.plug()
        if self.simulators:
            self._spawn([sys.executable, "-m", "simulators", "--dir", str(self.folder), *self.simulators])
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self._children):
            end(child)
        self._children.clear()
        self.port.unplug()

    def start(self) -> None:
        """Start the program itself."""
        self._program = self._spawn(self.command)

    def stop(self) -> None:
        """End the program, in order if it can."""
        end(self._program)
        self._children.remove(self._program)

    def check(self) -> None:
        """Raise ``BenchFailure`` when the program has ended."""
        if self._program.poll() is not None:
            raise BenchFailure(f"{self.label} has ended with code {self._program.returncode}:\n{self.log_tail()}")

    @property
    def fd(self) -> int:
        """Return the gun's end of the line."""
        if self.port.fd is None:
            raise BenchFailure(f"the line of {self.label} is not plugged")
        return self.port.fd

    def log_tail(self) -> str:
        """Return the last lines that it and its simulators wrote."""
        log = self.folder / "log"
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:]) if log.exists() else ""

    def resident_mib(self) -> float:
        """Return the resident memory of the main process."""
        pages = int(self._proc("statm").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu_s(self) -> float:
        """Return user and system time of the main process."""
        after_name = self._proc("stat").rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) * _TICK_S

    def _proc(self, file: str) -> str:
        return Path(f"/proc/{self._program.pid}/{file}").read_text(encoding="ascii")

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            child = subprocess.Popen(command, cwd=self.source, stdin=subprocess.PIPE, stdout=log, stderr=log)
        self._children.append(child)
        return child


def end(child: subprocess.Popen[bytes]) -> None:
    """End a child by SIGTERM, or by SIGKILL when that does not help."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdin:
        child.stdin.close()


def baseline(folder: Path, broker: int, *, store: bool) -> Contender:
    """Return (a), or (b) with *store*."""
    name = "sqlite" if store else "memory"
    own = _own(folder, name)
    command = [sys.executable, "-m", "tests.bench.baselines", "--window", name, "--broker", str(broker)]
    command += ["--serial", str(own / "gun-1"), *(["--store", str(own / "store.db")] if store else [])]
    return Contender("(b) +sqlite" if store else "(a) memory", name, own, command)


def hall_edge(
    folder: Path,
    broker: int,
    *,
    label: str = "(c) hall-edge",
    name: str = "hall-edge",
    subscriber: str | None = None,
    all_devices: bool = False,
    wrapper: Sequence[str] = (),
) -> Contender:
    """Return the unmodified daemon with a configuration of its own."""
    own = _own(folder, name)
    config = own / "hall-edge.toml"
    text = _CONFIG + (_SUBSCRIBER if subscriber else "") + (_MORE_DEVICES if all_devices else "")
    config.write_text(
        text.format(hall=HALL, name=name, broker=broker, folder=own, subscriber=subscriber), encoding="utf-8"
    )
    script = Path(sys.executable).with_name("hall-edge")
    program = wrapper or ([str(script)] if script.exists() else [sys.executable, "-m", "edge"])
    simulators = _MORE_SIMULATORS if all_devices else ()
    return Contender(label, name, own, [*program, "run", "--config", str(config)], simulators, subscriber)


def _own(folder: Path, name: str) -> Path:
    own = folder / name
    for part in ("state", "run"):
        (own / part).mkdir(parents=True)
    return own
