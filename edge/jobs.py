"""A command under way: what a driver sees of it, and how it is cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from edge.errors import EdgeError, JobCancelled
from edge.events import Params
from edge.outbox import Row


class DeviceJob:
    """Implements ``edge.driver.Job``. *deadline* is on the monotonic clock; *progress* may be called in any thread."""

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
        self.beat: Callable[[], None] = lambda: None
        """Called at every check: the lane's proof that the driver is not hung."""
        self.wake: Callable[[], None] = lambda: None
        self._deadline = deadline
        self._progress = progress
        self._finished = finished
        self._cancelled = threading.Event()
        self._done = False

    def check(self) -> None:
        self.beat()
        if self._cancelled.is_set():
            raise JobCancelled("the job was cancelled", code="CMD-106")
        if self.remaining_s() <= 0:
            raise JobCancelled("the job's deadline passed", code="CMD-107")

    def remaining_s(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def report(self, text_code: str, step: int | None = None, of: int | None = None) -> None:
        self._progress(text_code, step, of)

    def cancel(self) -> None:
        """Ask the driver to stop; it does at its next check."""
        self._cancelled.set()
        self.wake()

    def finish(self, rows: Sequence[Row], error: EdgeError | None = None) -> None:
        """End the job, once; later calls do nothing."""
        if not self._done:
            self._done = True
            self._finished(rows, error)

    def __repr__(self) -> str:
        return f"<job {self.request_id} {self.command.command}>"


