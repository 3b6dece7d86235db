"""What a tool works on: a file, or standard input."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from edge.errors import EdgeError
from edge.state_dir import sync_folder

DEFAULT_CONFIG = "/etc/hall-edge/hall-edge.toml"
MAX_BYTES = 1 << 20


class FileProblem(EdgeError):
    """A file cannot be read, written or used."""

    default_code = "SEC-111"
    default_action = "check the path, its folder and its rights"


def write_new(path: Path, data: bytes, *, force: bool = False) -> None:
    """Write *data* to *path* (mode 0600), whole or not at all; over a file only with *force*.

    Raises :class:`FileProblem`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if force:
            part.rename(path)
        else:
            path.hardlink_to(part)  # fails where there is a file
        sync_folder(path.parent)
    except FileExistsError:
        raise there_already(path) from None
    except OSError as error:
        raise FileProblem(f"{path}: {error.strerror}", code="FIL-101") from error
    finally:
        part.unlink(missing_ok=True)


def there_already(path: Path) -> FileProblem:
    """Return the error for a file that nobody agreed to lose."""
    return FileProblem(f"{path} is there already", code="FIL-102", action="give another name with -o, or add --force")


def read_input(name: str) -> bytes:
    """Return what is in the file *name*, or with ``-`` on standard input; raises :class:`FileProblem`."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FileProblem(f"{name}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise FileProblem(f"{name}: larger than {MAX_BYTES} bytes", action="give one message")
    return data
