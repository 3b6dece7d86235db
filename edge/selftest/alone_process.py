"""Has a window tested whose daemon does not run, by a process that is of the service's user, as the daemon is.

What root alone may read of the window's credentials is handed on in memory, as systemd does for the daemon.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edge.config.credentials import Grant, granted
from edge.errors import AlreadyRunning, EdgeError
from edge.lanes.spawn import SOCKETS
from edge.selftest.model import Begun, Level, Message, Report
from edge.selftest.peek import Peek
from edge.selftest.who import myself
from edge.selftest.wire import heard
from edge.tools.ask import Unreachable

CODES = {
    "TST-108": "the process that tests ended without a result",
    "TST-110": "the process that tests cannot be started ({reason})",
}
_CANNOT_START = "let the service's user run this program; else see dmesg: this PC may have no memory left"
SERVICE_USER = "hall-edge"
_UNITS = ("hall-edge.service", "hall-edge-driver@selftest.service")
_END_S = 4.0
_DECRYPT_S = 20.0
_BUFFER = 1 << 20


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told, as its first line."""

    config: str
    hall: str
    window: str
    level: Level
    devices: tuple[str, ...]
    by: str
    credentials: dict[str, int]
    """Handles of what systemd would have handed over, by name."""


class _Account(NamedTuple):
    uid: int
    gid: int
    groups: list[int]


def tested_alone(config: str, seen: Peek, level: Level, devices: tuple[str, ...]) -> Generator[Message]:
    """Yield what the process says but for its first words; it ends when this is closed."""
    account = _account(Path(seen.state))
    with contextlib.ExitStack() as held:
        credentials = {name: _handle(grant, name, account, held) for name, grant in granted().items()}
        order = Order(
            config=str(Path(config).absolute()), hall=seen.hall, window=seen.window, level=level,
            devices=devices, by=myself(),
            credentials={name: number for name, number in credentials.items() if number is not None},
        )  # fmt: skip
        process = held.enter_context(_started(order, account))
        yield from _said(process)


def _said(process: subprocess.Popen[bytes]) -> Generator[Message]:
    """Yield what *process* says but for its first words, which were said already."""
    last: Message | None = None
    try:
        for line in process.stdout or ():
            last = heard(json.loads(line))
            if not isinstance(last, Begun):
                yield last
    except AlreadyRunning as error:
        if error.code == AlreadyRunning.default_code:
            message = f"{error.message}, and does not answer on its socket"
            raise Unreachable(message, action="see its log; or stop it: sudo systemctl stop hall-edge") from None
        raise
    if not isinstance(last, Report):
        raise EdgeError(
            CODES["TST-108"], code="TST-108", action="test again; then see dmesg: this PC may have no memory left"
        )


@contextlib.contextmanager
def _started(order: Order, account: _Account | None) -> Generator[subprocess.Popen[bytes]]:
    """Lend the process; however this ends, it ends too, and lets go of everything."""
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    who: dict[str, Any] = {}
    if account is not None:
        who = {"user": account.uid, "group": account.gid, "extra_groups": account.groups}
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "edge.selftest.alone"],
            env={**_environment(), "PYTHONPATH": path},
            cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            pass_fds=tuple(order.credentials.values()), start_new_session=True, **who,
        )  # fmt: skip
    except OSError as error:  # no memory, too many processes, or the service's user may not run this program
        message = CODES["TST-110"].format(reason=error.strerror)
        raise EdgeError(message, code="TST-110", action=_CANNOT_START) from error
    try:
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(msgspec.json.encode(order) + b"\n")
                process.stdin.flush()
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let it go: it ends when nobody speaks to it any more, and is killed when it does not."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment() -> dict[str, str]:
    """Return our own, without the units' sockets: they come and go with the daemon, and drivers are children here."""
    return {name: value for name, value in os.environ.items() if name != SOCKETS}


def _account(state: Path) -> _Account | None:
    """Return who the daemon is, if we are root and it is not: the owner of its state folder."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwuid(state.stat().st_uid) if state.exists() else pwd.getpwnam(SERVICE_USER)
    except KeyError:  # not installed by a package: then root tests
        return None
    if entry.pw_uid == 0:
        return None
    groups = {*os.getgrouplist(entry.pw_name, entry.pw_gid), *_service_groups()}
    return _Account(entry.pw_uid, entry.pw_gid, sorted(groups))


def _service_groups() -> list[int]:
    """Return the groups that the units give the daemon and its drivers' processes."""
    command = ["systemctl", "show", *_UNITS, "--property=SupplementaryGroups", "--value"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):  # no systemd: then only what /etc/group says
        return []
    known = {entry.gr_name: entry.gr_gid for entry in grp.getgrall()}
    return [known[name] for name in told.split() if name in known]


def _handle(grant: Grant, name: str, account: _Account | None, held: contextlib.ExitStack) -> int | None:
    """Return a handle of a credential's content, kept in memory; ``None``: we may not read it either."""
    try:
        data = _decrypted(grant, name) if grant.encrypted else Path(grant.path).read_bytes()
    except (OSError, subprocess.SubprocessError):  # the configuration's check says so
        return None
    number = os.memfd_create(name[:32], os.MFD_CLOEXEC)
    held.callback(os.close, number)
    os.write(number, data[:_BUFFER])
    os.fchmod(number, 0o400)
    if account is not None:
        os.fchown(number, account.uid, account.gid)
    return number


def _decrypted(grant: Grant, name: str) -> bytes:
    command = ["systemd-creds", "decrypt", f"--name={name}", grant.path, "-"]
    return subprocess.run(command, capture_output=True, timeout=_DECRYPT_S, check=True).stdout
