"""The service: enabled, running, not failing again and again, and of the version that is installed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import msgspec

from edge import __version__
from edge.machine import Machine, this_machine
from edge.problems import problem
from edge.reload import in_thread
from edge.selftest.model import Check, Result
from edge.selftest.scene import Scene
from edge.watchdog import STALLED, stalled_at
from edge.wire import HealthProblem

UNIT = "hall-edge.service"
_ASK_S = 5.0
_MANY_RESTARTS = 3
_PROPERTIES = ("LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "NeedDaemonReload", "Result",
               "MainPID")  # fmt: skip
_ELSEWHERE = frozenset({"SYS-140", "SYS-141", "SYS-143", "SYS-145", "SYS-146", "SYS-152", "SYS-160", "SYS-161"})
"""Problems of the daemon that other checks tell."""
_SERVED = ("enabled", "enabled-runtime", "static", "linked", "alias", "indirect", "generated")


async def look_at_service(scene: Scene) -> AsyncIterator[Check]:
    """Ask systemd, and tell what the daemon says of itself."""
    troubles = [*_of_daemon(scene), *_of_version(scene)]
    told = await in_thread("selftest-service", lambda: show(scene.outside.systemctl, scene.outside.root))
    if told is None or told.get("LoadState") != "loaded":
        troubles += [] if scene.daemon else [_check("SVC-102", "fail", "the daemon does not run")]
        seen = "there is no systemd here" if told is None else f"systemd knows no {UNIT}"
        troubles.append(_check("SVC-001", "skip", seen))
    elif scene.daemon and told.get("MainPID") != str(os.getpid()):
        troubles.append(_check("SVC-002", "skip", "this daemon was not started by systemd"))
    else:
        troubles += _of_unit(told, running=scene.daemon)
    for check in troubles:
        yield check
    if not troubles:
        yield _check("SVC-000", "ok", f"hall-edge {__version__}, enabled, {_restarts(told or {})} restarts")


def show(systemctl: str, root: Path) -> Mapping[str, str] | None:
    """Return what systemd says of our unit; ``None`` where there is no systemd, or it does not answer us."""
    if not (root / "run/systemd/system").is_dir():
        return None
    command = [systemctl, "show", UNIT, *(f"--property={name}" for name in _PROPERTIES)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return dict(line.split("=", 1) for line in said.stdout.splitlines() if "=" in line)


def _of_unit(told: Mapping[str, str], *, running: bool) -> Iterator[Check]:
    """Yield what is wrong with the unit."""
    active = told.get("ActiveState", "")
    if active == "failed" or told.get("SubState") == "auto-restart":
        seen = f"the service does not start: {told.get('Result', '?')}, {_restarts(told)} restarts"
        yield _check("SVC-103", "fail", seen)
    elif not running:
        yield _check("SVC-102", "fail", f"the service is stopped ({active or '?'})")
    elif _restarts(told) >= _MANY_RESTARTS:
        yield _check("SVC-104", "warn", f"systemd has started the service anew {_restarts(told)} times")
    if told.get("UnitFileState") not in _SERVED:
        yield _check("SVC-101", "warn", f"the service is not enabled ({told.get('UnitFileState') or '?'})")
    if told.get("NeedDaemonReload") == "yes":
        yield _check("SVC-106", "warn", "the unit's files have changed, and systemd has not read them")


def _restarts(told: Mapping[str, str]) -> int:
    return int(count) if (count := told.get("NRestarts", "")).isdecimal() else 0


def _of_version(scene: Scene) -> Iterator[Check]:
    asking = scene.wanted.version
    if scene.daemon and asking and asking != __version__:
        yield _check("SVC-105", "warn", f"the daemon is still hall-edge {__version__}, installed is {asking}"[:120])


def _of_daemon(scene: Scene) -> Iterator[Check]:
    """Yield what the daemon itself says is wrong, but for what the other checks tell."""
    found = scene.live.health.problems.found() if scene.live else tuple(_known(scene))
    for one in found:
        if one.code.startswith("SYS-") and one.code not in _ELSEWHERE:
            result: Result = "fail" if one.code == "SYS-148" else "warn"
            yield _check(one.code, result, one.message, one.action)


def _known(scene: Scene) -> Iterator[HealthProblem]:
    """Yield what is known of a daemon that does not run."""
    if scene.config.window.lab:
        yield problem("SYS-147")
    if (when := stalled_at(scene.state / STALLED)) is not None:
        yield problem("SYS-151", when=when)
    machine = scene.state / "machine.json"
    try:
        known = msgspec.json.decode(machine.read_bytes(), type=Machine)
    except (OSError, ValueError):  # not used yet, or damaged: the daemon will write it
        return
    if this_machine(scene.outside.root).is_other_than(known):
        yield problem("SYS-148", path=machine)


def _check(code: str, result: Result, seen: str, action: str = "") -> Check:
    return Check(part="service", name="service", code=code, result=result, seen=seen, action=action)
