"""``--profile``: where the daemon's time goes in a burst, by thread and by function."""

from __future__ import annotations

import json
import pstats
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.contenders import hall_edge
from tests.bench.course import Course

_BURSTS = 3
_TOP = 14
_LANE = "lane-gun-1"
_THREADS = (_LANE, "outbox", "mqtt")
_WAITING = ("poll", "select", "acquire", "get")
_ONE_THREAD_ONLY = (3, 12)


def run(folder: Path, broker: int, course: Course, burst: int, say: Callable[[str], None]) -> str:
    """Return the text of two profiles: one that costs nothing, and one by function."""
    say(f"threads: {_BURSTS} bursts of {burst:,}")
    plain = _profiled(folder / "threads", broker, course, burst)
    lines = [*_thread_lines(plain, burst)]
    if sys.version_info >= _ONE_THREAD_ONLY:
        return "\n".join([*lines, "", "functions: only with Python 3.11 (a later cProfile mixes the threads up)"])
    say("functions: the same under cProfile")
    profiles = _profiled(folder / "functions", broker, course, burst, "--functions")
    for thread in _THREADS:
        lines += ["", *_function_lines(profiles, thread, burst)]
    return "\n".join(lines)


def _profiled(folder: Path, broker: int, course: Course, burst: int, *options: str) -> Path:
    """Run the daemon under ``tests.bench.profiled``; return the folder of what that wrote."""
    out = folder / "out"
    out.mkdir(parents=True)
    wrapper = [sys.executable, "-m", "tests.bench.profiled", str(out), *options]
    with hall_edge(folder, broker, wrapper=wrapper) as contender:
        course.first_event(contender)
        for _ in range(_BURSTS):
            course.burst(contender, burst)
        contender.stop()
    return out


def _thread_lines(out: Path, burst: int) -> list[str]:
    threads: dict[str, dict[str, float]] = json.loads((out / "threads.json").read_text(encoding="utf-8"))
    per_event = 1e6 / (burst * _BURSTS)
    head = f"{'thread':14}{'user µs':>12}{'system µs':>12}{'waits':>10}{'displaced':>12}   an event"
    lines = [head]
    for name, used in threads.items():
        user, system = (used[key] * per_event for key in ("user_s", "system_s"))
        waits, displaced = (used[key] * per_event / 1e6 for key in ("waits", "displaced"))
        lines.append(f"{name:14}{user:12.1f}{system:12.1f}{waits:10.3f}{displaced:12.3f}")
    return lines


def _function_lines(out: Path, thread: str, burst: int) -> list[str]:
    """Return the functions of *thread* with the most time of their own; waiting is none."""
    stats: dict[tuple[str, int, str], Any] = pstats.Stats(str(out / f"{thread}.prof")).stats  # type: ignore[attr-defined]
    events = burst * _BURSTS
    busy = [(own, calls, where) for where, (_, calls, own, _, _) in stats.items() if not _waits(where[2])]
    lines = [f"{thread}: {sum(own for own, _, _ in busy) / events * 1e6:.1f} µs an event under cProfile, of these"]
    for own, calls, (file, line, function) in sorted(busy, reverse=True)[:_TOP]:
        place = "/".join(Path(file).parts[-2:]) + f":{line} " if line else ""
        lines.append(f"{own / events * 1e6:8.2f} µs {calls / events:8.3f} calls  {place}{function}")
    return lines


def _waits(function: str) -> bool:
    return any(f"'{word}'" in function or f".{word}>" in function for word in _WAITING)
