"""Children that cost a few milliseconds: forked from a process that has imported everything and has no threads."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from typing import Any

WELL, BADLY = 0, 70
LONGEST_S = 30.0
"""A child that takes longer hangs."""


def prepare() -> None:
    """Make forks cheap: a collection in a child would copy all that it shares with us."""
    gc.collect()
    gc.freeze()
    gc.disable()


class Pipe:
    """Marks that reach the parent at once, whatever happens to the child next."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def mark(self, what: str, **about: Any) -> None:
        os.write(self._handle, json.dumps({"what": what, **about}).encode() + b"\n")


class Fork:
    """A child that does *work*; what it marks is collected."""

    def __init__(self, work: Callable[[Pipe], None]) -> None:
        self._marks = b""
        self._out, into = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._out)
            self._work(work, Pipe(into))
        os.close(into)

    @staticmethod
    def _work(work: Callable[[Pipe], None], pipe: Pipe) -> None:
        try:
            work(pipe)
        except BaseException:  # noqa: BLE001  # a fork must not return into its parent's code
            traceback.print_exc()
            os._exit(BADLY)
        os._exit(WELL)

    def wait_marks(self, count: int) -> None:
        """Wait until it has marked so much, or has ended."""
        while self._marks.count(b"\n") < count and self._read(LONGEST_S):
            pass

    def go_on(self, seconds: float) -> None:
        """Let it go on for so long, or to its end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self._read(left):
            pass

    def kill(self) -> tuple[int, list[dict[str, Any]]]:
        """Kill it (-9), if it has not ended; return what :meth:`end` does."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        return self.end()

    def end(self) -> tuple[int, list[dict[str, Any]]]:
        """Wait for its end and return its exit code (as ``Popen`` does) and what it marked; kill it if it hangs."""
        end = time.monotonic() + LONGEST_S
        while self._read(end - time.monotonic()):
            pass
        if time.monotonic() > end:
            os.kill(self._pid, signal.SIGKILL)
        os.close(self._out)
        _, status = os.waitpid(self._pid, 0)
        whole = self._marks[: self._marks.rfind(b"\n") + 1]
        return os.waitstatus_to_exitcode(status), [json.loads(line) for line in whole.splitlines()]

    def _read(self, wait_s: float) -> bool:
        """Read on; return whether there may be more."""
        if not select.select([self._out], [], [], max(wait_s, 0))[0]:
            return False
        data = os.read(self._out, 1 << 16)
        self._marks += data
        return bool(data)
