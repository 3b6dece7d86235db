"""What a figure depends on besides the code: the machine, its disk, its programs, and who else was busy."""

from __future__ import annotations

import os
import platform
import resource
import sqlite3
import statistics
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from tests.support.broker import mosquitto_path

_SYNCS = 100
_BLOCK = 4096


def describe(folder: Path) -> dict[str, str]:
    """Return what to print above the figures; *folder* is where the stores are."""
    return {
        "machine": f"{os.cpu_count()} × {_processor()}, Linux {platform.release()}",
        "disk": f"{_file_system(folder)}, a sync takes {sync_ms(folder):.2f} ms",
        "programs": (
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
            f"paho-mqtt {version('paho-mqtt')}, {_broker_version()}"
        ),
    }


def sync_ms(folder: Path) -> float:
    """Return the median time that a block takes to the disk."""
    times = []
    file = os.open(folder / "sync", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            os.write(file, bytes(_BLOCK))
            os.fdatasync(file)
            times.append(time.perf_counter() - began)
    finally:
        os.close(file)
    return statistics.median(times) * 1000


class OtherWork:
    """Measures how much of the machine was busy with what is not ours; our children must have ended."""

    def __init__(self) -> None:
        self._began, self._busy_s, self._own_s = time.monotonic(), _busy_s(), _own_s()

    def percent(self) -> float:
        """Return it since the beginning, in percent of all cores."""
        took_s = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return max(0.0, 100 * (_busy_s() - self._busy_s - (_own_s() - self._own_s)) / took_s)


def _busy_s() -> float:
    """Return what all cores have worked (user, nice, system, irq, softirq, steal) since the machine started."""
    fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if fields[2] == wanted:
            return fields[fields.index("-") + 1]
    return "unknown file system"


def _broker_version() -> str:
    told = subprocess.run([mosquitto_path(), "-h"], capture_output=True, text=True, check=False).stdout
    return told.partition("\n")[0] or "mosquitto"
