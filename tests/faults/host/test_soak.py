"""Soak: a fault every 500 events, and the daemon is as large as before, to the last handle.

The long tier is 300,000 events, 500 days of one window. Resident memory is taken whenever everything is confirmed;
a line through these figures may rise by 1 MiB in 100,000 events.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge.subscriber import Event
from tests.faults.host.rig import GUN
from tests.support.office import Office
from tests.support.tiers import evidence, tiers
from tests.support.truth import STATES
from tests.support.wait import wait_until
from tests.support.window import HALL, WindowUnderTest, Wiretap
from tests.whole.isolated import BACK_S, figures, state, worker_of

BETWEEN_FAULTS = 500
RATE = 500
LEAST_FOR_A_LINE = 50_000
SLOPE_KIB = 1024.0
"""So much may memory grow in 100,000 events."""
FIRST_KIB = 4096.0
"""So much may it grow in a run that is too short for a line: caches fill, and the heap finds its size."""
STORE_MIB = 32
PATIENT = [sys.executable, "-m", "tests.whole.patient"]

pytestmark = pytest.mark.timeout(240)


class Tally:
    """Stands for an office's list of events: keeps the last one, and the numbers that have not come yet."""

    def __init__(self) -> None:
        self.last = self.late = self.again = 0
        self.missing: set[int] = set()

    def append(self, event: Event) -> None:
        if event.seq > self.last:
            self.missing.update(range(self.last + 1, event.seq))
            self.last = event.seq
        elif event.seq in self.missing:
            self.missing.discard(event.seq)
            self.late += 1  # more came behind it than the subscriber keeps waiting
        else:
            self.again += 1  # delivered, but not yet noted as such when the office was ended


class Size(NamedTuple):
    """The daemon at a moment of rest, after so many events."""

    events: int
    resident_kib: int
    store_kib: int


