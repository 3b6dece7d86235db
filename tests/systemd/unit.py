"""Unit files as systemd reads them: what is set, section by section, and the verdicts of systemd's own tools."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

from tests.support.project import ROOT

FOLDER = ROOT / "systemd"
SERVICES = ("hall-edge.service", "hall-edge-driver@.service", "hall-edge-netdriver@.service")
UNITS = (*SERVICES, "hall-edge-driver.socket", "hall-edge-netdriver.socket", "hall-edge.slice")
DEBIANS = Path("/usr/lib/systemd/system")
PROGRAMS = ("usr/bin/hall-edge", "usr/lib/hall-edge/bin/python", "bin/sh", "sbin/modprobe")
_ANALYZE = "systemd-analyze"

Settings = dict[str, list[str]]


def settings(path: Path, section: str) -> Settings:
    """Return the values of each key of *section*, in their order."""
    found: Settings = defaultdict(list)
    at = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            at = line.strip("[]")
        elif at == section and line and line[0] not in "#;":
            key, _, value = line.partition("=")
            found[key].append(value)
    return dict(found)


def words(path: Path, section: str, key: str) -> set[str]:
    """Return the words of all values of *key*."""
    return {word for value in settings(path, section).get(key, ()) for word in value.split()}


def installed(root: Path, folder: Path = FOLDER) -> Path:
    """Install the units of *folder* below *root*, beside Debian's and with programs that only have to be there."""
    units = root / "usr/lib/systemd/system"
    shutil.copytree(DEBIANS, units, symlinks=True)
    for path in (*folder.glob("*.service"), *folder.glob("*.socket"), *folder.glob("*.slice")):
        shutil.copy(path, units)
    for name in PROGRAMS:
        program = root / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n", encoding="ascii")
        program.chmod(0o755)
    return units


def verified(root: Path, *names: str) -> tuple[int, str]:
    """Return what ``systemd-analyze verify`` says of units that are installed below *root*."""
    command = [_ANALYZE, "verify", f"--root={root}", "--man=no", "--recursive-errors=no", *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


def exposure(path: Path) -> tuple[float, set[str]]:
    """Return systemd's own figure of how exposed a service is, and the names of what it holds against it."""
    command = [_ANALYZE, "security", "--offline=true", "--no-pager", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    line = next(line for line in done.stdout.splitlines() if "Overall exposure level" in line)
    rows = subprocess.run([*command, "--json=short"], capture_output=True, text=True, timeout=30, check=True)
    against = {row["json_field"] for row in json.loads(rows.stdout) if row["set"] is False}
    figure = re.search(r": ([\d.]+) ", line)  # behind it stands a face, which is another one without UTF-8
    assert figure is not None, line
    return float(figure[1]), against
