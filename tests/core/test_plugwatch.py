"""The watch without udev: polling, looks that hang, a listener that ends."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.plugging import plugwatch
from edge.plugging.plugged import Plugged
from edge.plugging.plugwatch import Change, PlugWatch
from tests.support.wait import wait_until_async

GUN = Plugged("usb", port="1-1", properties={"DEVNUM": "1/5"})
AGAIN = Plugged("usb", port="1-1", properties={"DEVNUM": "1/6"})
PAD = Plugged("usb", port="1-2")


@dataclass
class Desk:
    """What is plugged in, as the watch sees it."""

    there: list[Plugged] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    looks: int = 0
    pictures: int = 0
    in_the_way: Callable[[], object] = lambda: None

    def look(self) -> list[Plugged]:
        self.looks += 1
        self.in_the_way()
        return list(self.there)

    def picture(self) -> dict[str, int]:
        self.pictures += 1
        return {str(one): 1 for one in self.there}


class Monitor:
    """Stands in for pyudev's: a pipe, and an error if one is wanted."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK)
        self.error: OSError | None = None

    def fileno(self) -> int:
        return self._read

    def say(self, messages: int) -> None:
        os.write(self._write, b"x" * messages)

    def poll(self, _timeout: float) -> object:
        if self.error is not None:
            raise self.error
        try:
            return os.read(self._read, 1)
        except BlockingIOError:
            return None

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


@asynccontextmanager
async def watching(desk: Desk, monitor: Monitor | None = None) -> AsyncIterator[PlugWatch]:
    watch = PlugWatch(desk.changes.append, root=Path("/nowhere"), look=desk.look, picture=desk.picture)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plugwatch, "_monitor", lambda: monitor)
        patch.setattr(plugwatch, "_POLL_S", (0.02, 0.02))
        watch.start()
        try:
            yield watch
        finally:
            watch.stop()
            watch.stop()
            await asyncio.sleep(0)  # its task ends


async def test_polling_tells_what_comes_and_goes() -> None:
    desk = Desk([GUN])
    async with watching(desk) as watch:
        assert watch.found is None
        await wait_until_async(lambda: desk.changes)
        assert (desk.changes[0].added, desk.changes[0].removed) == ((GUN,), ())
        assert not watch.listening
        desk.there.append(PAD)
        await wait_until_async(lambda: len(desk.changes) == 2)
        assert desk.changes[1].added == (PAD,)
        assert desk.changes[1].removed == ()
        desk.there.remove(GUN)
        await wait_until_async(lambda: len(desk.changes) == 3)
        assert (desk.changes[2].added, desk.changes[2].removed) == ((), (GUN,))


async def test_a_replug_between_two_looks_is_both_and_knows_when_the_look_before_was() -> None:
    desk = Desk([GUN])
    async with watching(desk):
        before = time.monotonic()
        await wait_until_async(lambda: desk.changes)
        after = time.monotonic()
        desk.there[:] = [AGAIN]
        await wait_until_async(lambda: len(desk.changes) == 2)
        assert (desk.changes[1].added, desk.changes[1].removed) == ((AGAIN,), (GUN,))
        assert before - 0.1 <= desk.changes[1].since <= after


async def test_nothing_is_read_while_nothing_changes() -> None:
    desk = Desk([GUN])
    async with watching(desk):
        await wait_until_async(lambda: desk.pictures >= 10)
        assert desk.looks == 1


async def test_a_storm_of_messages_is_a_few_looks() -> None:
    desk, monitor = Desk([GUN]), Monitor()
    async with watching(desk, monitor) as watch:
        await wait_until_async(lambda: desk.changes)
        assert watch.listening
        for _ in range(100):
            monitor.say(50)
            await asyncio.sleep(0.001)
        desk.there.append(PAD)
        monitor.say(1)
        await wait_until_async(lambda: len(desk.changes) == 2)
        assert desk.looks <= 20
    monitor.close()


@pytest.mark.parametrize(("number", "still"), [(errno.ENOBUFS, True), (errno.EBADF, False)])
async def test_lost_messages_are_looked_up_and_a_dead_listener_is_replaced_by_polling(
    number: int, still: bool, caplog: pytest.LogCaptureFixture
) -> None:
    desk, monitor = Desk([GUN]), Monitor()
    async with watching(desk, monitor) as watch:
        await wait_until_async(lambda: desk.changes)
        monitor.error = OSError(number, "x")
        monitor.say(1)
        await wait_until_async(lambda: desk.looks >= 2)
        assert watch.listening is still
        monitor.error = None
        desk.there.append(PAD)
        await wait_until_async(lambda: len(desk.changes) == 2)
    assert ["SYS-132" in str(record.__dict__.get("fields")) for record in caplog.records] == [] if still else [True]
    monitor.close()


async def test_a_look_that_hangs_holds_nothing_up_and_is_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(plugwatch, "_PATIENCE_S", 0.05)
    desk, go = Desk([GUN]), threading.Event()
    desk.in_the_way = lambda: go.wait(10)
    async with watching(desk) as watch:
        await wait_until_async(lambda: "hangs" in caplog.text)
        desk.there.append(PAD)
        assert watch.found is None
        go.set()
        await wait_until_async(lambda: watch.found == (GUN, PAD))
    assert caplog.text.count("hangs") == 1


async def test_a_suspend_is_noticed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugwatch, "_POLL_S", (0.02, 0.02))
    monkeypatch.setattr(plugwatch, "_monitor", lambda: None)
    desk, slept, resumed = Desk([GUN]), [100.0], []
    watch = PlugWatch(
        desk.changes.append, root=Path("/nowhere"), look=desk.look, picture=desk.picture,
        resumed=lambda: resumed.append(desk.pictures), slept_s=lambda: slept[0],
    )  # fmt: skip
    watch.start()
    await wait_until_async(lambda: desk.pictures > 3)
    assert resumed == []
    slept[0] += 3600
    await wait_until_async(lambda: resumed)
    noticed = desk.pictures
    await wait_until_async(lambda: desk.pictures > noticed + 3)
    assert len(resumed) == 1
    watch.stop()
    await asyncio.sleep(0)


async def test_nothing_is_told_after_the_end() -> None:
    desk, go = Desk([GUN]), threading.Event()
    desk.in_the_way = lambda: go.wait(10)
    async with watching(desk):
        await wait_until_async(lambda: desk.looks)
    go.set()
    await wait_until_async(lambda: not [thread for thread in threading.enumerate() if thread.name == "plugs"])
    await asyncio.sleep(0)
    assert not desk.changes
