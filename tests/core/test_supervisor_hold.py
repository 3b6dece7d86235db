"""The supervisor while nothing can be taken: the device is closed, says why, and comes back by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.driver import DeviceInfo
from edge.errors import DeviceAbsent
from edge.lanes import thread
from edge.store.room import NotTaken
from tests.core.drivers_rig import fails
from tests.core.supervisor_rig import Bench, running
from tests.support.wait import wait_until_async


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "node"
    path.touch()
    return path


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread, "WAIT_S", 0.05)
    monkeypatch.setattr(thread, "_WATCH_S", 0.02)


def pull_out(node: Path) -> None:
    node.unlink()


def put_in(node: Path) -> None:
    node.touch()


async def test_a_device_that_works_is_closed_and_opened_again_later(node: Path) -> None:
    bench = Bench(node, [DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["ready"])
        bench.supervisor.hold(NotTaken("full"))
        await wait_until_async(lambda: bench.states == ["ready", "attention"])
        assert (bench.told[-1].code, bench.supervisor.usable) == ("STO-120", False)
        held_at = bench.clock.now
        await wait_until_async(lambda: bench.clock.now > held_at + 60)  # a minute of its own clock
        assert bench.states == ["ready", "attention"]
        assert len(bench.opened_at) == 1
        bench.supervisor.hold(None)
        await wait_until_async(lambda: bench.states == ["ready", "attention", "ready"])
        assert bench.told[-1].code is None


async def test_what_is_held_from_the_start_never_looks_ready(node: Path) -> None:
    bench = Bench(node, [fails(DeviceAbsent("x")), DeviceInfo])
    bench.supervisor.hold(NotTaken("full"))
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["attention"])
        assert not bench.opened_at
        bench.supervisor.hold(None)
        await wait_until_async(lambda: bench.states[-1] == "ready")


async def test_a_device_that_is_not_there_is_absent_all_the_same(node: Path) -> None:
    bench = Bench(node, [DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["ready"])
        bench.supervisor.hold(NotTaken("full"))
        await wait_until_async(lambda: bench.states[-1] == "attention")
        pull_out(node)
        await wait_until_async(lambda: bench.states[-1] == "absent")
        put_in(node)
        await wait_until_async(lambda: bench.states[-1] == "attention")
        bench.supervisor.hold(None)
        await wait_until_async(lambda: bench.states[-1] == "ready")
