"""A command or a self-test under way: what a driver sees of it, and how it is cancelled."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec

from edge.driver import Driver, Finding
from edge.errors import EdgeError, JobCancelled
from edge.events import Params, Payload
from edge.selftest.model import Level

if TYPE_CHECKING:
    from edge.store.outbox import Row  # a driver's process has no outbox

_TEXT_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_CODE = re.compile(r"[A-Z]{3}-[0-9]{3}", re.ASCII)


class DeviceJob:
    """Implements ``edge.driver.Job``. *deadline* is on the monotonic clock; *progress* may be called in any thread."""

    gives_way: ClassVar[bool] = False
    """Whether every other job goes before it, also when it has begun."""

    def __init__(
        self,
        request_id: str,
        command: Params,
        deadline: float,
        *,
        case: str | None = None,
        progress: Callable[[str, int | None, int | None], None] = lambda *_step: None,
        finished: Callable[[Sequence[Row], EdgeError | None], None] = lambda *_end: None,
    ) -> None:
        self.request_id = request_id
        self.command = command
        self.case = case
        self.rows: list[Row] = []
        """The events it has led to so far."""
        self.gave_way = False
        """Whether it was cancelled for another job that goes first."""
        self.beat: Callable[[], None] = lambda: None
        """Called at every check: the lane's proof that the driver is not hung."""
        self.wake: Callable[[], None] = lambda: None
        self.leave: Callable[[], None] = lambda: None
        """Called when it ends: it need not wait in the lane any more."""
        self._deadline = deadline
        self._progress = progress
        self._finished = finished
        self._cancelled = threading.Event()
        self._state = threading.Lock()
        self._begun = self._done = False

    def do(self, driver: Driver) -> Iterable[Payload]:
        """Have *driver* do it; return the events that come of it."""
        return driver.execute(self.command, self)

    def begin(self) -> bool:
        """Return whether the driver may begin: it may not when the job has ended before."""
        with self._state:
            self._begun = not self._done
            return self._begun

    def check(self) -> None:
        self.beat()
        if (end := self._wanted_end()) is not None:
            raise end

    def remaining_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def report(self, text_code: str, step: int | None = None, of: int | None = None) -> None:
        if not _TEXT_CODE.fullmatch(text_code):
            raise ValueError("a progress is told by a code, not by a text")
        if not self._done:
            self._progress(text_code, step, of)

    def cancel(self) -> None:
        """Ask the driver to stop; it does at its next check. A job that has not begun ends at once."""
        self._cancelled.set()
        self.look()
        self.wake()

    def give_way(self) -> None:
        """Cancel it, for another job goes first."""
        self.gave_way = True
        self.cancel()

    def look(self) -> None:
        """End the job if it has not begun and was cancelled or is too late."""
        with self._state:
            end = None if self._begun else self._wanted_end()
        if end is not None:
            self.finish(end)

    def finish(self, error: EdgeError | None = None) -> None:
        """End the job, once; later calls do nothing. Any thread."""
        with self._state:
            done, self._done = self._done, True
        if not done:
            self.leave()
            self._finished(tuple(self.rows), error)

    def _wanted_end(self) -> JobCancelled | None:
        if self._cancelled.is_set():
            return JobCancelled("the job was cancelled", code="CMD-106")
        if self.remaining_s() <= 0:
            return JobCancelled("the job's deadline passed", code="CMD-107")
        return None

    def __repr__(self) -> str:
        return f"<job {self.request_id} {self.command.command}>"


class SelftestJob(DeviceJob):
    """A device's self-test: it gives way to every command, leads to no event, and does not make the device busy."""

    gives_way = True

    def __init__(
        self,
        level: Level,
        deadline: float,
        *,
        ask: Callable[[str], None] = lambda _code: None,
        finished: Callable[[EdgeError | None], None] = lambda _end: None,
    ) -> None:
        """*ask* is called with the code of what a person is to do now, in any thread."""

        def progress(text_code: str, _step: int | None, _of: int | None) -> None:
            if _CODE.fullmatch(text_code):  # else it is how a command gets on that is tried
                ask(text_code)

        request_id = str(uuid.uuid4())
        super().__init__(request_id, Params(), deadline, progress=progress, finished=lambda _rows, end: finished(end))
        self.level = level
        self.findings: list[Finding] = []
        """What was found so far."""

    def do(self, driver: Driver) -> Iterable[Payload]:
        """Raises ``msgspec.ValidationError`` for a finding that is none: a driver's bug."""
        for finding in driver.selftest(self.level, self):
            self.beat()
            self.findings.append(msgspec.convert(msgspec.to_builtins(finding), Finding))
        return ()

    def __repr__(self) -> str:
        return f"<self-test {self.level}>"
