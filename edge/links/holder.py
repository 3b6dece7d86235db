"""Who has a device open, for messages that name the program to close.

The kernel tells everything to root, and to others what belongs to programs of the same user; locks it tells to all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LOCK_FOLDERS = (Path("/run/lock"), Path("/var/lock"))
MOST_NAMED = 3


def holder_of(path: str) -> str | None:
    """Return ``"name (pid n)"`` of a program that has *path* open or locked, as far as we may look; else ``None``."""
    wanted = os.path.realpath(path)
    for pid in (*_with_file(wanted), *_with_lock(wanted), *_with_lock_file(wanted)):
        if pid != os.getpid() and _runs(pid):
            return _named(pid)
    return None


def users_of(library: str) -> str | None:
    """Return the programs besides this one that have loaded *library* (a part of its file's name), as far as seen.

    The one that was started last comes first.
    """
    pids = sorted(_pids(), reverse=True)
    found = [_named(pid) for pid in pids if pid != os.getpid() and _has_loaded(pid, library) and not _is_ours(pid)]
    return " or ".join(found[:MOST_NAMED]) or None


def action_against(holder: str | None, path: str | None = None) -> str:
    """Return what to do about a device, the node *path* if it has one, that *holder* has."""
    if holder is not None:
        return f"close {holder}"
    return f"close the program that sudo lsof {path} names" if path else "close the other program"


def _runs(pid: int) -> bool:
    """Return whether there is such a process; one that we may not see can still be asked for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def _pids() -> Iterator[int]:
    yield from (int(process.name) for process in _PROC.glob("[0-9]*"))


def _with_file(wanted: str) -> Iterator[int]:
    for pid in _pids():
        with suppress(OSError):
            if any(os.path.realpath(fd) == wanted for fd in (_PROC / str(pid) / "fd").iterdir()):
                yield pid


def _with_lock(wanted: str) -> Iterator[int]:
    """Yield who has locked the file, as ``flock`` does: ``1: FLOCK ADVISORY WRITE 42 00:05:1234 0 EOF``."""
    with suppress(OSError):
        inode = os.stat(wanted).st_ino  # noqa: PTH116
        device = os.stat(wanted).st_dev  # noqa: PTH116
        place = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
        for line in (_PROC / "locks").read_text(encoding="ascii").splitlines():
            words = line.split()
            if place in words[5:7] and words[4].isdecimal():
                yield int(words[4])


def _with_lock_file(wanted: str) -> Iterator[int]:
    """Yield who says so in a lock file of the old kind, ``LCK..ttyUSB0`` with its number as text."""
    for folder in _LOCK_FOLDERS:
        with suppress(OSError, ValueError):
            yield int((folder / f"LCK..{Path(wanted).name}").read_text(encoding="ascii")[:16])


def _has_loaded(pid: int, library: str) -> bool:
    with suppress(OSError), (_PROC / str(pid) / "maps").open(encoding="utf-8", errors="replace") as maps:
        return any(library in line for line in maps)
    return False


def _is_ours(pid: int) -> bool:
    """Return whether it is the process of another of this daemon's devices."""
    with suppress(OSError):
        return b"edge.lanes.worker" in (_PROC / str(pid) / "cmdline").read_bytes()
    return False


def _named(pid: int) -> str:
    """Return the name of a process as it may be shown; its number alone where we may not see more."""
    try:
        name = (_PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return f"process {pid}"
    shown = "".join(char if char.isprintable() else "?" for char in name)
    return f"{shown} (pid {pid})"
