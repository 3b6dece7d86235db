"""What the package tells udev and systemd: is it that of this version, and has the daemon the groups it needs?"""

from __future__ import annotations

import grp
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from edge.reload import in_thread
from edge.selftest.model import Check, Result
from edge.selftest.scene import Scene
from edge.tools.units.grants import Drivers, grants, matches, thread_drivers
from edge.tools.units.text import rule_lines, service_lines

_RULES = ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
_UNITS = ("etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")
_SERVICE = "hall-edge.service"
_HIDDEN_GID = 65534
"""What a process in a user namespace of its own (``PrivateUsers=``) sees of each group but its first."""


async def look_at_rules(scene: Scene) -> AsyncIterator[Check]:
    """Compare what is installed with what the drivers in use need."""
    for check in await in_thread("selftest-rules", lambda: list(_looked(scene))):
        yield check


def _looked(scene: Scene) -> Iterator[Check]:
    root = scene.outside.root
    drivers = {one.driver: one.driver_type for one in scene.config.devices if one.enabled}
    unit = _text(root, _UNITS, f"{_SERVICE}*")
    if not unit:
        yield _check("RUL-001", "skip", f"{_SERVICE} is not installed here")
        return
    missing = [line for line in _udev_lines(drivers) if line not in _text(root, _RULES, "*hall-edge*.rules")]
    missing += [line for line in service_lines(grants(thread_drivers(drivers))) if not _granted(line, unit)]
    if missing:
        seen = f"{len(missing)} lines that the drivers in use need are not installed, as {missing[0][:120]}"
        yield _check("RUL-101", "warn", seen)
    groups = _lacking(drivers)
    if groups:
        yield _check("RUL-102", "warn", f"the daemon is not in {', '.join(groups)}")
    if not (missing or groups):
        yield _check("RUL-000", "ok", "units and udev rules are those of this version")


def _udev_lines(drivers: Drivers) -> list[str]:
    return [line for line in rule_lines(matches(drivers)) if line and not line.startswith("#")]


def _granted(line: str, unit: str) -> bool:
    """Return whether *line* of a unit stands in what is installed: the words of a list may stand among others."""
    key, _, value = line.partition("=")
    given = {word for said in unit.splitlines() if said.startswith(f"{key}=") for word in said[len(key) + 1 :].split()}
    return given.issuperset(value.split())


def _lacking(drivers: Drivers) -> list[str]:
    """Return the groups that own the devices of *drivers* and that this process is not in; root needs none.

    Groups that the kernel hides from it, as in the shipped unit, count for as many as they are.
    """
    if os.geteuid() == 0:
        return []
    ours = [os.getegid(), *os.getgroups()]
    lacking = []
    for name in grants(thread_drivers(drivers)).groups:
        try:
            if grp.getgrnam(name).gr_gid not in ours:
                lacking.append(name)
        except KeyError:  # a PC without such a group has no devices of it either
            continue
    return lacking if len(lacking) > ours.count(_HIDDEN_GID) else []


def _text(root: Path, folders: tuple[str, ...], pattern: str) -> str:
    """Return all that the files of *pattern* say, and their drop-ins."""
    found = []
    for folder in folders:
        for path in sorted((root / folder).glob(pattern)):
            files = sorted(path.glob("*.conf")) if path.is_dir() else [path]
            found += [one.read_text("utf-8", "replace") for one in files if one.is_file()]
    return "\n".join(found)


def _check(code: str, result: Result, seen: str) -> Check:
    return Check(part="service", name="rules", code=code, result=result, seen=seen)
