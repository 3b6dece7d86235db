"""Asks the daemon for its snapshot once a second, in a thread: a daemon that hangs never hangs the screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from edge.errors import EdgeError
from edge.tools.ask import answers

POLL_S = 1.0
STALE_S = 10.0


class Seen(NamedTuple):
    """What is known now: the last snapshot, how old it is, and why the daemon does not answer, if it does not."""

    snapshot: dict[str, Any] | None
    age_s: float
    refused: EdgeError | None

    @property
    def stale(self) -> bool:
        """Whether the snapshot is too old to be believed."""
        return self.age_s > STALE_S


class Polled:
    """The daemon in *run_dir*; iterating yields every second, at every answer, and after :meth:`wake`."""

    def __init__(self, run_dir: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._run_dir, self._clock = run_dir, clock
        self._queue: SimpleQueue[dict[str, Any] | EdgeError | None] = SimpleQueue()  # may be put into by a signal
        self._end = threading.Event()

    def __iter__(self) -> Iterator[Seen]:
        threading.Thread(target=self._ask, name="ask", daemon=True).start()
        snapshot, refused, at = None, None, self._clock()
        try:
            while True:
                try:
                    heard = self._queue.get(timeout=POLL_S)
                except Empty:
                    heard = None
                if isinstance(heard, EdgeError):
                    refused = heard
                elif heard is not None:
                    snapshot, refused, at = heard, None, self._clock()
                if snapshot is not None or refused is not None:
                    yield Seen(snapshot, self._clock() - at, refused)
        finally:
            self._end.set()

    def wake(self, *_: object) -> None:
        """Let the next look come now; as a signal's handler too."""
        self._queue.put(None)

    def _ask(self) -> None:
        while not self._end.is_set():
            try:
                self._queue.put(next(answers(self._run_dir, "status")))
            except EdgeError as error:
                self._queue.put(error)
            except (OSError, ValueError, StopIteration):  # it ended in the middle of its answer
                self._queue.put(EdgeError("the daemon broke off its answer", code="SYS-103"))
            self._end.wait(POLL_S)
