"""What a fleet goes through: more and more events until it lags, and a broker that is started anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from tests.bench.failure import BenchFailure
from tests.bench.fleet.child import Child
from tests.bench.fleet.ground import OFFICE, Ground, cpu_s, names, resident_mib
from tests.broker.recipe import HALL
from tests.support.broker import HOST

KNEE_P99_MS = 1000.0
KNEE_LAG = 0.05
_DRAIN_S = 90.0
_REAL_MOST = 2.0
_REST_S = 1.0
_REST_MOST_S = 30.0
_AT_REST = 0.1


class Step(NamedTuple):
    """One rate. Processor times are in seconds, one for each broker."""

    windows: int
    offered: float
    delivered: float
    p50_ms: float
    p99_ms: float
    brokers_cpu_s: list[float]
    brokers_mib: list[float]
    office_cpu_s: float
    seconds: float
    events: int

    @property
    def beyond(self) -> bool:
        """Whether the knee is behind us."""
        return self.p99_ms > KNEE_P99_MS or self.delivered < self.offered * (1 - KNEE_LAG)

    def events_per_cpu_s(self) -> list[float]:
        return [self.events / used if used else 0.0 for used in self.brokers_cpu_s]


class Return(NamedTuple):
    """How a fleet came back to a broker that had been away."""

    windows: int
    half_s: float
    last_s: float
    broker_cpu_s: float


class Fleet:
    """Simulated windows, real daemons and a back office on one ground."""

    def __init__(self, ground: Ground, windows: int, hall: Child, office: Child) -> None:
        self._ground, self._windows = ground, windows
        self._hall, self._office = hall, office
        self._real = 0

    def step(self, rate: float, seconds: float) -> Step:
        """Offer *rate* events a second; return when all have come."""
        before = self._office.ask("look")
        used = cpu_s(self._ground.brokers)
        self._hall.tell("publish", rate=rate, seconds=seconds)
        with self._real_events(min(rate / self._windows, _REAL_MOST), seconds):
            said = self._hall.answer()
        in_time = self._office.ask("count")["taken"]
        wanted = said["seq"] + self._real
        after = self._office.ask("reach", count=wanted, limit_s=_DRAIN_S)
        if after["taken"] != wanted or said["refused"]:
            raise BenchFailure(f"{after['taken']} of {wanted} events came, {said['refused']} were refused")
        count = wanted - before["taken"]
        return Step(
            self._windows, count / seconds, (in_time - before["taken"]) / seconds, after["p50"], after["p99"],
            [now - then for now, then in zip(cpu_s(self._ground.brokers), used, strict=True)],
            resident_mib(self._ground.brokers), after["cpu_s"] - before["cpu_s"], seconds, count,
        )  # fmt: skip

    def rest(self) -> None:
        """Return when the brokers have nothing more to do than keep the fleet alive."""
        before, end = cpu_s(self._ground.brokers), time.monotonic() + _REST_MOST_S
        while time.monotonic() < end:
            time.sleep(_REST_S)
            now = cpu_s(self._ground.brokers)
            if all(used - earlier < _REST_S * _AT_REST for used, earlier in zip(now, before, strict=True)):
                return
            before = now

    def come_back(self, away_s: float) -> Return:
        """Kill the windows' broker, keep it away, start it; return when every window is connected again."""
        before = self._hall.ask("look")["connects"]
        self._ground.below.kill()
        time.sleep(away_s)
        self._ground.below.start()
        started = time.monotonic()
        up_at = self._hall.ask("returned", connects=before, limit_s=60)["up_at"]
        after = [at - started for at in up_at]
        return Return(self._windows, after[len(after) // 2], after[-1], cpu_s([self._ground.below])[0])

    @contextmanager
    def _real_events(self, rate: float, seconds: float) -> Iterator[None]:
        """Let each real daemon's scanner read codes at *rate* a second meanwhile."""
        stop = threading.Event()

        def scan() -> None:
            end = time.monotonic() + seconds
            while self._ground.daemons and not stop.wait(1 / rate) and time.monotonic() < end:
                for daemon in self._ground.daemons:
                    daemon.bench.do(f"gun-1 scan {time.monotonic_ns()}")
                    self._real += 1

        thread = threading.Thread(target=scan, name="scanners")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@contextmanager
def fleet(ground: Ground, windows: int) -> Iterator[Fleet]:
    """Lend a fleet that is connected."""
    log = ground.folder / "fleet.log"
    office = {"url": ground.url, "name": OFFICE, "hall": HALL, "folder": str(ground.folder), "ca": ground.ca}
    hall = {"hall": HALL, "names": names(windows), "host": HOST, "port": ground.below.port, "ca": ground.ca}
    with ExitStack() as stack:
        listening = stack.enter_context(Child("tests.bench.fleet.office", office, log))
        working = stack.enter_context(Child("tests.bench.fleet.hall", hall, log))
        yield Fleet(ground, windows, working, listening)


def ramp(fleet: Fleet, rates: list[float], seconds: float, say: Callable[[str], None]) -> list[Step]:
    """Go up until the fleet is beyond its knee, twice: the machine may have been busy with something else."""
    steps = []
    fleet.rest()
    for rate in rates:
        step = fleet.step(rate, seconds)
        if step.beyond:
            fleet.rest()
            step = min(step, fleet.step(rate, seconds), key=lambda one: one.p99_ms)
        steps.append(step)
        say(f"{step.offered:.0f}/s: p99 {step.p99_ms:.0f} ms")
        if step.beyond:
            break
    return steps
