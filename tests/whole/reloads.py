"""Reloading the daemon of a test: the file is written anew, and the daemon asked for what it made of it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from edge.tools.ask import answers
from tests.support.window import WindowUnderTest


def reload(window: WindowUnderTest) -> dict[str, Any]:
    """Write the configuration as it is now, let the daemon reload it, and return what became of it."""
    window.write_config()
    return next(answers(str(window.folder / "run"), "reload"))


def ask_by_command(window: WindowUnderTest, *more: str) -> subprocess.CompletedProcess[str]:
    """Let the daemon reload what is on the disk, by ``hall-edge reload``."""
    command = [sys.executable, "-m", "edge", "reload", "--run", str(window.folder / "run"), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def change(window: WindowUnderTest, name: str, old: str, new: str) -> None:
    """Change the table of the device *name*; an empty *new* table takes it out."""
    number = next(n for n, table in enumerate(window._devices) if f'name = "{name}"' in table)  # noqa: SLF001
    table = window._devices.pop(number)  # noqa: SLF001
    assert old in table
    if new:
        window._devices.insert(number, table.replace(old, new))  # noqa: SLF001


def remove(window: WindowUnderTest, name: str) -> None:
    """Take the device *name* out of the configuration."""
    change(window, name, name, "")


def problems(window: WindowUnderTest) -> list[str]:
    """Return the codes of what is wrong, as ``hall-edge status`` says."""
    status = window.status()
    return [problem["code"] for problem in status["health"]["problems"]] if status else []
