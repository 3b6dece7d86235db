"""The control socket: who may ask, and whatever a caller does, the daemon stays."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge import control
from edge.control import Control
from edge.errors import EdgeError, StoreError
from tests.core.store_rig import child
from tests.support.wait import wait_until_async

NOBODY = 65534
ASK = """
import json, os, socket, sys
caller = socket.socket(socket.AF_UNIX)
os.setgroups([int(group) for group in sys.argv[4:]])
os.setgid(int(sys.argv[3]))
os.setuid(int(sys.argv[2]))
try:
    caller.connect(sys.argv[1])
    caller.sendall(b'{"verb": "status"}\\n')
    print(caller.makefile().readline())
except PermissionError:
    print('"refused by the kernel"')
finally:
    caller.close()
"""


class Daemon:
    """The socket with what it shows."""

    def __init__(self, folder: Path) -> None:
        self.shown: dict[str, Any] = {"state": 1, "name": "张三"}
        self.error: Exception | None = None
        self.asked = 0
        self.control = Control(folder / "run" / "control.sock", self._snapshot)

    async def _snapshot(self) -> dict[str, Any]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return dict(self.shown)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may enter, as /run is."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Daemon]:
    daemon = Daemon(folder)
    await daemon.control.start()
    try:
        yield daemon
    finally:
        await daemon.control.stop()


@asynccontextmanager
async def calling(daemon: Daemon) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(daemon.control.path)
    try:
        yield reader, writer
    finally:
        writer.close()


async def said(daemon: Daemon, line: bytes) -> bytes:
    """Return all that the daemon answers to *line*."""
    async with calling(daemon) as (reader, writer):
        writer.write(line)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 5)


# --- answers -------------------------------------------------------------------------------------


async def test_status_is_one_line_of_json(folder: Path) -> None:
    async with serving(folder) as daemon:
        answer = await said(daemon, b'{"verb": "status"}\n')
        assert answer.endswith(b"\n")
        assert json.loads(answer) == daemon.shown


async def test_watch_tells_changes_until_the_caller_leaves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_WATCH_S", 0.01)
    async with serving(folder) as daemon:
        async with calling(daemon) as (reader, writer):
            writer.write(b'{"verb": "watch"}\n')
            for state in range(5):
                assert json.loads(await asyncio.wait_for(reader.readline(), 5))["state"] == daemon.shown["state"]
                daemon.shown["state"] = state + 10
            await asyncio.wait_for(reader.readline(), 5)
            asked = daemon.asked
            await wait_until_async(lambda: daemon.asked > asked + 3)
            writer.write_eof()
            assert await asyncio.wait_for(reader.read(), 5) == b""  # nothing changed, so nothing more was told
        asked = daemon.asked
        assert json.loads(await said(daemon, b'{"verb": "status"}\n'))
        assert daemon.asked == asked + 1  # the watch has really ended


NO_VERB = (b"status\n", b'{"verb": "stop"}\n', b"{}\n", b"[]\n", b"null\n", b'{"verb": ["status"]}\n')


@pytest.mark.parametrize("line", [*NO_VERB, b"\xff\xfe\n", b"\n", b"["])
async def test_anything_else_is_refused(folder: Path, line: bytes) -> None:
    async with serving(folder) as daemon:
        assert json.loads(await said(daemon, line))["error"]["code"] == "SYS-105"
        assert daemon.asked == 0


async def test_a_failing_snapshot_is_told(folder: Path) -> None:
    async with serving(folder) as daemon:
        daemon.error = StoreError("the outbox is closed", code="STO-102")
        assert json.loads(await said(daemon, b'{"verb": "status"}\n'))["error"]["code"] == "STO-102"


# --- abuse ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [b"x" * 100_000, b"[" * 100_000 + b"\n", b'{"verb": "' + b"s" * 5000 + b'"}\n'])
async def test_a_huge_line_ends_the_conversation(folder: Path, line: bytes) -> None:
    async with serving(folder) as daemon:
        with suppress(ConnectionError):  # closed before all of it was written
            assert await said(daemon, line) == b""
        assert json.loads(await said(daemon, b'{"verb": "status"}\n'))


async def test_who_says_nothing_is_let_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_LINE_S", 0.05)
    async with serving(folder) as daemon, calling(daemon) as (reader, _):
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_who_reads_nothing_is_let_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_LINE_S", 0.1)
    monkeypatch.setattr(control, "_WATCH_S", 0.001)
    async with serving(folder) as daemon:
        daemon.shown["much"] = "x" * 200_000
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(daemon.control.path))
            caller.sendall(b'{"verb": "watch"}\n')
            await wait_until_async(lambda: daemon.asked > 0)
            asked = -1
            while asked != daemon.asked:  # until it is no longer asked for
                asked = daemon.asked
                daemon.shown["state"] = asked
                await asyncio.sleep(0.15)
        assert json.loads(await said(daemon, b'{"verb": "status"}\n'))


async def test_too_many_callers_are_turned_away_and_the_rest_stays(folder: Path) -> None:
    async with serving(folder) as daemon:
        idle = [socket.socket(socket.AF_UNIX) for _ in range(100)]
        for caller in idle:
            caller.setblocking(False)
            await wait_until_async(partial(connects, caller, daemon.control.path))  # only a few are let in at once
        await wait_until_async(lambda: sum(map(gone, idle)) == 100 - 32)
        for caller in idle:
            caller.close()

        async def answers() -> bytes:
            with suppress(ConnectionError):
                return await said(daemon, b'{"verb": "status"}\n')
            return b""

        answer: bytes = await wait_until_async(answers, what="there is room again")
        assert json.loads(answer) == daemon.shown


def connects(caller: socket.socket, path: Path) -> bool:
    """Return whether there is room for it in the queue."""
    try:
        caller.connect(str(path))
    except BlockingIOError:
        return False
    return True


def gone(caller: socket.socket) -> bool:
    """Return whether the other side has closed."""
    try:
        return caller.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


async def test_its_end_does_not_wait_for_a_slow_reader(folder: Path) -> None:
    async with serving(folder) as daemon:
        daemon.shown["much"] = "x" * 1_000_000
        caller = socket.socket(socket.AF_UNIX)
        caller.connect(str(daemon.control.path))
        caller.sendall(b'{"verb": "watch"}\n')
        await wait_until_async(lambda: daemon.asked)
        await asyncio.wait_for(daemon.control.stop(), 1)
        assert not daemon.control.path.exists()
        caller.close()


# --- the file and its users ----------------------------------------------------------------------


async def test_the_socket_is_for_its_owner_and_group(folder: Path) -> None:
    async with serving(folder) as daemon:
        mode = mode_of(daemon.control.path)
        assert stat.S_ISSOCK(mode)
        assert mode & 0o777 == 0o660


async def test_a_file_left_by_a_kill_is_replaced(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(made(folder / "run") / "control.sock"))
    async with serving(folder) as daemon:
        assert json.loads(await said(daemon, b'{"verb": "status"}\n'))


async def test_who_waits_for_the_name_is_never_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a socket's name and its listening lies a moment in which callers are refused."""
    named: list[bool] = []
    listen = socket.socket.listen

    def watched(self: socket.socket, backlog: int) -> None:
        named.append((folder / "run" / "control.sock").exists())
        listen(self, backlog)

    monkeypatch.setattr(socket.socket, "listen", watched)
    async with serving(folder) as daemon:
        assert named == [False]
        assert json.loads(await said(daemon, b'{"verb": "status"}\n'))
        assert os.listdir(folder / "run") == ["control.sock"]  # noqa: PTH208  a name is compared


async def test_a_folder_that_cannot_be_used_is_told(folder: Path) -> None:
    with pytest.raises(EdgeError, match="SYS-107"):
        await Daemon(folder / ("x" * 200)).control.start()


def mode_of(path: Path) -> int:
    return path.stat().st_mode


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def given_to(path: Path, group: int, mode: int) -> None:
    """Let users reach *path*, and its *group* use it."""
    path.parent.chmod(0o755)
    os.chown(path, 0, group)
    path.chmod(mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("user", "owner", "answer"),
    [
        ((0, 0), (0, 0o660), None),
        ((NOBODY, NOBODY), (0, 0o660), "the kernel"),
        ((NOBODY, NOBODY), (0, 0o666), "SYS-104"),
        ((NOBODY, 4), (4, 0o660), None),
    ],
)
async def test_other_users_are_refused(
    folder: Path, user: tuple[int, int], owner: tuple[int, int], answer: str | None
) -> None:
    async with serving(folder) as daemon:
        given_to(daemon.control.path, *owner)
        asking = child(ASK, daemon.control.path, *user)
        told, complaints = await asyncio.to_thread(asking.communicate, timeout=20)
        assert not complaints
        body = json.loads(told)
        assert answer in str(body) if answer else body == daemon.shown
