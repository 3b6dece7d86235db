"""The clock: kept by a time service, not just set, and in a year that can be."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import edge
from edge.envelope import ClockWatch
from edge.problems import problem
from edge.selftest.model import Check, Result
from edge.selftest.scene import Scene

_YEAR_S = 365 * 86_400
_MOST_YEARS = 15
_FIRST = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


async def look_at_clock(scene: Scene) -> AsyncIterator[Check]:
    """Compare the clock with the age of the program itself, and ask the kernel who keeps it."""
    now = time.time()
    figures: dict[str, str | int | float | bool] = {"utc": datetime.fromtimestamp(now, UTC).isoformat("T", "seconds")}
    if not _plausible(now):
        seen = f"the clock says {figures['utc']}"
        yield _check("CLK-101", "fail", seen, figures)
        return
    known = {one.code: one for one in scene.live.health.problems.found()} if scene.live else {}
    if scene.live is None and not ClockWatch().synced():
        known["SYS-145"] = problem("SYS-145")
    told = [known[code] for code in ("SYS-146", "SYS-145") if code in known]
    for one in told:
        yield _check(one.code, "warn", one.message, figures, one.action)
    if not told:
        yield _check("CLK-000", "ok", "kept by a time service", figures)


def _plausible(now: float) -> bool:
    """Return whether it can be as late as that: not before this program was written, and not long after."""
    made = Path(edge.__file__).stat().st_mtime
    return max(_FIRST, min(made, _FIRST + _MOST_YEARS * _YEAR_S) - 86_400) < now < _FIRST + _MOST_YEARS * _YEAR_S


def _check(
    code: str, result: Result, seen: str, details: dict[str, str | int | float | bool], action: str = ""
) -> Check:
    return Check(part="clock", name="clock", code=code, result=result, seen=seen, action=action, details=details)
