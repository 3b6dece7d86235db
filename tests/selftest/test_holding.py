"""The lock of a window that is tested: who else wants it is told, and the daemon waits."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from edge.errors import AlreadyRunning
from edge.selftest.holding import hold_to_test, lock_of_daemon
from edge.selftest.wire import AlreadyTesting
from edge.state_dir import take_lock
from tests.support.wait import wait_until_async


def test_the_second_test_is_told_who_holds_it(tmp_path: Path) -> None:
    lock = hold_to_test(tmp_path, "wang")
    with pytest.raises(AlreadyTesting) as caught:
        hold_to_test(tmp_path, "li")
    assert caught.value.message.startswith(f"a self-test runs already: wang, process {os.getpid()}, since 20")
    os.close(lock)
    os.close(hold_to_test(tmp_path, "li"))


def test_a_daemon_that_holds_it_is_no_test(tmp_path: Path) -> None:
    lock = take_lock(tmp_path)
    with pytest.raises(AlreadyRunning) as caught:
        hold_to_test(tmp_path, "li")
    assert caught.value.code == "SYS-101"
    os.close(lock)


async def test_the_daemon_waits_for_a_test_and_only_for_that(tmp_path: Path) -> None:
    stop, waited = asyncio.Event(), asyncio.Event()
    lock = hold_to_test(tmp_path, "wang")
    waiting = asyncio.create_task(lock_of_daemon(tmp_path, stop, waited.set))
    await asyncio.wait_for(waited.wait(), 5)
    assert not waiting.done()
    os.close(lock)
    held = await asyncio.wait_for(waiting, 5)
    assert held is not None
    with pytest.raises(AlreadyRunning):
        await lock_of_daemon(tmp_path, stop, waited.set)
    os.close(held)


async def test_a_daemon_that_waits_can_be_stopped(tmp_path: Path) -> None:
    stop, waited = asyncio.Event(), asyncio.Event()
    lock = hold_to_test(tmp_path, "wang")
    waiting = asyncio.create_task(lock_of_daemon(tmp_path, stop, waited.set))
    await asyncio.wait_for(waited.wait(), 5)
    stop.set()
    await wait_until_async(waiting.done, 2)
    assert waiting.result() is None
    os.close(lock)
