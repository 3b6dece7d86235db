"""A network between two programs that can be slow, cut, reset, or take everything and pass on nothing."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Self

HOST = "127.0.0.1"
_CHUNK = 16_384
_MOST_WAITING = 1 << 20
_STEP_S = 0.01


class Way:
    """One direction of one connection: what was read, with the moment at which it may go on."""

    def __init__(self, source: socket.socket, target: socket.socket) -> None:
        self.source, self.target = source, target
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.size = 0
        self.ended = False
        self.passed = 0
        self.free_at = 0.0

    def read(self, due: float) -> None:
        try:
            data = self.source.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.ended = self.ended or not data
        self.waiting.append((due, data))
        self.size += len(data)

    def write(self, now: float, bytes_per_s: float | None) -> None:
        """Pass on what is due, an end of the connection included."""
        while self.waiting and self.waiting[0][0] <= now and self.free_at <= now:
            due, data = self.waiting.popleft()
            try:
                sent = _pass_on(self.target, data)
            except BlockingIOError:
                sent = 0
            except OSError:
                sent = len(data)  # the other side is gone: its own direction says so
            self.size -= sent
            self.passed += sent
            if bytes_per_s:
                self.free_at = max(self.free_at, now - _STEP_S) + sent / bytes_per_s
            if sent < len(data):
                self.waiting.appendleft((due, data[sent:]))
                return


class Proxy:
    """Listens on ``port`` and connects whoever comes to *target*; a context manager, in one thread."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay_s = 0.0
        """For each direction."""
        self.bytes_per_s: float | None = None
        """For each direction of each connection."""
        self.black_hole = False
        """Everything sent is taken and lost; who connects meets nobody, and is not told."""
        self.accepted = 0
        self._ways: list[Way] = []
        self._listener: socket.socket | None = None
        self.port = 0
        self._tasks: deque[tuple[Callable[[], None], threading.Event]] = deque()
        self._closing = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._listen()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)

    def cut(self) -> None:
        """End all connections in order (FIN)."""
        self._do(lambda: self._end_all(linger=False))

    def reset(self) -> None:
        """End all connections with RST."""
        self._do(lambda: self._end_all(linger=True))

    def vanish(self) -> None:
        """Lose the far ends without telling the near ones: half-open connections."""

        def work() -> None:
            for way in self._ways[1::2]:  # from the target's side
                with contextlib.suppress(OSError):
                    way.source.shutdown(socket.SHUT_RDWR)
            self.black_hole = True

        self._do(work)

    def refuse(self) -> None:
        """End all connections and refuse new ones."""

        def work() -> None:
            self._end_all(linger=True)
            if self._listener is not None:
                self._listener.close()
                self._listener = None

        self._do(work)

    def allow(self) -> None:
        """Accept connections again, and pass everything on."""

        def work() -> None:
            self.black_hole = False
            self._listen()

        self._do(work)

    @property
    def passed(self) -> int:
        """The bytes passed on, in both directions, of connections that are there."""
        return sum(way.passed for way in list(self._ways))

    # -- the proxy's thread -------------------------------------------------------------------------

    def _do(self, work: Callable[[], None]) -> None:
        done = threading.Event()
        self._tasks.append((work, done))
        os.eventfd_write(self._wake, 1)
        assert done.wait(10), "the proxy does not answer"

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server((HOST, self.port))
            self._listener.setblocking(False)
            self.port = self._listener.getsockname()[1]

    def _run(self) -> None:
        while not self._closing:
            self._wait()
            while self._tasks:
                work, done = self._tasks.popleft()
                work()
                done.set()
            self._accept()
            now = time.monotonic()
            for way in list(self._ways):
                if not way.ended and way.size < _MOST_WAITING:
                    way.read(now + self.delay_s)
                if self.black_hole:
                    way.waiting.clear()
                    way.size = 0
                way.write(now, self.bytes_per_s)
            self._sweep()
        self._end_all(linger=True)
        if self._listener is not None:
            self._listener.close()

    def _wait(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            if self._listener is not None:
                selector.register(self._listener, selectors.EVENT_READ)
            for way in self._ways:
                if not way.ended and way.size < _MOST_WAITING:
                    selector.register(way.source, selectors.EVENT_READ)
            ready = selector.select(_STEP_S if any(way.waiting for way in self._ways) else 1.0)
            if any(key.fileobj == self._wake for key, _ in ready):
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            if self._listener is None:
                return
            near, _ = self._listener.accept()
            self.accepted += 1
            try:
                far = socket.create_connection((HOST, self.target))
            except OSError:
                _abort(near)
                return
            for sock in (near, far):
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._ways += [Way(near, far), Way(far, near)]

    def _sweep(self) -> None:
        """Forget connections that have ended in both directions."""
        for there, back in zip(self._ways[::2], self._ways[1::2], strict=True):
            if there.ended and back.ended and not there.waiting and not back.waiting and not self.black_hole:
                there.source.close()
                back.source.close()
                self._ways = [way for way in self._ways if way not in (there, back)]

    def _end_all(self, *, linger: bool) -> None:
        for way in self._ways:
            if linger:
                _abort(way.source)
            else:
                way.source.close()
        self._ways.clear()


def _pass_on(target: socket.socket, data: bytes) -> int:
    """Send *data*, or the end of the connection; return how much was sent."""
    if data:
        return target.send(data)
    target.shutdown(socket.SHUT_WR)
    return 0


def _abort(sock: socket.socket) -> None:
    """Close a connection with RST."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
