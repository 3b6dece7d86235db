"""The configuration: is the file on the disk valid, safe, and the one that the daemon runs with?"""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from edge.config import Config
from edge.errors import ConfigError, Problem
from edge.reload import differences, in_thread
from edge.selftest.model import Check, Result
from edge.selftest.scene import Scene

_MOST = 10


async def look_at_config(scene: Scene) -> AsyncIterator[Check]:
    """Read the file anew."""
    try:
        fresh = await in_thread("selftest-config", scene.load)
    except ConfigError as error:
        # a running daemon goes on with what it has; the next start will not
        for check in of_problems(error.problems, "warn" if scene.daemon else "fail"):
            yield check
        return
    troubles = list(of_problems(fresh.warnings, "warn"))
    if scene.daemon and (keys := _changed(scene.config, fresh)):
        seen = f"the file says something else than the daemon runs with: {', '.join(keys)}"
        troubles.append(_check("CFG-180", "warn", seen))
    if scene.file and (who := _may_change(Path(scene.file))):
        troubles.append(_check("CFG-181", "warn", f"{scene.file} may be changed by {who}"))
    for check in troubles:
        yield check
    if not troubles:
        enabled = sum(device.enabled for device in fresh.devices)
        figures: dict[str, str | int | float | bool] = {"devices": enabled, "subscribers": len(fresh.subscribers)}
        seen = f"valid: {enabled} devices, {len(fresh.subscribers)} subscribers"
        yield _check("CFG-000", "ok", seen, details=figures)


def of_problems(problems: Iterable[Problem], result: Result) -> Iterable[Check]:
    """Yield a check for each of *problems*, with its place."""
    for problem in list(problems)[:_MOST]:
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file or ""
        details = {"place": place, "nearest": problem.nearest or ""}
        known: dict[str, str | int | float | bool] = {key: text for key, text in details.items() if text}
        yield _check(problem.code, result, problem.cause, problem.action, known)


def _check(
    code: str, result: Result, seen: str, action: str = "", details: dict[str, str | int | float | bool] | None = None
) -> Check:
    return Check(
        part="config", name="config", code=code, result=result, seen=seen, action=action, details=details or {}
    )


def _changed(running: Config, fresh: Config) -> list[str]:
    """Return the keys, and the devices, that are not the same."""
    before, after = ({device.name: device for device in config.devices} for config in (running, fresh))
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [*differences(running, fresh), *(f"device {name}" for name in names)]


def _may_change(path: Path) -> str | None:
    """Return who may write the file besides its owner, when that is everybody."""
    try:
        mode = path.stat().st_mode
    except OSError:  # it has just been read: whoever removes it now is not our business
        return None
    return "every user of this PC" if mode & stat.S_IWOTH else None
