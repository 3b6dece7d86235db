"""The control socket: how ``hall-edge status``, ``watch`` and ``reload`` ask the running daemon. A unix socket.

One JSON request a line, ``{"verb": "status"}``; one JSON answer a line (``watch`` goes on until the caller
leaves). Nothing can be changed here: ``reload`` only asks for the file that root has written to be read. Who asks
is known from the kernel (``SO_PEERCRED``): root, the daemon's own user, and members of the socket's group may.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from edge.errors import EdgeError

_MAX_LINE = 4096
_MAX_CALLERS = 32
_BACKLOG = 8  # so many callers are accepted at once
_RESERVED_FDS = 16  # for devices, the store and the broker: callers are the first that are turned away
_LINE_S = 5.0  # so long a caller may take for its line, or for reading ours
_WATCH_S = 0.5
_SO_PEERGROUPS, _MOST_GROUPS = 59, 256  # socket(7), not in Python's module; more groups: the caller is refused

Answer = Callable[[], Awaitable[dict[str, Any]]]
Stream = Callable[[dict[str, Any], asyncio.Event], AsyncIterator[dict[str, Any]]]
"""Answers a request line by line; the event is set when the caller says anything more, or leaves."""


class Control:
    """Serves the socket at *path*."""

    def __init__(
        self, path: Path, snapshot: Answer, reload: Answer | None = None, streams: Mapping[str, Stream] | None = None
    ) -> None:
        self.path = path
        self._snapshot, self._reload = snapshot, reload
        self._streams = streams or {}
        """What is answered in many lines, by its verb."""
        self._server: asyncio.Server | None = None
        self._callers: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to listen; a socket file left by a killed daemon is replaced (the store's lock is ours).

        It gets its name when it listens: whoever waits for the name is never refused.
        """
        new = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._server = await asyncio.start_unix_server(self._called, new, limit=_MAX_LINE, backlog=_BACKLOG)
            new.chmod(0o660)
            new.replace(self.path)
        except OSError as error:
            why = error.strerror or str(error)
            raise EdgeError(
                f"{self.path} cannot be made ({why})", code="SYS-107", action="check [paths] run"
            ) from error

    async def stop(self) -> None:
        """End all conversations and remove the socket."""
        if self._server is not None:
            self._server.close()
        for task in list(self._callers):
            task.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        with contextlib.suppress(OSError):
            self.path.unlink()

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._callers) >= _MAX_CALLERS or crowded(writer.get_extra_info("socket")):
            writer.transport.abort()
            return
        self._callers.add(task)
        task.add_done_callback(self._callers.discard)
        try:
            await self._converse(reader, writer)
        except EdgeError as error:
            writer.write(_line({"error": {"code": error.code, "message": error.message, "action": error.action}}))
        except (OSError, ValueError, TimeoutError):
            pass  # the caller left, or sent no line of ours
        except asyncio.CancelledError:  # ends here: on 3.11 asyncio complains of a cancelled conversation
            writer.transport.abort()  # the daemon ends: it does not wait for a slow reader
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = _asked(await asyncio.wait_for(reader.readline(), _LINE_S))  # first: who is cut off reads no answer
        verb = str(asked.get("verb", ""))
        if not may_ask(writer.get_extra_info("socket"), self.path):
            await _say(writer, {"error": {"code": "SYS-104", "message": "this user may not ask the daemon"}})
        elif verb == "status":
            await _say(writer, await self._snapshot())
        elif verb == "reload" and self._reload is not None:
            await _say(writer, await self._reload())
        elif verb in self._streams:
            await _told(self._streams[verb], asked, reader, writer)
        elif verb == "watch":
            last: dict[str, Any] = {}
            while True:
                now = await self._snapshot()
                if now != last:
                    await _say(writer, now)
                    last = now
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), _WATCH_S)
                    break  # whatever the caller says now, or that it leaves, ends it
        else:
            known = ", ".join(sorted({"reload", "status", "watch", *self._streams}))
            await _say(writer, {"error": {"code": "SYS-105", "message": f"unknown verb; known: {known}"}})


def crowded(caller: socket.socket) -> bool:
    """Return whether the caller's descriptor, the lowest that was free, is one of the last that we may have."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = limit if limit != resource.RLIM_INFINITY else 1 << 30
    return caller.fileno() >= most - _RESERVED_FDS


def _asked(line: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(line)
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) else {}


async def _told(
    stream: Stream, asked: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Say all that *stream* has to say; the caller ends it with a word, or by leaving."""
    gone = asyncio.Event()
    more = asyncio.ensure_future(reader.read(1))
    more.add_done_callback(lambda _: gone.set())
    answers = stream(asked, gone)
    try:
        async for answer in answers:
            await _say(writer, answer)
    finally:
        more.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await more
        if isinstance(answers, AsyncGenerator):
            await answers.aclose()


async def _say(writer: asyncio.StreamWriter, body: dict[str, Any]) -> None:
    writer.write(_line(body))
    await asyncio.wait_for(writer.drain(), _LINE_S)


def _line(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode() + b"\n"


def may_ask(peer: socket.socket, path: Path) -> bool:
    """Return whether the process at the other end may use the socket at *path*.

    Its groups are asked of the kernel, not of ``/etc/group``: in a unit with ``PrivateUsers=`` others have no names.
    """
    size = struct.calcsize("3i")
    _, uid, gid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if uid in (0, os.geteuid()):
        return True
    more = peer.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUPS * struct.calcsize("I"))
    return path.stat().st_gid in (gid, *struct.unpack(f"{len(more) // struct.calcsize('I')}I", more))
