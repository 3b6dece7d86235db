"""A lane: the one border between a blocking driver and everything else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from edge.driver import DeviceInfo, Job
from edge.errors import DeviceFault, DeviceLost, DeviceTimeout, StoreError
from edge.events import Payload, Presented
from edge.lanes import thread
from edge.lanes.thread import DriverBug
from tests.core.drivers_rig import STOPPED, Hang, Lane, Watched, cards, fails
from tests.core.samples import CANARY
from tests.support.wait import wait_until_async


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a lane impatient: a call may hang for 0.15 s (0.1 s of it are the driver's ``poll_limit_s``)."""
    monkeypatch.setattr(thread, "WAIT_S", 0.05)
    monkeypatch.setattr(thread, "_WATCH_S", 0.02)


# --- accepting -----------------------------------------------------------------------------------


async def test_a_list_is_accepted_as_a_whole() -> None:
    async with Lane() as own:
        answers = iter([cards(3), [], cards(1)])
        own.driver.on_poll = lambda: next(answers)
        with pytest.raises(DriverBug, match="StopIteration"):
            await own.lane.serve()
        assert [len(batch) for batch in own.accepted.batches] == [3, 1]


async def test_a_generator_goes_on_only_when_its_event_is_durable() -> None:
    steps: list[str] = []

    def poll() -> Iterator[Payload]:
        for number in range(3):
            yield Presented()
            steps.append(f"told the device {number}")
        raise DeviceFault("that is all")

    async with Lane() as own:
        own.driver.on_poll = poll
        own.accepted.on_batch = lambda: steps.append("durable")
        with pytest.raises(DeviceFault):
            await own.lane.serve()
    assert steps == [
        "durable", "told the device 0", "durable", "told the device 1", "durable", "told the device 2",
    ]  # fmt: skip


async def test_an_event_that_is_not_taken_is_not_acknowledged_to_the_device() -> None:
    told: list[str] = []

    def poll() -> Iterator[Payload]:
        yield Presented()
        told.append("the device was told")

    async with Lane() as own:
        own.driver.on_poll = poll
        own.accepted.on_batch = fails(StoreError("full"))
        with pytest.raises(StoreError):
            await own.lane.serve()
    assert not told


async def test_everything_of_a_driver_runs_in_one_thread() -> None:
    seen: set[int] = set()

    def note(*_: object) -> Any:
        seen.add(threading.get_ident())
        return ()

    async with Lane() as own:
        own.driver.on_open, own.driver.on_poll, own.driver.on_close, own.driver.on_execute = note, note, note, note
        await own.lane.open()
        serving = asyncio.create_task(own.lane.serve())
        own.lane.run((job := Watched()).job)
        await wait_until_async(lambda: job.ends)
        await own.lane.close(STOPPED)
        await serving
    assert len(seen) == 1
    assert seen != {threading.get_ident()}


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError(CANARY), KeyError(CANARY), SystemExit(CANARY), KeyboardInterrupt(CANARY)])
async def test_whatever_a_driver_raises_is_a_bug_without_its_words(error: BaseException) -> None:
    async with Lane() as own:
        own.driver.on_open = fails(error)
        with pytest.raises(DriverBug) as bug:
            await own.lane.open()
        assert CANARY not in f"{bug.value} {bug.value!r}"
        assert type(error).__name__ in str(bug.value)
        assert bug.value.__cause__ is error
        own.driver.on_open = DeviceInfo
        await own.lane.open()  # the lane goes on


async def test_our_own_errors_go_through_as_they_are() -> None:
    async with Lane() as own:
        own.driver.on_poll = fails(lost := DeviceLost("gone"))
        with pytest.raises(DeviceLost) as raised:
            await own.lane.serve()
        assert raised.value is lost


# --- hanging -------------------------------------------------------------------------------------


async def opens(own: Lane, hang: Hang) -> None:
    own.driver.on_open = hang
    await own.lane.open()


async def polls(own: Lane, hang: Hang) -> None:
    own.driver.on_poll = hang
    await own.lane.serve()


async def executes(own: Lane, hang: Hang) -> None:
    own.driver.on_execute = hang
    own.lane.run(Watched().job)
    await own.lane.serve()


