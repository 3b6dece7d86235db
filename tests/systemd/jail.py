"""Run a command under what a unit forbids, as far as that needs no systemd: ``python jail.py UNIT COMMAND…``.

System calls, address families, namespaces and writable code are refused by the same library that systemd uses, with
the same lists; no capability is left, no privilege can be gained, and a unit without network gets none. Device
lists, folders and addresses are not: the virtual PC of ``make vm-test`` is for these.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.systemd.unit import Settings, settings

ALLOW = 0x7FFF0000
REFUSE = 0x00050000
MASKED, EQUAL = 7, 4  # scmp_compare
NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)  # CLONE_NEW…
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
MOST_FAMILIES = 64
WRITE_AND_RUN, RUN = 0x2 | 0x4, 0x4
_APART = ("unshare", "--user", "--map-current-user")
_POWERLESS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


class _Compare(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("one", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


class Filter:
    """A filter of system calls: what is not named gets *default*."""

    def __init__(self, default: int) -> None:
        self._lib = ctypes.CDLL("libseccomp.so.2")
        self._lib.seccomp_init.restype = ctypes.c_void_p
        self._made = ctypes.c_void_p(self._lib.seccomp_init(ctypes.c_uint32(default)))

    def rule(self, action: int, name: str, *compares: tuple[int, int, int, int]) -> None:
        """Do *action* on the call *name* when all *compares* fit; a call that this machine has not is left out."""
        number = self._lib.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return
        values = (_Compare * max(1, len(compares)))(*(_Compare(*one) for one in compares))
        done = self._lib.seccomp_rule_add_array(self._made, ctypes.c_uint32(action), number, len(compares), values)
        if done:
            raise OSError(-done, f"a rule for {name} is refused")

    def load(self) -> None:
        """Let it count for this process from now on."""
        if done := self._lib.seccomp_load(self._made):
            raise OSError(-done, "the filter is refused")


def refusal(number: int) -> int:
    """Return the action that refuses a call with the error *number*."""
    return REFUSE | number


@cache
def sets() -> dict[str, set[str]]:
    """Return systemd's sets of system calls; a set may name others."""
    command = ["systemd-analyze", "--no-pager", "syscall-filter"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, set[str]] = {}
    inside: set[str] = set()
    for line in text.splitlines():
        if line.startswith("@"):
            inside = found[line.strip()] = set()
        elif line.strip() and not line.strip().startswith("#"):
            inside.add(line.strip())
    return found


def names_of(word: str) -> set[str]:
    """Return the system calls that a word of ``SystemCallFilter=`` means."""
    return {name for one in sets()[word] for name in names_of(one)} if word.startswith("@") else {word}


def allowed(values: Iterable[str]) -> set[str]:
    """Return the system calls that ``SystemCallFilter=`` lets through, line by line as systemd reads it."""
    found = names_of("@default")
    for value in values:
        names = {name for word in value.lstrip("~").split() for name in names_of(word)}
        found = found - names if value.startswith("~") else found | names
    return found


def confine(service: Settings) -> None:
    """Load all filters; the one that refuses most comes last."""
    if service.get("MemoryDenyWriteExecute") == ["yes"]:
        code = Filter(ALLOW)
        code.rule(refusal(errno.EPERM), "mmap", (2, MASKED, WRITE_AND_RUN, WRITE_AND_RUN))
        for name in ("mprotect", "pkey_mprotect"):
            code.rule(refusal(errno.EPERM), name, (2, MASKED, RUN, RUN))
        code.load()
    if service.get("RestrictNamespaces") == ["yes"]:
        spaces = Filter(ALLOW)
        spaces.rule(refusal(errno.ENOSYS), "clone3")
        for flag in NAMESPACES:
            spaces.rule(refusal(errno.EPERM), "clone", (0, MASKED, flag, flag))
        spaces.load()
    if "RestrictAddressFamilies" in service:
        families = {FAMILIES[word] for value in service["RestrictAddressFamilies"] for word in value.split()}
        sockets = Filter(ALLOW)
        for number in {*range(MOST_FAMILIES)} - families:
            sockets.rule(refusal(errno.EAFNOSUPPORT), "socket", (0, EQUAL, number, 0))
        sockets.load()
    calls = allowed(service["SystemCallFilter"])
    (said,) = service["SystemCallErrorNumber"]
    last = Filter(refusal(getattr(errno, said)))
    for name in sorted(calls):
        last.rule(ALLOW, name)
    last.load()


def jailed(unit: Path, *command: str) -> list[str]:
    """Return the command that runs *command* under what *unit* forbids."""
    network = ["--net"] if settings(unit, "Service").get("PrivateNetwork") == ["yes"] else []
    return [*_APART, *network, *_POWERLESS, sys.executable, __file__, str(unit), *command]


def main(arguments: list[str]) -> Any:
    """Confine this process and become the command."""
    unit, *command = arguments
    confine(settings(Path(unit), "Service"))
    os.execvp(command[0], command)  # noqa: S606  # there is no shell in it


if __name__ == "__main__":
    main(sys.argv[1:])
