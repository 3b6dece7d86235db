"""The preloaded disk (``shim.c``): built, put under a process, and spoken to from inside that process."""

from __future__ import annotations

import ctypes
import enum
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import ROOT

SOURCE = Path(__file__).with_name("shim.c")
NO_SPACE, BROKEN, READ_ONLY = errno.ENOSPC, errno.EIO, errno.EROFS


class Calls(enum.IntFlag):
    """Kinds of calls that can be counted and made to fail."""

    OPEN = 1
    WRITE = 2
    TRUNCATE = 4
    SYNC = 8
    NAME = 16
    """Renaming, removing, making a folder."""
    ALL = 31


class Deed(enum.IntEnum):
    """What an armed call does."""

    FAIL_ONCE = 0
    FAIL_ON = 1
    """It fails, and so do all after it."""
    SHORT = 2
    """It writes only half of what it was given, as at the end of a disk."""
    KILL = 3
    """It is not made any more: SIGKILL."""


def build(folder: Path) -> Path:
    """Compile the library into *folder*; without a compiler the test is skipped."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: broken disks are not tested (apt install gcc libc6-dev)")
    library = folder / "disk_shim.so"
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


class Shim:
    """The library as seen from inside a process that it is preloaded into."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.shim_calls.restype = ctypes.c_long
        self._library.shim_arm.argtypes = (ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int)

    def watch(self, folder: Path, log: Path) -> None:
        """Write all that happens below *folder* to *log* from now on; files opened before are not seen."""
        self._library.shim_watch(os.fsencode(folder), os.fsencode(log))

    def ignore(self) -> None:
        """End the watch."""
        self._library.shim_watch(b"", b"")

    def mark(self, what: str, **about: Any) -> None:
        """Add a remark to the log."""
        self._library.shim_mark(json.dumps({"what": what, **about}).encode())

    def arm(self, calls: Calls, nth: int, deed: Deed, error: int = 0) -> None:
        """Let the *nth* of *calls* from now do *deed*, with *error* as its errno. Counts anew."""
        self._library.shim_arm(int(calls), nth, int(deed), error)

    def count(self, calls: Calls = Calls.ALL) -> None:
        """Only count *calls* from now on."""
        self._library.shim_arm(int(calls), 0, 0, 0)

    @property
    def calls(self) -> int:
        """How many of the armed calls there were since they were armed."""
        return int(self._library.shim_calls())


@contextmanager
def child(library: Path, module: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Start ``tests.faults.disk.{module}`` on the preloaded disk; what it reports comes by its stdout."""
    command = [sys.executable, "-W", "error", "-m", f"tests.faults.disk.{module}", *map(str, arguments)]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"LD_PRELOAD": str(library)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()  # if it has not ended


def done(process: subprocess.Popen[str], timeout_s: float = 60) -> str:
    """Return what the process printed; it must have ended well and silently."""
    out, complaints = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, complaints
    assert not complaints, complaints
    return out


def report_of(process: subprocess.Popen[str], timeout_s: float = 60) -> Any:
    """Return what the process printed, as JSON; it must have ended well and silently."""
    return json.loads(done(process, timeout_s))
