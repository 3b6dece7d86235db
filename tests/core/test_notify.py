"""What systemd is told, without a daemon: by hand, never waiting, never failing."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.lanes.confine import environment
from edge.notify import Notifier, _spent, keep_alive, patiently, summary
from edge.problems import problem
from tests.support.systemd import NotifySocket
from tests.support.wait import wait_until, wait_until_async

NOW_S = 0.2  # what is never waited for takes less, on a busy PC, too


@pytest.fixture(params=["path", "abstract"])
def ear(request: pytest.FixtureRequest, short_path: Path) -> Iterator[NotifySocket]:
    address = f"{short_path}/notify" if request.param == "path" else f"@hall-edge-test-{os.getpid()}-{time.time_ns()}"
    with NotifySocket(address) as listening:
        yield listening


def words(ear: NotifySocket, count: int) -> list[dict[str, str]]:
    wait_until(lambda: len(ear.said) >= count)
    return [one.lines for one in ear.said]


def test_everything_is_said_once_and_in_order(ear: NotifySocket) -> None:
    notifier = Notifier(ear.environment(watchdog_s=20))
    before = time.monotonic_ns() // 1000
    notifier.more_time(30)
    notifier.ready("5 of 5\ndevices")
    notifier.status("5 of 5\ndevices")  # nothing new
    notifier.status("4 of 5 devices")
    notifier.alive()
    notifier.reloading()
    notifier.ready("again")
    notifier.stopping()
    notifier.close()
    said = words(ear, 7)
    stamp = int(said[4].pop("MONOTONIC_USEC"))
    assert before <= stamp <= time.monotonic_ns() // 1000
    assert said == [
        {"EXTEND_TIMEOUT_USEC": "30000000"},
        {"READY": "1", "STATUS": "5 of 5 devices"},
        {"STATUS": "4 of 5 devices"},
        {"WATCHDOG": "1"},
        {"RELOADING": "1"},
        {"READY": "1", "STATUS": "again"},
        {"STOPPING": "1", "STATUS": "it ends"},
    ]


def test_no_child_finds_what_would_let_it_speak_for_us(ear: NotifySocket) -> None:
    environ = {**ear.environment(watchdog_s=20), "WATCHDOG_PID": str(os.getpid()), "PATH": "/bin"}
    notifier = Notifier(environ)
    assert environ == {"PATH": "/bin"}
    named = {**ear.environment(watchdog_s=20), "WATCHDOG_PID": "1", "JOURNAL_STREAM": "1:2", "LANG": "C"}
    assert environment(named) == {"LANG": "C"}  # of a driver's process
    assert (notifier.active, notifier.watchdog_s) == (True, 20.0)
    notifier.close()


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
def test_whom_systemd_does_not_watch_feeds_nothing(ear: NotifySocket, more: dict[str, str]) -> None:
    notifier = Notifier({**ear.environment(), **more})
    notifier.alive()
    notifier.status("done")
    assert words(ear, 1) == [{"STATUS": "done"}]
    assert notifier.watchdog_s is None
    notifier.close()


@pytest.mark.parametrize(
    "address", ["", "@nobody-listens-here", "/nowhere/at/all", "vsock:2:1234", "@", "/" + "x" * 200]
)
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    notifier.ready("x")
    notifier.alive()
    notifier.stopping()
    notifier.close()
    notifier.close()
    notifier.alive()


def test_a_systemd_that_does_not_read_is_not_waited_for_and_learns_the_rest_later(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(f"{short_path}/deaf")
        notifier = Notifier({"NOTIFY_SOCKET": f"{short_path}/deaf", "WATCHDOG_USEC": "1000000"})
        began = time.monotonic()
        for _ in range(2000):  # far more than the kernel keeps
            notifier.alive()
        notifier.ready("at last")
        notifier.alive()
        assert time.monotonic() - began < 10 * NOW_S
        deaf.setblocking(False)
        heard = _everything(deaf)
        assert 0 < len(heard) < 2000
        assert b"READY" not in b"".join(heard)
        notifier.alive()
        assert _everything(deaf) == [b"READY=1\nSTATUS=at last", b"WATCHDOG=1"]
        notifier.close()


def _everything(deaf: socket.socket) -> list[bytes]:
    heard = []
    try:
        while True:
            heard.append(deaf.recv(4096))
    except BlockingIOError:
        return heard


def test_the_line_for_systemctl_names_codes_and_nothing_else() -> None:
    found = [problem("SYS-140"), problem("SYS-145"), problem("SYS-160", what="/etc/hall-edge/hall-edge.toml:3: x")]
    assert summary(["ready", "busy", "absent"], "up", 0) == "2 of 3 devices ready, broker up, 0 events wait"
    assert summary([], "down", 7, found) == "0 of 0 devices ready, broker down, 7 events wait; see to SYS-140, SYS-160"


# --- what takes long -----------------------------------------------------------------------------


async def test_more_time_is_asked_for_only_while_something_gets_on(
    ear: NotifySocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.notify._TICK_S", 0.02)
    spent, looks = [0], itertools.count()
    monkeypatch.setattr("edge.notify._spent", lambda: (next(looks), tuple(spent))[1])
    notifier = Notifier(ear.environment(watchdog_s=20))
    work: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(patiently(work, notifier, asyncio.Event()))
    await wait_until_async(lambda: next(looks) > 10)  # so often it was looked at a disk that hangs
    assert not ear.said
    spent[0] += 1
    await wait_until_async(lambda: ear.having("WATCHDOG"))
    await wait_until_async(lambda: next(looks) > 25)
    assert [one.lines for one in ear.said] == [{"EXTEND_TIMEOUT_USEC": "30000000"}, {"WATCHDOG": "1"}]
    work.set_result(None)
    assert await waiting
    notifier.close()


def test_computing_counts_as_getting_on() -> None:
    before, end = _spent(), time.process_time() + 0.12
    while time.process_time() < end:
        pass
    assert _spent() > before


async def test_a_signal_ends_the_waiting_and_an_error_comes_through() -> None:
    stop, silent = asyncio.Event(), Notifier({})
    work: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(patiently(work, silent, stop))
    await asyncio.sleep(0)
    stop.set()
    assert not await waiting
    work.set_exception(OSError("no disk"))
    with pytest.raises(OSError, match="no disk"):
        await patiently(work, silent, asyncio.Event())


async def test_who_has_no_store_feeds_as_long_as_it_moves(ear: NotifySocket) -> None:
    notifier = Notifier(ear.environment(watchdog_s=0.05))
    answers = [None, None, "mqtt", "mqtt", None, "mqtt"]
    asked: list[str | None] = []

    def stalled() -> str | None:
        asked.append(answers[min(len(asked), len(answers) - 1)])
        return asked[-1]

    task = asyncio.create_task(keep_alive(notifier, stalled))
    await wait_until_async(lambda: len(asked) > 2 * len(answers))
    task.cancel()
    await asyncio.wait([task])
    assert len(ear.having("WATCHDOG")) == answers.count(None)
    notifier.close()
