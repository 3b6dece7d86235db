"""The one thread of a broker: its listener, its lines, its timers, and what others ask it to do."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from simulators.mqtt_broker_desk import Desk
from simulators.mqtt_broker_line import Line

T = TypeVar("T")
_LONGEST_WAIT_S = 0.25
_SLOW_STEP_S = 0.02


class Loop:
    """Moves bytes between sockets and the desk. Only ``start``, ``stop`` and ``do`` are for other threads."""

    def __init__(self, desk: Desk, host: str, port: int) -> None:
        self.port = port
        self.lines: set[Line] = set()
        self._desk, self._host = desk, host
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._tasks: deque[Callable[[], None]] = deque()
        self._wake = -1
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="mqtt-broker", daemon=True)

    def start(self) -> None:
        """Listen and serve; raises ``OSError``."""
        self.listen()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._thread.start()

    def stop(self) -> None:
        """End it, and every connection."""
        if self._thread.ident is None:
            self._selector.close()
        elif self._wake >= 0:  # open until here: the thread may see that it is to end before it is woken up
            self._closing = True
            os.eventfd_write(self._wake, 1)
            self._thread.join()
            os.close(self._wake)
            self._wake = -1

    def do(self, work: Callable[[], T]) -> T:
        """Do *work* in the broker's thread and give its result; an error it raises is raised here."""
        if threading.current_thread() is self._thread:
            return work()
        done = threading.Event()
        results: list[T] = []
        errors: list[Exception] = []

        def task() -> None:
            try:
                results.append(work())
            except Exception as error:  # noqa: BLE001  # the caller's, not the broker's
                errors.append(error)
            done.set()

        self._tasks.append(task)
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)
        while not done.wait(0.5):
            if not self._thread.is_alive():
                raise RuntimeError("the broker has ended")
        if errors:
            raise errors[0]
        return results[0]

    def later(self, after_s: float, work: Callable[[], None]) -> None:
        """Do *work* after so many seconds."""
        heapq.heappush(self._timers, (time.monotonic() + after_s, next(self._order), work))

    def listen(self) -> None:
        """Accept connections, on the same port as ever; nothing happens when it does already."""
        if self._listener is None:
            self._listener = socket.create_server((self._host, self.port), backlog=128)
            self._listener.setblocking(False)
            self.port = self._listener.getsockname()[1]
            self._selector.register(self._listener, selectors.EVENT_READ)

    def hang_up(self, *, will: bool) -> None:
        """Accept no more connections, and reset those there are."""
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
        for line in list(self.lines):
            line.reset()
            self._desk.gone(line, will=will)
        self._sweep()

    def _run(self) -> None:
        try:
            while not self._closing:
                self._turn()
        finally:
            self.hang_up(will=False)
            self._selector.close()

    def _turn(self) -> None:
        for key, events in self._selector.select(self._wait_s()):
            if isinstance(key.data, Line):
                self._serve(key.data, events)
            elif self._listener is not None and key.fileobj is self._listener:
                self._accept(self._listener)
            else:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)
        while self._tasks:
            self._tasks.popleft()()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()
        self._desk.tick(now)
        self._desk.deliver()
        self._sweep()

    def _wait_s(self) -> float:
        due_s = self._timers[0][0] - time.monotonic() if self._timers else _LONGEST_WAIT_S
        longest_s = _SLOW_STEP_S if self._desk.faults.bytes_per_s is not None else _LONGEST_WAIT_S
        return min(max(due_s, 0.0), longest_s)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            line = Line(sock, time.monotonic())
            self.lines.add(line)
            self._selector.register(sock, self._wanted(line), line)

    def _serve(self, line: Line, events: int) -> None:
        faults = self._desk.faults
        if events & selectors.EVENT_WRITE:
            line.flush()
        if events & selectors.EVENT_READ and not line.closed and not faults.deaf:
            still_open = line.read(time.monotonic(), faults.bytes_per_s)
            if not faults.frozen:
                self._desk.hear(line)
            if not still_open:
                self._desk.end(line)

    def _wanted(self, line: Line) -> int:
        faults = self._desk.faults
        full = faults.deaf or not line.may_read(time.monotonic(), faults.bytes_per_s)
        return (0 if full else selectors.EVENT_READ) | (selectors.EVENT_WRITE if line.waiting else 0)

    def _sweep(self) -> None:
        """Let go of closed lines, and watch each of the others for what it waits for."""
        for line in list(self.lines):
            registered = line.sock in self._selector.get_map()
            wanted = 0 if line.closed else self._wanted(line)
            if registered and not wanted:
                self._selector.unregister(line.sock)
            elif registered:
                self._selector.modify(line.sock, wanted, line)
            elif wanted:
                self._selector.register(line.sock, wanted, line)
            if line.closed:
                self.lines.discard(line)
                line.sock.close()
