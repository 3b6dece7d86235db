"""The daemon as a service: how soon systemd hears READY, also with much that waits, and what each process costs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from edge.envelope import Draft, EnvelopeRenderer
from edge.events.code_scanner import Scanned
from edge.store.outbox import Outbox
from tests.bench.failure import BenchFailure
from tests.bench.figures import Row, Target
from tests.bench.pages import simulated_scanner
from tests.support.broker import Broker
from tests.support.systemd import NotifySocket
from tests.support.wait import wait_until
from tests.support.window import HALL, WINDOW, WindowUnderTest

SECTION = "service"
BACKLOG = 100_000
_AT_ONCE = 1_000
_READY_S = 60.0
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class Window(WindowUnderTest):
    """A window that logs as it does in a hall, and that systemd has started."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        super().__init__(folder, broker)
        self.systemd = NotifySocket(f"{folder}/notify")

    def write_config(self) -> Path:
        path = super().write_config()
        path.write_text(path.read_text(encoding="utf-8").replace('"traffic"', '"info"'), encoding="utf-8")
        return path

    def ready_s(self) -> float:
        """Start it; return after how long systemd was told READY."""
        known = len(self.systemd.having("READY"))
        os.environ.update(self.systemd.environment())
        try:
            began = time.monotonic()
            self.start(ready=False)
        finally:
            os.environ.pop("NOTIFY_SOCKET")
        return self.systemd.wait("READY", _READY_S, known + 1).at - began

    def close(self) -> None:
        super().close()
        self.systemd.close()


class Process(NamedTuple):
    """One process of the daemon."""

    pid: int
    name: str


def measure(folder: Path, rounds: int, idle_s: float, say: Callable[[str], None]) -> Iterator[Row]:
    """Yield the rows; raises ``BenchFailure``."""
    with ExitStack() as stack:
        for name in ("broker", "window", "scanner"):
            (folder / name).mkdir(parents=True)
        broker = stack.enter_context(Broker(folder / "broker", extra=("log_type none", "log_type error")))
        window = Window(folder / "window", broker)
        stack.callback(window.close)
        _devices(window, stack.enter_context(simulated_scanner(folder / "scanner", 1)))
        yield _starts(window, rounds, say)
        yield from _at_rest(window, idle_s, say)
        window.stop()
        yield from _backlog(window, rounds, say)


def _devices(window: Window, scanner: str) -> None:
    """Give the window five devices; two of them run in processes of their own."""
    window.extra = '[[subscriber]]\nname = "office"\n'
    window.device("gun-1", "code_serial", 'content = "public"')
    window.device("pad-1", "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")
    window.device("id-1", "idcard_sdt")
    window.device("card-1", "card_pcsc")
    window.foreign("scanner-1", "scanner_escl", scanner)


def _starts(window: Window, rounds: int, say: Callable[[str], None]) -> Row:
    say("start to READY with five devices")
    row = Row(SECTION, "READY, five devices, two in processes", "s", Target(2.0))
    for number in range(rounds + 1):
        took_s = window.ready_s()
        window.wait_ready(_READY_S)
        if number:  # the first start makes the store and warms the files
            row.add("c", took_s)
        if number < rounds:
            window.stop()
    return row


def _at_rest(window: Window, idle_s: float, say: Callable[[str], None]) -> Iterator[Row]:
    """Measure all processes while nothing happens; none of them has a camera."""
    say(f"every process at rest for {idle_s:g} s")
    everyone = _processes(window)
    before = {process: _cpu_s(process.pid) for process in everyone}
    time.sleep(idle_s)
    for process in everyone:
        main = process is everyone[0]
        memory = Row(SECTION, f"{process.name}, resident", "MiB", Target(80) if main else None)
        idle = Row(SECTION, f"{process.name}, CPU of a core", "%", Target(1.0) if main else None)
        memory.add("c", _resident_mib(process.pid))
        idle.add("c", 100 * (_cpu_s(process.pid) - before[process]) / idle_s)
        yield from (memory, idle)


def _backlog(window: Window, rounds: int, say: Callable[[str], None]) -> Iterator[Row]:
    say(f"start to READY after kill -9 with {BACKLOG:,} waiting events")
    fill(window.folder / "state" / "outbox.db", BACKLOG)
    ready = Row(SECTION, f"READY after kill -9, {BACKLOG:,} wait", "s", Target(3.0))
    memory = Row(SECTION, "main process, while they go out, resident", "MiB", Target(80))
    for number in range(rounds + 1):
        took_s = window.ready_s()
        window.wait_ready(_READY_S)
        status = wait_until(window.status)
        if status["health"]["outbox"]["depth"] < BACKLOG:
            raise BenchFailure(f"of {BACKLOG} events {status['health']['outbox']['depth']} are left")
        if number:  # the first start follows an end in order
            ready.add("c", took_s)
            memory.add("c", status["process"]["resident_kib"] / 1024)
        window.kill()
    yield from (ready, memory)


def fill(store: Path, count: int) -> None:
    """Put *count* events into *store* that nobody has acknowledged."""
    renderer = EnvelopeRenderer(HALL, WINDOW)
    outbox = Outbox(store, renderer.render, lambda _rows: None, ["office"])
    outbox.open()
    try:
        for first in range(0, count, _AT_ONCE):
            codes = [f"BENCH-{number:09d}" for number in range(first, first + _AT_ONCE)]
            outbox.commit([Draft("gun-1", Scanned(content="public", length_bytes=15, text=code)) for code in codes])
    finally:
        outbox.close()


def _processes(window: Window) -> list[Process]:
    """Return the main process, and those of drivers by their devices."""
    assert window.process is not None
    main = window.process.pid
    tasks = [(task / "children").read_text(encoding="ascii") for task in Path(f"/proc/{main}/task").iterdir()]
    children = [int(pid) for children in tasks for pid in children.split()]
    others = sorted((Process(pid, f"process of {_driver(pid)}") for pid in children), key=lambda one: one.name)
    return [Process(main, "main process"), *others]


def _driver(pid: int) -> str:
    """Return what a driver's process has loaded."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    return "card_pcsc" if "pcsclite" in maps else "scanner_escl"


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _cpu_s(pid: int) -> float:
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) * _TICK_S
