"""What the host does to a daemon: sets its clock, takes its processor, its handles, its permission."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.window import WindowUnderTest

GUN = ("code_serial", 'content = "public"')
YEAR_S = 365.25 * 86_400
SIGN = "little" if sys.byteorder == "little" else "big"


class Clock:
    """The wall clock that a daemon and its processes see; everybody else's goes on as ever."""

    def __init__(self, library: Path, file: Path) -> None:
        self._library, self._file = library, file
        self.offset_s = 0.0
        file.write_bytes(bytes(8))

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "CLOCK_SHIM": str(self._file)}

    def set(self, offset_s: float) -> None:
        """Let it be so many seconds ahead of the true time from now on."""
        self.offset_s = offset_s
        with self._file.open("r+b", buffering=0) as file:
            file.write(int(offset_s * 1e9).to_bytes(8, sys.byteorder, signed=True))

    def set_to(self, unix_s: float) -> None:
        """Let it say *unix_s* now, and go on from there."""
        self.set(unix_s - time.time())

    def now(self) -> float:
        return time.time() + self.offset_s


def start(window: WindowUnderTest, environment: Mapping[str, str], *, ready: bool = True) -> None:
    """Start the daemon with more in its environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        window.start(ready=False)
    if ready:
        window.wait_ready()


@contextmanager
def starved(pid: int, hungry: int = 3) -> Iterator[None]:
    """Let a process and its children share one processor with *hungry* loops of a far higher priority."""
    cores = os.sched_getaffinity(0)
    one = {min(cores)}
    tasks = [int(task) for task in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208
    loops: list[subprocess.Popen[bytes]] = []
    for task in tasks:
        os.sched_setaffinity(task, one)
        os.setpriority(os.PRIO_PROCESS, task, 19)
    try:
        for _ in range(hungry):
            loops.append(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            os.sched_setaffinity(loops[-1].pid, one)
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
        for task in tasks:
            try:
                os.sched_setaffinity(task, cores)
            except ProcessLookupError:  # that thread has ended meanwhile
                continue
