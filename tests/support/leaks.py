"""What a test leaves behind fails it: threads, event loops, tasks, file descriptors, child processes.

Every test is compared with the moment before it; what is still ending gets ``SETTLE_S``. A test that failed
by itself is not reported a second time. Warnings, also from ``__del__``, are errors by pyproject.toml.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import socket
import stat
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

SETTLE_S = 2.0
PR_SET_CHILD_SUBREAPER = 36
HARMLESS_TARGETS = ("/dev/urandom", "/dev/random")  # CPython keeps one open, once it was needed
FAILED = pytest.StashKey[bool]()


def pytest_sessionstart() -> None:
    """Become the parent of orphans, so that a grandchild left behind is seen too."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    resource_tracker.ensure_running()  # multiprocessing's own child lives as long as we do


def pytest_collection_finish() -> None:
    """Hide what the imports made from the collector: a collection after every test is cheap then."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Hide also what a file's tests imported and cached, once they are done."""
    yield
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Note that a test failed: its traceback holds open what it used."""
    if call.when != "teardown" and call.excinfo is not None:
        item.stash[FAILED] = True


class LoopWatch(logging.Handler):
    """Remembers the event loops made during a test, and what asyncio complained about."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.loops: list[asyncio.AbstractEventLoop] = []
        self.complaints: list[str] = []
        self._make_loop = asyncio.new_event_loop

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._make_loop()
        self.loops.append(loop)
        return loop

    def emit(self, record: logging.LogRecord) -> None:
        self.complaints.append(f"asyncio: {record.getMessage().splitlines()[0]}")

    def leaks(self) -> list[str]:
        return [*self.complaints, *(_loop(loop) for loop in self.loops if not loop.is_closed())]


class Before:
    """What there was before a test, and what is new since."""

    def __init__(self) -> None:
        self.threads = set(threading.enumerate())
        self.targets = Counter(_descriptors().values())
        self.processes = _processes()

    def leaks(self) -> list[str]:
        return [*self._threads(), *self._descriptors(), *self._children()]

    def new_children(self) -> list[int]:
        return [pid for pid in _processes() - self.processes if _parent(pid) == os.getpid()]

    def _threads(self) -> Iterator[str]:
        for thread in threading.enumerate():
            if thread not in self.threads:
                yield f"thread {thread.name!r} (daemon={thread.daemon}) {_where(thread)}"

    def _descriptors(self) -> Iterator[str]:
        left = self.targets.copy()
        for fd, target in _descriptors().items():
            left[target] -= 1
            if left[target] < 0:
                yield f"file descriptor {fd}: {target}{_peer(fd)}"

    def _children(self) -> Iterator[str]:
        for pid in self.new_children():
            if not _reap(pid):
                yield f"child process {pid}: {_command(pid)}"


def find_leaks(before: Before, watch: LoopWatch) -> list[str]:
    """Return what the test left, after a short time for what is still ending."""
    end = time.monotonic() + SETTLE_S
    while True:
        gc.collect()
        leaks = [*before.leaks(), *watch.leaks()]
        if not leaks or time.monotonic() > end:
            return leaks
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    before, watch = Before(), LoopWatch()
    logger = logging.getLogger("asyncio")
    logger.addHandler(watch)
    with pytest.MonkeyPatch.context() as patch:
        for module in (asyncio, asyncio.events):
            patch.setattr(module, "new_event_loop", watch.new_event_loop)
        yield
    failed = request.node.stash.get(FAILED, False)
    leaks = [] if failed else find_leaks(before, watch)
    logger.removeHandler(watch)
    _clean_up(before, watch)
    if leaks:
        pytest.fail("the test left behind:\n  " + "\n  ".join(leaks), pytrace=False)


def _clean_up(before: Before, watch: LoopWatch) -> None:
    """End what would disturb the next tests."""
    for pid in before.new_children():
        os.kill(pid, signal.SIGKILL)
    for loop in watch.loops:
        if not loop.is_running():
            loop.close()


def _descriptors() -> dict[int, str]:
    """Return our open descriptors and what they lead to."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue  # the one that listed the folder
        if target not in HARMLESS_TARGETS:
            found[int(entry.name)] = target
    return found


def _peer(fd: int) -> str:
    """Return the two ends of a socket, for the message."""
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return ""
        with socket.socket(fileno=os.dup(fd)) as copy:
            return f" {copy.family.name} at {copy.getsockname()!r}"
    except OSError:
        return ""


def _processes() -> set[int]:
    """Return the ids of everybody's processes: cheap, and only new ones need a closer look."""
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208  for speed


def _parent(pid: int) -> int | None:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(after_name.split()[1])


def _reap(pid: int) -> bool:
    """Return whether the child has ended. A forgotten Popen still complains by its ResourceWarning."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _command(pid: int) -> str:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return "(ended)"
    return line.replace(b"\0", b" ").decode(errors="replace").strip()


def _loop(loop: asyncio.AbstractEventLoop) -> str:
    tasks = ", ".join(repr(task.get_coro()) for task in asyncio.all_tasks(loop))
    return f"event loop not closed: {loop!r}, tasks: {tasks or 'none'}"


def _where(thread: threading.Thread) -> str:
    """Return the line where a thread is now."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001  documented, in spite of its name
    return f"at {frame.f_code.co_filename}:{frame.f_lineno}" if frame else "(ended)"
