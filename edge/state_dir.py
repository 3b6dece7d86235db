"""What the daemon keeps in its state folder besides the outbox: its lock and its secrets."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edge.errors import AlreadyRunning, StoreError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey

_SECRET_BYTES = 32
SECRETS = ("window-key.jwk", "lab-key.jwk", "digest-key")


class Holder(NamedTuple):
    """Who holds the lock: a process, and what it does besides running the daemon."""

    pid: str
    doing: str = ""

    @classmethod
    def of(cls, said: bytes) -> Holder:
        """Return what stands in the lock's file."""
        pid, _, doing = said.decode("utf-8", "replace").strip().partition(" ")
        return cls(pid, doing)


class InUse(AlreadyRunning):
    """The lock is held by *holder*."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(f"hall-edge already runs for this window (pid {holder.pid})")
        self.holder = holder


def take_lock(state: Path, doing: str = "") -> int:
    """Return a handle that holds the lock on the store; raises ``AlreadyRunning`` naming who has it.

    *doing* says what is done with it, where that is not running the daemon: see :class:`Holder`.
    """
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = _lock_file(state / "lock")
    except OSError as error:
        raise StoreError(f"{state} cannot be used ({error.strerror})", code="STO-104") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = Holder.of(os.read(handle, 128))
        os.close(handle)
        raise InUse(holder) from None
    with contextlib.suppress(OSError):  # a full or read-only disk: who holds it is not told then
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()} {doing}".strip().encode() + b"\n", 0)
    return handle


def _lock_file(path: Path) -> int:
    """Return a handle of *path*; on a disk that has become read-only a lock needs no more than that."""
    try:
        return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def check_secrets(state: Path, *, lab: bool) -> list[str]:
    """Return what is wrong with the rights of the secrets in *state*, in lab mode; else raise ``StoreError`` for it."""
    wide = [state / name for name in SECRETS if (state / name).exists() and (state / name).stat().st_mode & 0o007]
    told = [f"SEC-114: {path} is open to every user of this PC — chmod o= {path}" for path in wide]
    if wide and not lab:
        raise StoreError(f"{wide[0]} is open to every user of this PC", code="SEC-114", action=f"chmod o= {wide[0]}")
    return told


def write_safely(path: Path, data: bytes) -> None:
    """Write *data* to *path* (mode 0600): after a power cut it holds all of *data*, or what it held before."""
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make durable what was made, renamed or removed in the folder *path*: a power cut may undo it before."""
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def kept_bytes(path: Path) -> bytes:
    """Return the 32 secret bytes in *path*, made on the spot (mode 0600) when there are none."""
    if not path.exists():
        write_safely(path, secrets.token_bytes(_SECRET_BYTES))
    secret = path.read_bytes()
    if len(secret) != _SECRET_BYTES:
        action = f"restore it, or delete it: {path}; what was digested before can then not be matched any more"
        raise StoreError(f"{path} does not hold {_SECRET_BYTES} bytes", code="STO-105", action=action)
    return secret


def known_names(path: Path, names: Iterable[str]) -> set[str]:
    """Return *names* with all that were ever given for this *path*, and keep them there."""
    kept = set(path.read_text(encoding="utf-8").split()) if path.exists() else set()
    if not kept.issuperset(names):
        write_safely(path, "\n".join(sorted(kept.union(names))).encode())
    return kept.union(names)


class KeptKey:
    """The window's own key pair, made and loaded only when it is needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key: ECKey | None = None

    def _load(self) -> ECKey:
        if self._key is None:
            from edge.sealing.jwe import kept_key  # heavy, not always needed

            self._key = kept_key(self._path)
        return self._key

    @property
    def public(self) -> dict[str, Any]:
        """The public JWK that requests with personal parameters are sealed to."""
        from edge.sealing.jwe import public_jwk  # heavy, not always needed

        return public_jwk(self._load())

    def opened(self, sealed: bytes) -> bytes:
        """Return the plain request in *sealed*; raises ``SealError``."""
        from edge.sealing.jwe import opened  # heavy, not always needed

        return opened(sealed, [self._load()])[0]