class Soak:
    """One window, its office, and what is done to them."""

    def __init__(self, window: WindowUnderTest, folder: Path) -> None:
        self.window, self.folder, self.tally = window, folder, Tally()
        self.sizes: list[Size] = []
        self._office = ExitStack()

    def open_office(self) -> None:
        office = Office(self.window.url, "case-system", HALL, folder=self.folder)
        office.events = self.tally  # type: ignore[assignment]
        self._office.enter_context(office)

    def close_office(self) -> None:
        self._office.close()

    def restart_office(self) -> None:
        self.close_office()
        self.open_office()

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = wait_until(self.window.status, 20, "the daemon answers")["health"]
        return found

    def head(self) -> int:
        return int(self.health()["head_seq"])

    def settle(self) -> None:
        """Wait until everything is confirmed and every device works."""

        def settled() -> bool:
            health = self.health()
            return bool(health["ladder"].get("confirmed") == health["head_seq"] and health["outbox"]["depth"] == 0)

        wait_until(settled, 120, "everything is confirmed")
        wait_until(lambda: set(self.window.states().values()) == {"ready"}, BACK_S, "every device works")

    def measure(self) -> None:
        """Take the daemon's size, at rest."""
        self.settle()
        assert self.window.process is not None
        pages = Path(f"/proc/{self.window.process.pid}/statm").read_text(encoding="ascii").split()[1]
        resident = int(pages) * os.sysconf("SC_PAGE_SIZE") // 1024
        store = sum(path.stat().st_size for path in (self.window.folder / "state").glob("outbox.db*")) // 1024
        self.sizes.append(Size(self.head(), resident, store))

    def under_load(self, fault: Callable[[], None]) -> None:
        """Do *fault* while codes are scanned, and wait until it is over."""
        wanted = self.head() + BETWEEN_FAULTS
        flood = threading.Thread(
            target=self.window.bench.do, args=(f"gun-1 flood {BETWEEN_FAULTS} rate={RATE}",), kwargs={"limit_s": None}
        )
        flood.start()
        try:
            fault()
        finally:
            flood.join(60)
        wait_until(lambda: self.head() >= wanted, 60, "all codes are accepted")

    # -- what happens -------------------------------------------------------------------------------

    def faults(self) -> Iterator[Callable[[], None]]:
        """Yield what happens, over and over."""
        return cycle(
            [self.pull, self.kill_worker, self.restart_office, self.kill_broker, self.crowd, self.freeze, self.nonsense]
        )

    def pull(self) -> None:
        for name in ("gun-2", "pad-1"):
            self.window.bench.do(f"{name} unplug")
        for name in ("gun-2", "pad-1"):
            wait_until(lambda name=name: state(self.window, name) == "absent", BACK_S, f"{name} is missed")  # type: ignore[misc]
            self.window.bench.do(f"{name} plug")

    def kill_worker(self) -> None:
        pid = wait_until(lambda: worker_of(self.window, "card-1"), BACK_S, "a worker")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: worker_of(self.window, "card-1") not in (pid, None), BACK_S, "another worker")

    def kill_broker(self) -> None:
        connects = self.health()["link"]["connects"]
        self.window.broker.kill()
        self.window.broker.start()
        wait_until(lambda: self.health()["link"]["connects"] > connects, 30, "the broker is back")

    def freeze(self) -> None:
        self.window.broker.freeze()
        try:
            wait_until(lambda: self.health()["link"]["state"] == "down", 20, "the frozen broker is noticed")
        finally:
            self.window.broker.thaw()

    def crowd(self) -> None:
        for _ in range(5):
            self.health()
        command = [sys.executable, "-m", "edge", "watch", "--json", "--run", str(self.window.folder / "run")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as watching:
            assert watching.stdout is not None
            assert watching.stdout.readline()
            watching.kill()  # in the middle of its conversation

    def nonsense(self) -> None:
        for number in range(20):
            self.window.tap.publish("ack/case-system", b"\xff" * number)
            self.window.tap.publish("request/pad-1/evaluate", b"[" * 1000)


def at_rest(pid: int) -> tuple[int, int, int]:
    """Return how many handles, threads and children a process keeps: the least of two seconds."""
    end, found = time.monotonic() + 2.0, [figures(pid)]
    while time.monotonic() < end:
        found.append(figures(pid))
        time.sleep(0.05)
    return min(one[0] for one in found), min(one[1] for one in found), min(one[2] for one in found)


def slope(sizes: list[Size]) -> float:
    """Return by how many KiB memory grows in 100,000 events: a line of least squares."""
    line = statistics.linear_regression([size.events for size in sizes], [size.resident_kib for size in sizes])
    return line.slope * 100_000


@pytest.mark.parametrize("events", tiers(short=3_000, long=300_000, timeout_s=4 * 3600))
def test_a_fault_every_500_events_and_nothing_grows(window: WindowUnderTest, tmp_path: Path, events: int) -> None:
    window.program = PATIENT
    window.extra = '[[subscriber]]\nname = "case-system"\n'
    window.tap.close()
    window.tap = Wiretap(window.broker.port, STATES)
    window.device("gun-1", "code_serial", 'content = "public"\nduplicate_s = 0')
    window.device("gun-2", *GUN)
    window.device("pad-1", "pad_hid", 'profile = "hid_keys"', model="pad_hid", kind="keys")
    window.device("card-1", "card_pcsc")
    window.start()
    soak = Soak(window, tmp_path)
    soak.open_office()
    assert window.process is not None
    pid, happened, every = window.process.pid, soak.faults(), max(1, events // BETWEEN_FAULTS // 40)
    try:
        for _ in range(7 if events < LEAST_FOR_A_LINE else 28):  # what is made at its first use is there then
            soak.under_load(next(happened))
        soak.settle()
        before = at_rest(pid)
        for number in range(events // BETWEEN_FAULTS):
            if number % every == 0:
                soak.measure()
            soak.under_load(next(happened))
        soak.measure()
    finally:
        soak.close_office()
    assert window.process.poll() is None
    grown = [after - was for after, was in zip(at_rest(pid), before, strict=True)]
    assert max(grown) <= 0, f"handles, threads and children grew by {grown}"
    check(soak, events, before)


def check(soak: Soak, events: int, figures_: tuple[int, int, int]) -> None:
    """Judge what was measured, and keep it."""
    sizes, tally = soak.sizes, soak.tally
    enough = events >= LEAST_FOR_A_LINE
    growth = slope(sizes) if enough else float(sizes[-1].resident_kib - sizes[0].resident_kib)
    largest = max(size.store_kib for size in sizes)
    evidence(
        "soak", trials=sizes[-1].events, failures=len(tally.missing), faults=sizes[-1].events // BETWEEN_FAULTS,
        resident_first_kib=sizes[0].resident_kib, resident_last_kib=sizes[-1].resident_kib,
        slope_kib_per_100k=round(slope(sizes), 1), handles=figures_[0], threads=figures_[1], children=figures_[2],
        store_largest_kib=largest, delivered_late=tally.late,
        delivered_again=tally.again,
    )  # fmt: skip
    assert not tally.missing
    assert tally.last == sizes[-1].events
    assert growth <= (SLOPE_KIB if enough else FIRST_KIB), [size.resident_kib for size in sizes]
    assert largest <= STORE_MIB * 1024
