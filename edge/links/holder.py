"""Who has a device node open, for messages that name the program to close."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def holder_of(path: str) -> str | None:
    """Return ``"name (pid n)"`` of a program that has *path* open, as far as we may look; else ``None``."""
    wanted = os.path.realpath(path)
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            if any(os.path.realpath(fd) == wanted for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return None


def action_against(holder: str | None) -> str:
    """Return what to do about a device that *holder* has."""
    return f"close {holder}" if holder else "close the other program (lsof names it)"
