"""Put files where they belong: whole or not at all, never over something that nobody agreed to lose."""

from __future__ import annotations

import errno
import grp
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge.errors import ConfigError, Problem
from edge.state_dir import sync_folder

GROUP = "hall-edge"
_ACTIONS = {
    errno.EACCES: "run it as root: sudo hall-edge init",
    errno.EPERM: "run it as root: sudo hall-edge init",
    errno.EROFS: "the disk is read-only: look at it (dmesg), then mount -o remount,rw",
    errno.ENOSPC: "free some space on the disk",
    errno.ENOTDIR: "name another place: --config",
}


def refuse_unwritable(path: Path) -> None:
    """Raise :class:`ConfigError` when *path* cannot be written, before anybody answers questions."""
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    with _explained(path):
        if not os.access(folder, os.W_OK | os.X_OK):
            read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
            raise OSError(errno.EROFS if read_only else errno.EACCES, "")
        if not folder.is_dir():
            raise OSError(errno.ENOTDIR, "")


def put(path: Path, text: str, *, mode: int, group: int | None = None, instead: bool = False) -> None:
    """Write *text* to *path*: after a power cut it holds all of it, or what it held before.

    *instead*: of the file that is there; else that is refused. Raises :class:`ConfigError`.
    """
    with _explained(path):
        _make_folder(path.parent, group)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        new = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                os.fchmod(handle, mode)
                if group is not None and os.geteuid() == 0:
                    os.fchown(handle, 0, group)
                file.write(text)
                file.flush()
                os.fsync(handle)
            if instead:
                new.rename(path)
            else:
                path.hardlink_to(new)  # fails where somebody was faster
        finally:
            new.unlink(missing_ok=True)
        sync_folder(path.parent)


def keep_old(path: Path) -> Path:
    """Give the file at *path* a second name with the time in it, and return that."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    with _explained(path):
        for number in range(100):
            old = path.with_name(f"{path.name}.{stamp}{f'-{number}' if number else ''}.bak")
            with suppress(FileExistsError):
                old.hardlink_to(path)
                return old
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))


def remove(path: Path) -> None:
    """Remove the file at *path*."""
    with _explained(path):
        path.unlink()
        sync_folder(path.parent)


def group_id(root: str) -> int | None:
    """Return the number of the daemon's group on the system below *root*; ``None`` where there is none."""
    if not root:
        with suppress(KeyError):
            return grp.getgrnam(GROUP).gr_gid
        return None
    with suppress(OSError, ValueError, IndexError):
        entries = (line.split(":") for line in Path(root, "etc/group").read_text(encoding="utf-8").splitlines())
        return next((int(entry[2]) for entry in entries if entry[0] == GROUP), None)
    return None


def _make_folder(folder: Path, group: int | None) -> None:
    if not folder.exists():
        folder.mkdir(mode=0o755 if group is None else 0o750, parents=True)
        if group is not None and os.geteuid() == 0:
            os.chown(folder, 0, group)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of the system into ours."""
    try:
        yield
    except FileExistsError:
        raise there_already(path) from None
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno else str(error)
        action = _ACTIONS.get(error.errno or 0, "check the path, its folder and its rights")
        problem = Problem("CFG-193", f"it cannot be written: {cause}", action, file=str(path))
        raise ConfigError([problem]) from error


def there_already(path: Path) -> ConfigError:
    """Return the error for a file that is not to be replaced."""
    action = "add --force to make a new one (the old one is kept as .bak), or --dry-run to see it"
    return ConfigError([Problem("CFG-190", "there is a configuration already", action, file=str(path))])
