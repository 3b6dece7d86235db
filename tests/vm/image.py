"""The disk image that every machine of the lab starts from: built once, and again when its recipe changes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

RECIPE = Path(__file__).with_name("build-image.sh")
BUILD_S = 1200


@dataclass(frozen=True)
class Image:
    """What ``build-image.sh`` made in *folder*."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "root.ext4"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinux"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def key(self) -> Path:
        """The private key of the guest's root."""
        return self.folder / "key"


def cache_folder() -> Path:
    """Return where images and snapshots are kept between two runs, outside the checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hall-edge-vm"


def image() -> Image:
    """Return the image of today's recipe, built if there is none yet (about two minutes, and as root)."""
    name = hashlib.sha256(RECIPE.read_bytes()).hexdigest()[:16]
    found = Image(cache_folder() / name)
    found.folder.mkdir(parents=True, exist_ok=True)
    with (found.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.disk.exists():
            with (found.folder / "build.log").open("w") as log:
                subprocess.run(["/bin/sh", RECIPE, found.folder], check=True, stdout=log, stderr=log, timeout=BUILD_S)
    return found
