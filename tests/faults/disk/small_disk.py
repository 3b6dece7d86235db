"""A disk of a few megabytes, without root: a file system in memory, in a mount namespace of its own.

The folder looks empty from outside; what is started by :meth:`SmallDisk.inside` finds the small disk there, and
:attr:`SmallDisk.seen` is a way in for everybody else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

_MOUNT = 'mount -t tmpfs -o size="$2",mode=0700 tmpfs "$1" && echo mounted && exec cat'


class SmallDisk:
    """A disk of *size_kb* at *folder*; the test is skipped where the kernel gives users no namespaces of their own."""

    def __init__(self, folder: Path, size_kb: int) -> None:
        self.folder = folder
        missing = [name for name in ("unshare", "nsenter", "mount") if shutil.which(name) is None]
        if missing:
            pytest.skip(f"no small disk: {', '.join(missing)} is not installed (apt install util-linux mount)")
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, "sh"]
        self._holder = subprocess.Popen(
            [*command, str(folder), f"{size_kb}k"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._holder.stdout is not None
        assert self._holder.stderr is not None
        if self._holder.stdout.readline() != "mounted\n":
            reason = self._holder.stderr.read().strip()
            self.close()
            pytest.skip(f"no small disk: this kernel lets no user mount one ({reason})")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._holder.communicate(timeout=10)

    @property
    def inside(self) -> list[str]:
        """What to put before a command, so that it finds the small disk; it keeps its process id."""
        return ["nsenter", "--preserve-credentials", "--user", "--mount", "--target", str(self._holder.pid)]

    @property
    def seen(self) -> Path:
        """The folder on the small disk, as this process can reach it."""
        return Path(f"/proc/{self._holder.pid}/root{self.folder}")

    def free_bytes(self) -> int:
        disk = os.statvfs(self.seen)
        return disk.f_bavail * disk.f_frsize

    def fill(self, left_bytes: int) -> None:
        """Take all room but *left_bytes*."""
        with (self.seen / "ballast").open("ab") as file:
            file.write(bytes(max(self.free_bytes() - left_bytes, 0)))

    def empty(self) -> None:
        """Give the room back."""
        (self.seen / "ballast").unlink()
