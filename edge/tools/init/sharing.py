"""See to it that the daemon's user can read what its configuration names: a technician copies files as root."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_SECRET = ("key", "password_file")


def public_files(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files that the daemon itself reads and everybody may: certificates, lists, public keys."""
    mqtt = document.get("mqtt", {})
    yield from (mqtt[key] for key in ("ca", "crl", "certificate") if key in mqtt)
    for table in ("subscriber", "requester"):
        yield from (one["key"] for one in document.get(table, ()) if "key" in one)


def secret_files(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets that the daemon reads itself, because systemd does not hand them over."""
    mqtt = document.get("mqtt", {})
    yield from (mqtt[key] for key in _SECRET if key in mqtt)


def share(document: Mapping[str, Any], root: str, folder: str, group: int) -> Iterator[str]:
    """Let *group* read the public files in *folder*; yield what it still cannot read."""
    for name in filter(_is_path, public_files(document)):
        path = Path(root + name)
        if name.startswith(f"{folder}/") and os.geteuid() == 0 and not is_readable(path, group):
            os.chown(path, -1, group)
            path.chmod(path.stat().st_mode | 0o040)
    named = [*public_files(document), *secret_files(document)]
    yield from (name for name in filter(_is_path, named) if not is_readable(Path(root + name), group))


def is_readable(path: Path, group: int) -> bool:
    """Return whether the rights of the file let *group* read it."""
    status = path.stat()
    return bool(status.st_mode & 0o004 or (status.st_gid == group and status.st_mode & 0o040))


def _is_path(name: str) -> bool:
    return name.startswith("/")