async def yields(own: Lane, hang: Hang) -> None:
    def poll() -> Iterator[Payload]:
        yield Presented()
        hang()

    own.driver.on_poll = poll
    await own.lane.serve()


@pytest.mark.parametrize("call", [opens, polls, executes, yields])
async def test_a_hung_call_is_left_behind_in_bounded_time(call: Callable[[Lane, Hang], Any]) -> None:
    hang, began = Hang(), time.monotonic()
    async with Lane() as own:
        with pytest.raises(DeviceTimeout, match="DRV-104"):
            await call(own, hang)
        assert time.monotonic() - began < 2
        assert own.lane.abandoned
        calls = len(own.accepted.batches)
    hang.let_go()
    # what returns after all closes the device that it may hold, and reports nothing any more
    await wait_until_async(lambda: own.driver.calls[-1:] == ["close"])
    assert len(own.accepted.batches) == calls


async def test_a_hung_close_is_left_behind_too() -> None:
    """Also when the driver still polls at that moment: the watch must not stop at the end of the poll."""
    hang = Hang()
    async with Lane() as own:
        own.driver.on_close = hang
        serving = asyncio.create_task(own.lane.serve())
        await asyncio.sleep(0)
        began = time.monotonic()
        await own.lane.close(STOPPED)
        assert time.monotonic() - began < 2
        assert own.lane.abandoned
        await serving
        own.driver.on_close = lambda: None
        hang.let_go()


async def test_a_hung_job_ends_once_and_its_late_events_are_not_taken() -> None:
    hang, job = Hang(), Watched()

    def execute(job: Job) -> Iterable[Payload]:
        yield Presented()
        hang()
        yield Presented()
        job.report("too-late")

    async with Lane() as own:
        own.driver.on_execute = execute
        own.lane.run(job.job)
        with pytest.raises(DeviceTimeout):
            await own.lane.serve()
        assert job.code == "DRV-104"
        assert job.ends[0][0] == ["id-1"]
    hang.let_go()
    await wait_until_async(lambda: own.driver.calls[-1:] == ["close"])
    assert len(job.ends) == 1
    assert not job.progress
    assert len(own.accepted.batches) == 1


async def test_a_slow_disk_is_no_hung_driver() -> None:
    hang = Hang()
    async with Lane() as own:
        answers = iter([cards(1)])
        own.driver.on_poll = lambda: next(answers)
        own.accepted.on_batch = hang
        serving = asyncio.create_task(own.lane.serve())
        assert await asyncio.to_thread(hang.begun.wait, 5)
        done, _ = await asyncio.wait([serving], timeout=0.4)  # more than twice what a driver may take
        assert not done
        hang.let_go()
        with pytest.raises(DriverBug):
            await serving


async def test_while_the_pc_lets_nobody_run_no_driver_is_called_hung() -> None:
    hang = Hang()
    async with Lane() as own:
        own.driver.on_poll = hang
        serving = asyncio.create_task(own.lane.serve())
        assert await asyncio.to_thread(hang.begun.wait, 5)
        for _ in range(2):
            time.sleep(0.3)  # noqa: ASYNC251  # stands for a PC that stands still; twice what a driver may take
            for _ in range(3):
                await asyncio.sleep(0.01)
        assert not serving.done()
        own.driver.on_poll = None
        hang.let_go()
        await own.lane.close(STOPPED)
        await serving


async def test_a_job_that_checks_is_not_hung() -> None:
    def execute(job: Job) -> Iterable[Payload]:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            job.check()
            threading.Event().wait(0.01)
        return cards(2)

    async with Lane() as own:
        own.driver.on_execute = execute
        serving = asyncio.create_task(own.lane.serve())
        own.lane.run((job := Watched(case="c-1")).job)
        await wait_until_async(lambda: job.ends)
        assert job.code is None
        assert job.ends[0][0] == ["id-1", "id-2"]
        assert own.accepted.cases == ["c-1"]
        assert len(own.accepted.batches) == 1  # a list, also of execute(), is accepted as a whole
        await own.lane.close(STOPPED)
        await serving
