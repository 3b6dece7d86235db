"""Pages from a scanner to whole files at a back office: how many a minute, what it costs, and who waits for it.

All parts are programs of their own: the simulated scanner, the daemon, mosquitto, and ``hall-edge listen --save``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.failure import BenchFailure
from tests.bench.figures import Row, Target, percentile
from tests.support.broker import Broker, free_port
from tests.support.window import HALL, WindowUnderTest

SECTION = "pages"
_RATINGS = 30
_JOB_S = 600.0


class Office:
    """``hall-edge listen --save``: the back office, as a program."""

    def __init__(self, window: WindowUnderTest, folder: Path) -> None:
        command = [
            sys.executable, "-m", "edge", "listen", "--url", window.url, "--hall", HALL, "--name", "office",
            "--acknowledge", "--state", str(window.folder / "state"), "--save", str(folder), "--json",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.pages: list[float] = []
        self.ended = threading.Event()
        assert self.process.stderr is not None
        if "connected" not in self.process.stderr.readline():
            raise BenchFailure("the back office does not connect")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            if told.get("type") == "page":
                self.pages.append(time.monotonic())
            if told.get("type") in ("scan-completed", "scan-stopped"):
                self.ended.set()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self._thread.join(5)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


def measure(folder: Path, pages: int) -> Iterator[Row]:
    """Yield the rows; raises ``BenchFailure`` when a page is missing."""
    with ExitStack() as stack:
        for name in ("broker", "window", "pages"):
            (folder / name).mkdir(parents=True)
        broker = stack.enter_context(Broker(folder / "broker", extra=("log_type none", "log_type error")))
        window = WindowUnderTest(folder / "window", broker)
        stack.callback(window.close)
        window.extra = '[[subscriber]]\nname = "office"\n'
        window.device("pad-1", "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")
        window.foreign("scanner-1", "scanner_escl", stack.enter_context(simulated_scanner(folder, pages)))
        window.start()
        office = Office(window, folder / "pages")
        stack.callback(office.close)
        calm = _ratings(window, _RATINGS)
        assert window.process is not None
        began = time.monotonic()
        params = {"source": "feeder", "color": "color", "dpi": 300}
        request = window.request("scanner-1", "scan", params, deadline_s=_JOB_S)
        request.wait("ack")
        busy = _ratings(window, 10 * _RATINGS, lambda: not office.ended.is_set())
        if not office.ended.wait(_JOB_S) or len(office.pages) != pages:
            raise BenchFailure(f"{len(office.pages)} of {pages} pages came; the job: {request.replies()[-1:]}")
        took_s = office.pages[-1] - began
        daemon, back_office = _peak_mib(window.process.pid), _peak_mib(office.process.pid)
    yield _row(f"{pages} pages A4 300 dpi colour", "pages/min", 60 * pages / took_s, Target(300, at_least=True))
    yield _row("rating p99, no job", "ms", percentile(calm, 99))
    yield _row("rating p99, during the job", "ms", percentile(busy, 99), Target(percentile(calm, 99) + 20))
    yield _row("daemon and worker, peak", "MiB", daemon)
    yield _row("back office, peak", "MiB", back_office)


def _ratings(window: WindowUnderTest, count: int, wanted: Callable[[], bool] = lambda: True) -> list[float]:
    """Return how long each of *count* ratings took from the key to the back office, in ms."""
    took = list[float]()
    while len(took) < count and wanted():
        known = len(window.tap.events("rated"))
        asked = window.request("pad-1", "evaluate", {"timeout_s": 10})
        window.bench.do("pad-1 wait-request 5")
        pressed = time.monotonic()
        window.bench.do("pad-1 press 5")
        window.tap.wait_events("rated", known + 1)
        topics = [topic for topic, _, _ in list(window.tap.messages)]
        last = max(at for at, topic in enumerate(topics) if topic.endswith("/rated"))
        took.append(1000 * (window.tap.arrived[last] - pressed))
        asked.completion()
    return took


def _peak_mib(pid: int) -> float:
    """Return the largest resident memory that a process and its children have had."""
    pids = [str(pid)]
    for task in Path(f"/proc/{pid}/task").iterdir():
        pids += (task / "children").read_text(encoding="ascii").split()
    lines = [line for one in pids for line in Path(f"/proc/{one}/status").read_text(encoding="ascii").splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _row(name: str, unit: str, value: float, target: Target | None = None) -> Row:
    row = Row(SECTION, name, unit, target)
    row.add("c", value)
    return row


@contextmanager
def simulated_scanner(folder: Path, sheets: int) -> Iterator[str]:
    """Lend the address of a simulated scanner that is a process of its own, with a full feeder."""
    port = free_port()
    command = [sys.executable, "-m", "simulators", "--dir", str(folder / "simulated")]
    with subprocess.Popen(
        [*command, f"scanner=scanner_escl,port={port},sheets={sheets}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as simulators:
        assert simulators.stdout is not None
        if b"ready" not in simulators.stdout.readline():
            raise BenchFailure("the simulated scanner does not start")
        try:
            yield f"escl://127.0.0.1:{port}/eSCL"
        finally:
            simulators.terminate()
