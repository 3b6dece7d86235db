"""What a tool works on: a file, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from edge.errors import EdgeError

MAX_BYTES = 1 << 20


class FileProblem(EdgeError):
    """A file cannot be read, written or used."""

    default_code = "SEC-111"
    default_action = "check the path, its folder and its rights"


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
