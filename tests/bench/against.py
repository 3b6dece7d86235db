"""``--against DIR``: latency of this hall-edge beside that of another checkout, in turns, at the same broker.

Both are started as ``python -m edge`` by the same interpreter, each from its own folder, and both are up all the
time. What the machine does meanwhile hits both, so the ratio of each round is what counts.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench.contenders import Contender, hall_edge
from tests.bench.course import Course
from tests.bench.failure import BenchFailure
from tests.bench.figures import Row, percentile
from tests.bench.measures import Plan
from tests.support.project import ROOT

OLD, NEW = "b", "c"
_ROUNDS = 2  # of each order, for a round of the plan
_PERCENTS = (50, 99)


def run(folder: Path, broker: int, course: Course, plan: Plan, other: Path, say: Callable[[str], None]) -> str:
    """Return a table of p50, p99 and CPU by rate, and the ratio of new to old; raises ``BenchFailure``."""
    if not (other / "edge" / "__main__.py").is_file():
        raise BenchFailure(f"{other} is no checkout of hall-edge")
    lines = [f"new: {ROOT}, old: {other}; (new : old) is the median of the rounds, with its lowest and highest", ""]
    lines.append(f"{'':20}{'old ms':>10}{'new ms':>10}{'new : old':>12}")
    with ExitStack() as stack:
        pair = {
            OLD: _from(other.resolve(), folder / "old", broker),
            NEW: _from(ROOT, folder / "new", broker),
        }
        for contender in pair.values():
            stack.enter_context(contender)
            course.first_event(contender)
        lines.extend(_line(row) for row in _rows(pair, course, plan, say))
    return "\n".join(lines)


def _from(source: Path, folder: Path, broker: int) -> Contender:
    program = [sys.executable, "-m", "edge"]
    label = folder.name
    made = hall_edge(folder, broker, label=label, name=label, wrapper=program)
    return dataclasses.replace(made, source=source)


def _rows(pair: dict[str, Contender], course: Course, plan: Plan, say: Callable[[str], None]) -> Iterator[Row]:
    for rate, seconds in plan.turn_s.items():
        say(f"latency at {rate}/s")
        rows = [Row("latency", f"{rate}/s p{percent}", "ms") for percent in _PERCENTS]
        work = Row("latency", f"{rate}/s CPU an event", "ms")
        for number in range(_ROUNDS * plan.rounds):
            for column in (OLD, NEW) if number % 2 else (NEW, OLD):
                before_s = pair[column].cpu_s()
                latencies = course.paced(pair[column], rate, seconds).latencies_ms
                work.add(column, 1000 * (pair[column].cpu_s() - before_s) / len(latencies))
                for row, percent in zip(rows, _PERCENTS, strict=True):
                    row.add(column, percentile(latencies, percent))
        yield from (*rows, work)


def _line(row: Row) -> str:
    ratios = row.ratios()
    values = "".join(f"{row.median(column) or 0.0:10.3f}" for column in (OLD, NEW))
    return f"{row.name:20}{values}{statistics.median(ratios):12.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
