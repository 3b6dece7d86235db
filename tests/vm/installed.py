"""The machine that tests go on from: booted once, the package installed once, both kept as snapshots."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from pathlib import Path

from tests.vm.guest import Guest
from tests.vm.image import Image
from tests.vm.machine import MACHINE, Machine

BOOTED, INSTALLED = "booted", "installed"
_INSTALL_S = 1200.0


def installed(image: Image, package: Path, name: str) -> Path:
    """Return a disk with both snapshots, kept for the same *image*, *package* (its digest is *name*) and machine."""
    kept = image.folder / f"{MACHINE}-{name}.qcow2"
    with (image.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            _make(image, package, kept)
    return kept


def _make(image: Image, package: Path, kept: Path) -> None:
    booted = image.folder / f"{MACHINE}-booted.qcow2"
    for old in image.folder.glob("*.qcow2"):
        if old != booted:
            old.unlink()  # of another package or machine: each has some 300 MB
    with tempfile.TemporaryDirectory(prefix="vm-") as folder, Machine(Path(folder), image, {}) as machine:
        if not booted.exists():
            machine.new_disk()
            machine.start()
            machine.guest.run("systemctl is-system-running --wait", limit_s=_INSTALL_S)
            machine.save(BOOTED)
            machine.cut()
            shutil.move(machine.disk, booted)
        machine.new_disk(like=booted)
        _install(machine.start(BOOTED), package)
        machine.save(INSTALLED)
        machine.cut()
        shutil.move(machine.disk, kept)


def _install(guest: Guest, package: Path) -> None:
    guest.put(package.read_bytes(), f"/opt/lab/{package.name}")
    guest.run(f"apt-get install --yes /opt/lab/{package.name} 2>&1", limit_s=_INSTALL_S)
    guest.run(f"rm /opt/lab/{package.name}; systemctl daemon-reload")
