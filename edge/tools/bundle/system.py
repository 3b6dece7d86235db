"""What the system says of the service: its units, its journal, the clock, the disk, the versions of what is used."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edge import __version__

UNITS = ("hall-edge.service", "hall-edge-driver.socket", "hall-edge-netdriver.socket", "hall-edge.slice")
_PROPERTIES = (
    "LoadState ActiveState SubState Result NRestarts ExecMainCode ExecMainStatus StatusText StatusErrno UnitFileState "
    "ActiveEnterTimestamp InactiveEnterTimestamp StateChangeTimestamp NeedDaemonReload FragmentPath DropInPaths "
    "User Group SupplementaryGroups DynamicUser PrivateUsers DevicePolicy DeviceAllow ProtectSystem ProtectHome "
    "PrivateTmp PrivateDevices PrivateNetwork RestrictAddressFamilies NoNewPrivileges CapabilityBoundingSet "
    "MemoryDenyWriteExecute LimitNOFILE WatchdogUSec Restart RestartUSec TimeoutStartUSec TimeoutStopUSec TasksCurrent "
    "NAccepted NConnections NRefused"
)
_PACKAGES = (
    "paho-mqtt aiomqtt msgspec joserfc cryptography pyserial pyusb pyscard python-sane numpy opencv-python-headless "
    "systemd-python iotcore"
)
_DEBIAN = "hall-edge mosquitto pcscd libpcsclite1 libsane1 libsane-common libusb-1.0-0 systemd udev"
_WAIT_S = 20.0
_MB = 1_000_000


class Unread(Exception):
    """Something cannot be read; says what and why."""


def versions() -> dict[str, Any]:
    """Return what runs here."""
    release = platform.freedesktop_os_release()
    return {
        "hall-edge": __version__,
        "python": platform.python_version(),
        "system": release.get("PRETTY_NAME", ""),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "packages": {name: found for name in _PACKAGES.split() if (found := _version(name))},
        "debian": _debian(),
    }


def machine(folders: Iterable[Path]) -> dict[str, Any]:
    """Return figures of the PC: nothing that tells one from another."""
    memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MB
    told: dict[str, Any] = {
        "cores": os.cpu_count(),
        "memory_mb": memory_mb,
        "load": [round(one, 2) for one in os.getloadavg()],
        "up_s": round(time.clock_gettime(time.CLOCK_BOOTTIME)),
        "now": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "clock": _clock(),
        "disks": {},
    }
    for folder in folders:
        try:
            usage, files = shutil.disk_usage(folder), os.statvfs(folder)
        except OSError as error:
            told["disks"][str(folder)] = error.strerror
            continue
        told["disks"][str(folder)] = {
            "size_mb": usage.total // _MB, "free_mb": usage.free // _MB, "free_files": files.f_favail,
            "read_only": bool(files.f_flag & os.ST_RDONLY),
        }  # fmt: skip
    return told


def units() -> str:
    """Return the effective settings and the state of our units. Raises :class:`Unread`."""
    shown = [
        f"# {unit}\n" + _said(["systemctl", "show", unit, f"--property={_PROPERTIES.replace(' ', ',')}"])
        for unit in UNITS
    ]
    return "\n".join(shown)


def journal(unit: str, lines: int, since: str | None) -> str:
    """Return the last *lines* of the service's journal. Raises :class:`Unread`."""
    command = ["journalctl", "--unit", unit, "--unit", "hall-edge-driver@*", "--unit", "hall-edge-netdriver@*"]
    command += ["--lines", str(lines), "--output", "short-iso", "--no-hostname", "--no-pager", "--quiet"]
    if not (said := _said([*command, *(["--since", since] if since else [])])):
        raise Unread("the journal says nothing about it")
    return said


def last_lines(path: Path, lines: int) -> str:
    """Return the last *lines* of a log file. Raises :class:`Unread`."""
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) + "\n"
    except OSError as error:
        raise Unread(error.strerror or str(error)) from error


def selftest(config: str, run_dir: str | None) -> bytes:
    """Return the report of a self-test, made now: it disturbs nobody. Raises :class:`Unread`."""
    command = [sys.executable, "-m", "edge", "selftest", "--json", "--lang", "en", "--config", config]
    return _said([*command, *(["--run", run_dir] if run_dir else [])], may_fail=True).encode()


def _clock() -> dict[str, str]:
    """Return what systemd says of the clock; nothing where it cannot be asked."""
    try:
        said = _said(["timedatectl", "show", "--property=NTP,NTPSynchronized,Timezone,LocalRTC,CanNTP"])
    except Unread as error:
        return {"not read": str(error)}
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


def _debian() -> dict[str, str]:
    try:
        said = _said(["dpkg-query", "-W", "-f=${Package} ${Version}\n", *_DEBIAN.split()], may_fail=True)
    except Unread as error:
        return {"not read": str(error)}
    return dict(line.split(" ", 1) for line in said.splitlines() if " " in line)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _said(command: Sequence[str], *, may_fail: bool = False) -> str:
    """Return what *command* prints; raises :class:`Unread` with its reason."""
    if command[0] != sys.executable and shutil.which(command[0]) is None:
        raise Unread(f"{command[0]} is not installed")
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_WAIT_S, check=False, stdin=subprocess.DEVNULL, env=_environment()
        )
    except subprocess.TimeoutExpired:
        raise Unread(f"{Path(command[0]).name} did not end within {_WAIT_S:.0f} s") from None
    if done.returncode and not (may_fail and done.stdout):
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with {done.returncode}"]
        raise Unread(said[-1].partition(" — ")[0])
    return done.stdout.decode(errors="replace")


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0"}
