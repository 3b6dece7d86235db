"""What the daemon keeps in its state folder besides the outbox: its lock and its secrets."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import AlreadyRunning, StoreError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey


def take_lock(state: Path) -> int:
    """Return a handle that holds the lock on the store; raises ``AlreadyRunning`` naming who has it."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(state / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{state} cannot be used ({error.strerror})", code="STO-104") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 32).decode("ascii", "replace").strip()
        os.close(handle)
        raise AlreadyRunning(f"hall-edge already runs for this window (pid {holder})") from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


def kept_bytes(path: Path) -> bytes:
    """Return the 32 secret bytes in *path*, made on the spot (mode 0600) when there are none."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path.read_bytes()


class KeptKey:
    """The window's own key pair, made and loaded only when it is needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key: ECKey | None = None

    def _load(self) -> ECKey:
        if self._key is None:
            from edge.sealing import kept_key  # noqa: PLC0415  # heavy, not always needed

            self._key = kept_key(self._path)
        return self._key

    @property
    def public(self) -> dict[str, Any]:
        """The public JWK that requests with personal parameters are sealed to."""
        from edge.sealing import public_jwk  # noqa: PLC0415  # heavy, not always needed

        return public_jwk(self._load())

    def opened(self, sealed: bytes) -> bytes:
        """Return the plain request in *sealed*; raises ``SealError``."""
        from edge.sealing import opened  # noqa: PLC0415  # heavy, not always needed

        return opened(sealed, [self._load()])[0]
