"""What systemd does for driver's processes, without systemd: its own program that starts one for each connection."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edge.lanes.spawn import ALONE, CONNECTED
from tests.support.project import ROOT
from tests.support.wait import wait_until

ACTIVATE = shutil.which("systemd-socket-activate") or "systemd-socket-activate"


Wrap = Callable[[str, list[str]], list[str]]
"""Makes a command of a unit's name and of the command that is to run in it."""


@contextmanager
def driver_units(folder: Path, wrap: Wrap = lambda _, command: command) -> Iterator[Path]:
    """Serve both sockets of driver units in *folder* while the context lasts."""
    with ExitStack() as stack:
        for name in (ALONE, CONNECTED):
            stack.enter_context(_activated(folder / name, f"UNIT={name}", wrap))
        yield folder


@contextmanager
def _activated(path: Path, mark: str, wrap: Wrap) -> Iterator[None]:
    """Start an instance for each connection to *path*, with *mark* in its environment, in a group of their own."""
    given = [f"--setenv={one}" for one in (f"PYTHONPATH={ROOT}", mark, "PATH", "LANG")]
    command = [ACTIVATE, "--seqpacket", "--accept", f"--listen={path}", *given]
    worker = wrap(path.stem, [sys.executable, "-P", "-m", "edge.lanes.worker"])
    with subprocess.Popen([*command, *worker], stderr=subprocess.DEVNULL, cwd="/", start_new_session=True) as process:
        try:
            wait_until(path.exists, what=f"{ACTIVATE} listens at {path}")
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
