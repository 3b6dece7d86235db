"""What is measured, and whose turn it is: everyone in every round, in an order that changes from round to round."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import pages
from tests.bench.contenders import Contender, baseline, hall_edge
from tests.bench.course import Course
from tests.bench.figures import Row, Target, percentile
from tests.bench.machine import sync_ms

MEASURES = ("latency", "sustained", "rest", "start", "service", "card", "camera", "pages")
_JUDGED_RATE = 100  # at 10/s the p99 of a turn is its slowest event
_SETTLED_S = 2.0
_BURST_MS, _WORK_MS = 10_000, 0.5  # (b) syncs for every event: on a slow disk a burst is smaller


@dataclass(frozen=True)
class Plan:
    """How long a run is."""

    rounds: int = 6
    turn_s: Mapping[int, float] = field(default_factory=lambda: {10: 2.5, 100: 2.5, 1000: 2.0})
    burst: int = 8_000
    idle_s: float = 20.0
    apdus: int = 2_000
    pages: int = 200
    quiet_s: float = 0.6  # the daemon deletes half a second after the last PUBACK what the broker has

    @classmethod
    def quick(cls) -> Plan:
        """Return one of under two minutes: to see that all works, and the rough size of things."""
        return cls(
            rounds=2, turn_s={10: 1.0, 100: 0.6, 1000: 0.5}, burst=2_000, idle_s=4.0, apdus=300, pages=30, quiet_s=0.25
        )


class Measures:
    """All contenders in one folder, at one broker."""

    def __init__(self, folder: Path, broker: int, course: Course, plan: Plan, say: Callable[[str], None]) -> None:
        self._folder, self._broker, self._course, self._plan, self._say = folder, broker, course, plan, say
        self._burst = min(plan.burst, int(_BURST_MS / (sync_ms(folder) + _WORK_MS)))
        self.payload_bytes: dict[str, int] = {}

    def run(self, wanted: Sequence[str]) -> Iterator[Row]:
        """Yield the rows of the *wanted* measures; raises ``BenchFailure``."""
        if {"latency", "sustained", "rest"} & set(wanted):
            with ExitStack() as stack:
                three = self._up(stack, self._three("turns"))
                if "latency" in wanted:
                    yield from self._latency(three)
                if {"sustained", "rest"} & set(wanted):  # memory is what remains after load
                    yield from self._sustained(stack, three)
                if "rest" in wanted:
                    yield from self._rest(stack, three)
        if "start" in wanted:
            yield from self._start()
        if "service" in wanted:
            from tests.bench import service  # needs pyscard

            yield from service.measure(self._folder / "service", self._plan.rounds, self._plan.idle_s, self._say)
        if "card" in wanted:
            from tests.bench import card  # needs pyscard

            yield from card.rows(self._plan.rounds, self._plan.apdus, self._say)
        if "camera" in wanted:
            from tests.bench import camera  # needs OpenCV

            yield from camera.rows(self._plan.rounds, self._say)
        if "pages" in wanted:
            self._say(f"{self._plan.pages} pages from the scanner to the back office")
            yield from pages.measure(self._folder / "pages", self._plan.pages)

    def _three(self, part: str) -> dict[str, Contender]:
        folder = self._folder / part
        return {
            "a": baseline(folder, self._broker, store=False),
            "b": baseline(folder, self._broker, store=True),
            "c": hall_edge(folder, self._broker),
        }

    def _up(self, stack: ExitStack, contenders: dict[str, Contender]) -> dict[str, Contender]:
        for contender in contenders.values():
            stack.enter_context(contender)
            self._course.first_event(contender)
        return contenders

    def _turns(self, contenders: Mapping[str, Contender], rounds: int) -> Iterator[tuple[str, Contender]]:
        orders = list(itertools.permutations(contenders))
        random.Random(1).shuffle(orders)
        for order in itertools.islice(itertools.cycle(orders), rounds):
            yield from ((column, contenders[column]) for column in order)

    def _latency(self, three: Mapping[str, Contender]) -> Iterator[Row]:
        for rate, seconds in self._plan.turn_s.items():
            self._say(f"latency at {rate}/s")
            judged = rate >= _JUDGED_RATE
            p50 = Row("latency", f"{rate}/s p50", "ms", Target(1.25, ratio=True) if judged else None)
            p99 = Row("latency", f"{rate}/s p99", "ms", Target(1.5, ratio=True) if judged else None)
            for column, contender in self._turns(three, self._plan.rounds):
                done = self._course.paced(contender, rate, seconds)
                self.payload_bytes[contender.label] = done.payload_bytes
                p50.add(column, percentile(done.latencies_ms, 50))
                p99.add(column, percentile(done.latencies_ms, 99))
            yield from (p50, p99)

    def _sustained(self, stack: ExitStack, three: Mapping[str, Contender]) -> Iterator[Row]:
        count = self._burst
        acked = hall_edge(
            self._folder / "turns", self._broker, label="(c) acknowledged", name="acknowledged", subscriber="office"
        )
        four = {**three, **self._up(stack, {"d": acked})}
        self._say(f"sustained: {count:,} codes at once")
        alone = Row("sustained", f"{count:,}, broker only", "events/s", Target(1.2, ratio=True, at_least=True))
        confirmed = Row("sustained", f"{count:,}, acknowledged", "events/s")
        for column, contender in self._turns(four, self._plan.rounds):
            rate = count / self._course.burst(contender, count).took_s
            if column == "d":
                confirmed.add("c", rate)
            else:
                alone.add(column, rate)
        acked.stop()
        confirmed.values.update({column: alone.values[column] for column in "ab"})
        yield from (alone, confirmed)

    def _rest(self, stack: ExitStack, three: Mapping[str, Contender]) -> Iterator[Row]:
        """Measure memory after load, and CPU while nothing happens, of all at the same time."""
        loaded = hall_edge(
            self._folder / "turns", self._broker, label="(c) three devices", name="three", all_devices=True
        )
        everyone = {**three, **self._up(stack, {"c": loaded})}
        for _ in range(2):
            self._course.burst(loaded, self._burst)
        time.sleep(_SETTLED_S)
        self._say(f"at rest for {self._plan.idle_s:g} s")
        before = {column: contender.cpu_s() for column, contender in everyone.items()}
        time.sleep(self._plan.idle_s)
        memory = Row("at rest", "resident memory", "MiB", Target(50))
        idle = Row("at rest", "CPU, of a core", "%", Target(0.5))
        for column, contender in everyone.items():
            contender.check()
            memory.add(column, contender.resident_mib())
            idle.add(column, 100 * (contender.cpu_s() - before[column]) / self._plan.idle_s)
        yield from (memory, idle)

    def _start(self) -> Iterator[Row]:
        self._say("start to first event")
        devices = hall_edge(
            self._folder / "start", self._broker, label="(c) three devices", name="three", all_devices=True
        )
        four = {**self._three("start"), "d": devices}
        one = Row("start", "gun alone", "s", Target(0.6))
        three = Row("start", "three devices, sealing", "s")
        with ExitStack() as stack:
            for contender in four.values():
                stack.enter_context(contender)
            for number, (column, contender) in enumerate(self._turns(four, self._plan.rounds + 1)):
                took_s = self._course.first_event(contender)
                contender.stop()
                if number >= len(four):  # the first round makes the stores and warms the files
                    (three if column == "d" else one).add("c" if column == "d" else column, took_s)
        yield from (one, three)
