"""One window with a device in every state of the table, and what its self-test says of them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import product
from pathlib import Path

from edge.selftest.model import Check, Level, Report
from edge.selftest.session import selftest
from simulators.bench import BenchClosed
from tests.selftest.crashing_driver import PACKAGE, install
from tests.selftest.state_table import Cell, Kind, State
from tests.support.authority import Authority
from tests.support.project import ROOT
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

SETTLED_S = 60.0
LEVELS: tuple[Level, ...] = ("internal", "external")
LOSSES = 5
_PR_CAPBSET_DROP, _OVERRIDE, _READ_SEARCH = 24, 1, 2
_HOLD = (
    "import fcntl, os, sys; fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); fcntl.flock(fd, fcntl.LOCK_EX);"
    "print('held', flush=True); sys.stdin.read()"
)
_PREFIXES = {"id-card": "id", "evaluation-pad": "pad", "document-camera": "camera", "smart-card": "card",
             "scanner": "scan"}  # fmt: skip
"""In this order they are tested: a loose cable is forgotten after a minute."""
Cells = Mapping[tuple[Kind, State], Cell]


def name_of(kind: str, state: str) -> str:
    return f"{_PREFIXES[kind]}-{state}"


def unprivileged() -> None:
    """Take from root what opens every file: run in the daemon's process before it is the daemon."""
    if os.geteuid() == 0:
        for capability in (_OVERRIDE, _READ_SEARCH):
            assert ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0


class States:
    """A window with the devices of *cells*, and all that stands around it; close *stack* at the end."""

    def __init__(self, window: WindowUnderTest, folder: Path, stack: ExitStack, cells: Cells) -> None:
        self.window, self.folder, self._stack = window, folder, stack
        self._cells = {name_of(*place): cell for place, cell in cells.items()}

    def begin(self) -> None:
        """Put every device on the bench, in its state as far as it can be, and start the daemon."""
        self._configure()
        for name, cell in self._cells.items():
            self._before(name, cell)
        self.window.allow_drivers = f'["{PACKAGE}"]'
        starter = "from tests.selftest.state_rig import unprivileged; unprivileged(); import os, sys;"
        starter += "os.execv(sys.executable, [sys.executable, '-m', 'edge', *sys.argv[1:]])"
        self.window.program = [sys.executable, "-c", starter]
        self.window.start(ready=False)

    def tested(self) -> dict[str, list[Check]]:
        """Bring the devices into their states, have the window tested, and return what is said of each."""
        self._after()
        checks: dict[str, list[Check]] = {}
        for level, prefix in product(LEVELS, _PREFIXES.values()):  # not all of them start their processes at once
            one_kind = {name: cell for name, cell in self._cells.items() if name.startswith(f"{prefix}-")}
            if names := [name for name, cell in one_kind.items() if cell.level == level]:
                self._settle(one_kind)
                checks |= self._asked(level, names)
        self.window.stop()
        return checks

    def _configure(self) -> None:
        """Put every device on the bench, then say where it is."""
        os.environ["PYTHONPATH"] = install(self.folder / "packages")
        self._stack.callback(os.environ.pop, "PYTHONPATH", None)
        bench, words = self.window.bench, self._words()
        for name, cell in self._cells.items():
            options = {key: _filled(value, words) for key, value in cell.options.items()}
            if cell.model == "card_pcsc":  # each of them needs an address of its own
                options["reader"] = f"hall-edge_simulated_{name}"
            bench.add(name, cell.model, **options)
        bench.add("other-scanner", "scanner_escl")
        bench.add("other-camera", "camera_uvc", width=320, height=240)
        for other in ("scanner", "camera"):
            words[other] = bench.address(f"other-{other}").split("/")[2]
        for name, cell in self._cells.items():
            address = bench.address(name)
            if cell.model == "card_pcsc":
                address = address.replace("pcsc:", f"pcsc:{cell.reader or name}")
            elif cell.address:
                address = cell.address.format(**words)
            self.window.foreign(name, cell.driver, address, cell.lines.format(**words))

    def _words(self) -> dict[str, str]:
        """Return what stands in braces in the table."""
        issued = Authority(self.folder / "ca").issue("scanner")
        both = self.folder / "scanner-both.pem"
        both.write_bytes(issued.certificate.read_bytes() + issued.key.read_bytes())
        beating = self.folder / "beating.toml"
        shipped = (ROOT / "drivers/pads/addressable.toml").read_text(encoding="utf-8")
        assert "every_s = 5.0" in shipped
        beating.write_text(shipped.replace("every_s = 5.0", "every_s = 0.5"), encoding="utf-8")
        return {"certificate": str(both), "beating": str(beating)}

    def _before(self, name: str, cell: Cell) -> None:
        for deed in cell.before:
            self.window.do(f"{name} {deed}")
        if cell.forbidden:
            Path(self.window.bench.path(name)).resolve().chmod(0)
        if cell.taken:
            self._stack.enter_context(_held(self.window.bench.path(name)))

    def _after(self) -> None:
        """Do what is done at devices that work, and pull and put the loose cables; in the end they are out."""
        for name, cell in self._cells.items():
            if cell.after:
                self._await([name], "ready")
                for deed in cell.after:
                    self._do(f"{name} {deed}")
        loose = [name for name, cell in self._cells.items() if cell.flaps]
        for _ in range(LOSSES):
            for name in loose:
                self.window.do(f"{name} plug")
            self._await(loose, "ready")
            for name in loose:
                self.window.do(f"{name} unplug")
            self._await(loose, "absent", "attention")

    def _do(self, line: str) -> None:
        """Do what goes on for as long as there is a bench, in a thread of its own."""

        def do() -> None:
            with suppress(BenchClosed):
                self.window.bench.do(line, None)

        threading.Thread(target=do, name="doing", daemon=True).start()

    def _await(self, names: list[str], *states: str) -> None:
        def there() -> bool:
            now = self.window.states()
            return all(now.get(name) in states for name in names)

        wait_until(there, SETTLED_S, f"{', '.join(names)} are {' or '.join(states)}")

    def _settle(self, cells: Mapping[str, Cell]) -> None:
        """Wait until the daemon knows of these devices how they are."""
        wanted = {name: cell for name, cell in cells.items() if cell.level == "internal"}

        def codes() -> dict[str, str | None]:
            devices = self.window.status().get("devices", {})
            return {name: devices.get(name, {}).get("code") for name in wanted}

        def others() -> list[str]:
            return [f"{name}: {code}" for name, code in codes().items() if code != wanted[name].code]

        try:
            wait_until(lambda: not others(), SETTLED_S)
        except AssertionError:
            raise AssertionError(f"not in their states: {others()}") from None

    def _asked(self, level: Level, names: list[str]) -> dict[str, list[Check]]:
        config, run = str(self.window.config_path), str(self.window.folder / "run")
        report = list(selftest(config, run, level, tuple(names)))[-1]
        assert isinstance(report, Report)
        return {name: [check for check in report.checks if check.name == name] for name in names}


def _filled(value: object, words: Mapping[str, str]) -> object:
    return value.format(**words) if isinstance(value, str) else value


@contextmanager
def _held(node: Path) -> Iterator[None]:
    """Have another program hold *node* while the context lasts."""
    command = [sys.executable, "-c", _HOLD, str(node)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        yield
        holder.stdin.close()
