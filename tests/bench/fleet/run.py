"""``python -m tests.bench --fleet``: several sizes of a fleet, one broker and a bridged pair, and a table of it all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit, setrlimit
from typing import Any

from tests.bench.fleet.course import Return, Step, fleet, ramp
from tests.bench.fleet.ground import authority_of, resident_mib, standing

SIZES = (100, 250, 500)
KINDS = ("single", "bridged", "plain")
DAEMONS = 5
AWAY_S = 6.0
PER_WINDOW = (0.02, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0)
_HANDLES = 8192
_HEAD = "  rate/s   came/s    p50 ms    p99 ms   broker CPU   events per broker CPU-s   office CPU   broker MiB"


@dataclass
class Result:
    """What one size on one kind of ground gave."""

    kind: str
    windows: int
    idle_mib: list[float] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    came_back: Return | None = None

    def lines(self) -> list[str]:
        idle = " + ".join(f"{mib:.0f}" for mib in self.idle_mib)
        lines = [f"{self.kind}, {self.windows} windows; connected, before any event: {idle} MiB", _HEAD]
        for step in self.steps:
            cpu = " + ".join(f"{100 * used / step.seconds:.0f} %" for used in step.brokers_cpu_s)
            each = " / ".join(f"{events:,.0f}" for events in step.events_per_cpu_s())
            mib = " + ".join(f"{mib:.0f}" for mib in step.brokers_mib)
            lines.append(
                f"{step.offered:8.0f} {step.delivered:8.0f} {step.p50_ms:9.1f} {step.p99_ms:9.1f}   {cpu:>10}   "
                f"{each:>23}   {100 * step.office_cpu_s / step.seconds:8.0f} %   {mib:>10}{'  lags' * step.beyond}"
            )
        if back := self.came_back:
            lines.append(
                f"after a restart of the broker: half are back after {back.half_s:.1f} s, the last after "
                f"{back.last_s:.1f} s; the broker worked {back.broker_cpu_s:.2f} s for that"
            )
        return lines


def run(
    folder: Path, sizes: Sequence[int], kinds: Sequence[str], seconds: float, say: Callable[[str], None],
    *, daemons: int = DAEMONS, rates: Sequence[float] = PER_WINDOW, away_s: float = AWAY_S,
) -> list[Result]:  # fmt: skip
    """Measure every size on every kind of ground."""
    _allow_handles()
    (folder / "authority").mkdir()
    began = time.monotonic()
    authority = authority_of(folder / "authority", max(sizes), daemons)
    say(f"{max(sizes) + daemons} certificates in {time.monotonic() - began:.0f} s")
    results = []
    for kind in kinds:
        for windows in sizes:
            say(f"{kind}, {windows} windows")
            result = Result(kind, windows)
            ours = None if kind == "plain" else authority
            with standing(folder / f"{kind}-{windows}", kind, ours, daemons) as ground, fleet(ground, windows) as crowd:
                result.idle_mib = resident_mib(ground.brokers)
                result.steps = ramp(crowd, [windows * rate for rate in rates], seconds, say)
                result.came_back = crowd.come_back(away_s)
            results.append(result)
    return results


def as_text(results: Sequence[Result]) -> str:
    return "\n\n".join("\n".join(result.lines()) for result in results)


def as_json(results: Sequence[Result]) -> str:
    def plain(result: Result) -> dict[str, Any]:
        back = result.came_back._asdict() if result.came_back else None
        steps = [step._asdict() for step in result.steps]
        return {**vars(result), "steps": steps, "came_back": back}

    return json.dumps([plain(result) for result in results], indent=1)


def _allow_handles() -> None:
    """Let a process, and its children, hold a socket for each window."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        setrlimit(RLIMIT_NOFILE, (max(soft, min(_HANDLES, hard)), hard))
