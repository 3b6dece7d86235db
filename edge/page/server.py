"""The sockets of the status page. In the event loop, with bounds on everything; it can only read.

So many connections are accepted a second, so many are open at once (the oldest is given up for a new one), each for
so long: whoever floods the page gets nothing of the loop that a device needs. What the page says is made at most
twice a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol

from edge import logs
from edge.config.tables import Page
from edge.control import crowded
from edge.errors import EdgeError
from edge.page import http
from edge.problems import problem
from edge.reload import in_thread
from edge.wire import HealthProblem

ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
MOST_CALLS = 16
CALL_S = 5.0
"""So long a conversation may take."""
_PACE_S = 0.01  # so long after one connection the next is accepted
_FRESH_S = 0.5
_RETRY_S = 10.0
_NO_HANDLE_S = 1.0
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_BACKLOG = 32
_LINGER_BYTES = 65_536  # of what a refused caller still sends, so that it reads our answer
_CHUNK = 4096
_log = logs.get("page")


class Noticeboard(Protocol):
    """Where it is told that there is no page; see ``edge.problems.Problems``."""

    page: tuple[HealthProblem, ...]


class StatusPage:
    """Serves the page while :meth:`run` runs."""

    def __init__(
        self, table: Page, snapshot: Callable[[], Awaitable[dict[str, Any]]], board: Noticeboard | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._table, self._snapshot, self._board, self._clock = table, snapshot, board, clock
        self._changed = asyncio.Event()
        self._calls: dict[asyncio.Task[None], None] = {}  # in the order of their coming
        self._failed: dict[str, str] = {}
        self._files = http.static()
        self._making = asyncio.Lock()
        self._status, self._made_at = http.json(b""), float("-inf")

    def renew(self, table: Page) -> None:
        """Serve it as *table* says from now on."""
        self._table = table
        self._changed.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            self._changed.clear()
            table, tasks = self._table, []
            for family, address in ADDRESSES if table.enabled else ():
                tasks.append(asyncio.create_task(self._serve(family, address, table.port), name=f"page {address}"))
                tasks[-1].add_done_callback(_tell_bug)
            try:
                while self._table == table:
                    await self._changed.wait()
                    self._changed.clear()
            finally:
                await _end(*tasks, *self._calls)
                self._failed.clear()
                self._tell(table.port)

    async def _serve(self, family: socket.AddressFamily, address: str, port: int) -> None:
        """Listen at *address*, and go on trying while that is not possible."""
        while True:
            try:
                listener = _listener(family, address, port)
            except OSError as error:
                if family == socket.AF_INET6 and error.errno in _NO_IPV6:
                    return
                self._failed[address] = error.strerror or str(error)
                self._tell(port)
                await asyncio.sleep(_RETRY_S)
                continue
            self._failed.pop(address, None)
            self._tell(port)
            with listener:
                await self._accept(listener, port)

    def _tell(self, port: int) -> None:
        """Put on the board whether something is in the way, and log it when it begins."""
        found = tuple(problem("SYS-165", port=port, reason=reason) for reason in sorted(set(self._failed.values())))[:1]
        if self._board is not None:
            before, self._board.page = self._board.page, found
            if found and found != before:
                _log.warning(found[0].message, extra={"fields": {"code": found[0].code, "action": found[0].action}})

    async def _accept(self, listener: socket.socket, port: int) -> None:
        while True:
            await _knock(listener)
            try:
                caller, _ = listener.accept()
            except BlockingIOError:  # it has left already
                continue
            except OSError:  # out of handles
                await asyncio.sleep(_NO_HANDLE_S)
                continue
            if crowded(caller):
                caller.close()
                continue
            if len(self._calls) >= MOST_CALLS:
                next(iter(self._calls)).cancel()
            caller.setblocking(False)
            call = asyncio.create_task(self._converse(caller, port), name="page call")
            self._calls[call] = None
            call.add_done_callback(self._called)
            await asyncio.sleep(_PACE_S)

    def _called(self, call: asyncio.Task[None]) -> None:
        del self._calls[call]
        _tell_bug(call)

    async def _converse(self, caller: socket.socket, port: int) -> None:
        """Answer one request."""
        loop = asyncio.get_running_loop()
        with caller, contextlib.suppress(OSError, TimeoutError):  # it left, or is too slow
            async with asyncio.timeout(CALL_S):
                try:
                    if not (head := await _head(caller)):
                        return
                    asked = http.read(head, port)
                    answer, with_body = await self._answer(asked.path), asked.with_body
                except http.Refused as refused:
                    answer, with_body = refused.answer, True
                await loop.sock_sendall(caller, answer.lines(with_body=with_body))
                caller.shutdown(socket.SHUT_WR)
                left = _LINGER_BYTES
                while left > 0 and (more := await loop.sock_recv(caller, _CHUNK)):
                    left -= len(more)

    async def _answer(self, path: str) -> http.Answer:
        if path != http.STATUS:
            return self._files[path]
        async with self._making:
            if self._clock() - self._made_at > _FRESH_S:
                try:
                    now = await self._snapshot()
                    body = await in_thread("page", lambda: _encoded(now))  # a code's words may have to be looked for
                except (OSError, EdgeError) as error:
                    why = f"the daemon cannot tell its state: {error}"
                    raise http.Refused(HTTPStatus.SERVICE_UNAVAILABLE, why) from error
                self._status, self._made_at = http.json(body), self._clock()
            return self._status


def _encoded(now: dict[str, Any]) -> bytes:
    from edge.page.said import encoded  # the catalogue is loaded when somebody looks

    return encoded(now)


async def _knock(listener: socket.socket) -> None:
    """Wait until somebody calls. (``sock_accept`` of 3.11 loses a caller that comes while it is cancelled.)"""
    loop = asyncio.get_running_loop()
    knocked = asyncio.Event()
    loop.add_reader(listener, knocked.set)
    try:
        await knocked.wait()
    finally:
        loop.remove_reader(listener)


async def _head(caller: socket.socket) -> bytes:
    """Return the head of a request; nothing when the caller leaves before its end. Raises ``http.Refused``."""
    loop = asyncio.get_running_loop()
    head = b""
    while http.END not in head:
        if len(head) > http.HEAD_BYTES:
            raise http.Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "this request is too long")
        part = await loop.sock_recv(caller, _CHUNK)
        if not part:
            return b""
        head += part
    return head[: head.index(http.END) + len(http.END)]


def _listener(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else what just left keeps the port
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _tell_bug(task: asyncio.Task[None]) -> None:
    """Log what should not happen. The devices do not depend on the page: the daemon goes on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a bug in the status page", exc_info=error)
