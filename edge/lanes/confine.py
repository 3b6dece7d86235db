"""Give up what a driver's process does not need, before the driver is loaded: native code reads what strangers send."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from collections.abc import Mapping
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_MAX_FILES = 256
_PASSED = ("PATH", "LANG", "LANGUAGE", "TZ", "HOME", "TMPDIR", "LD_PRELOAD", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_PASSED_PREFIXES = (
    "LC_", "PYTHON", "GLIBC_TUNABLES", "MALLOC_", "UMOCKDEV_", "LIBUSB_", "PCSCLITE_", "SANE_", "OPENCV_",
)  # fmt: skip


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return what of *given* a driver's process may see: no credentials, no folders and sockets of the service."""
    return {name: value for name, value in given.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)}


def leave_no_dump() -> None:
    """Let a crash of this process, or of one that it starts, write no memory: to no file, and to no crash handler."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # a kernel without core dumps
        Path("/proc/self/coredump_filter").write_text("0", encoding="ascii")


def hide_memory() -> None:
    """Let no other process of this user look into this one: not even a driver's that a device has taken over."""
    zero = ctypes.c_ulong(0)
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, zero, zero, zero, zero)


def confine(parent: int | None, memory_mb: int) -> None:
    """Tie this process to its *parent*, if it has one, and limit it: memory, files, no core dump, nobody looks in.

    Ctrl-C and a stop of the service reach every process of it; this one ends when its parent closes it.
    """
    leave_no_dump()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    libc = ctypes.CDLL(None, use_errno=True)
    ending = 0 if parent is None else signal.SIGKILL
    for option, value in ((_PR_SET_PDEATHSIG, ending), (_PR_SET_DUMPABLE, 0), (_PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)):
            raise OSError(ctypes.get_errno(), f"prctl {option}")
    if parent is not None and os.getppid() != parent:  # it ended before we could ask to end with it
        raise SystemExit("the daemon is gone")
    os.umask(0o077)
    limit = memory_mb << 20
    for what, most in ((resource.RLIMIT_NOFILE, _MAX_FILES), (resource.RLIMIT_DATA, limit)):
        allowed = resource.getrlimit(what)[1]
        wanted = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(what, (wanted, wanted))
