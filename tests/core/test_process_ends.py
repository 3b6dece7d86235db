"""A driver's process that crashes, hangs, leaks or lies: what is told of it, how fast, and what is left of it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from edge.errors import DeviceLost, DeviceTimeout
from edge.lanes.spawn import ProcessFault
from edge.lanes.thread import DriverBug
from tests.core.drivers_rig import STOPPED, Hang, Watched
from tests.core.process_drivers import MEMORY_MB, Doll, Patient
from tests.core.process_rig import Apart, gone, held, notes, runs
from tests.support.wait import wait_until_async

STARTED_S = 10.0
FROZEN_S = 2.0
BUSY_S = 1.0
"""What a busy PC may add to a time of ours."""


async def after_open(apart: Apart) -> tuple[float, Exception]:
    """Return how long it took from the first poll to the error, and the error."""
    await apart.lane.open()
    began = time.monotonic()
    try:
        await apart.lane.serve()
    except Exception as error:  # noqa: BLE001  # looked at by the test
        return time.monotonic() - began, error
    raise AssertionError("it goes on")


# --- crashes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("segfault", "ended by SIGSEGV"),
        ("kill", "ended by SIGKILL"),
        ("leave", "ended with exit code 3"),
        ("crash_beside_a_picture", "ended by SIGSEGV"),
    ],
)
async def test_a_crash_is_told_at_once_by_its_signal(deed: str, told: str) -> None:
    async with Apart(on_poll=deed) as apart:
        took_s, error = await after_open(apart)
        assert isinstance(error, ProcessFault)
        assert error.code == "DRV-105"
        assert told in error.message
        assert took_s < BUSY_S
        with pytest.raises(DeviceLost):
            apart.driver.poll(0)


async def test_a_crash_is_told_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    async with Apart(on_poll="segfault") as apart:
        await after_open(apart)
    fields = next(record.__dict__["fields"] for record in caplog.records if "SIGSEGV" in record.getMessage())
    assert "process_deeds.py" in fields["where"]
    assert fields["where"].endswith(":string_at")
    assert fields["device"] == "dev-1"


async def test_a_crash_while_opening_leaves_nothing() -> None:
    before = held()
    async with Apart(on_open="segfault") as apart:
        with pytest.raises(ProcessFault):
            await apart.lane.open()
        assert apart.driver.pid is None
        await wait_until_async(lambda: held()[2] == before[2])


async def test_a_crash_ends_a_command_with_its_events_kept() -> None:
    async with Apart(on_execute="crashes") as apart, apart.serving() as serving:
        job = Watched()
        apart.lane.run(job.job)
        await job.ended()
        assert job.ends[0][0] == ["id-1"]
        assert job.code == "DRV-105"
        await asyncio.wait([serving])


async def test_a_process_that_leaves_another_one_behind_is_noticed(tmp_path: Path) -> None:
    """Its socket is still open then; and what it started ends with it."""
    file = tmp_path / "notes"
    async with Apart(on_poll="with_a_grandchild", file=str(file)) as apart:
        took_s, error = await after_open(apart)
    assert "exit code 4" in str(error)
    assert took_s < 1.0 + BUSY_S
    await gone(int(notes(file)[0]))


# --- memory --------------------------------------------------------------------------------------


@pytest.mark.parametrize("deed", ["leak", "leak_natively"])
async def test_a_leak_ends_at_the_limit(deed: str) -> None:
    async with Apart(Patient, on_poll=deed) as apart:
        _, error = await after_open(apart)
        assert isinstance(error, ProcessFault)
        assert (f"{MEMORY_MB} MiB" if deed == "leak" else "SIGABRT") in error.message
        assert apart.driver.pid is None


# --- hanging -------------------------------------------------------------------------------------


async def test_a_hung_call_is_ended_in_time(caplog: pytest.LogCaptureFixture) -> None:
    async with Apart(on_poll="hang") as apart:
        pid_before = None
        await apart.lane.open()
        pid_before, began = apart.pid, time.monotonic()
        with pytest.raises(DeviceTimeout, match="DRV-104"):
            await apart.lane.serve()
        assert time.monotonic() - began < Doll.poll_limit_s + 0.6 + BUSY_S
        assert not runs(pid_before)
        assert not apart.lane.abandoned
    fields = next(record.__dict__["fields"] for record in caplog.records if "hung" in record.getMessage())
    assert fields["where"].endswith(":hang")


@pytest.mark.parametrize("deed", ["stop", "hang_with_everything"])
async def test_a_process_that_does_not_run_is_ended_in_time(deed: str) -> None:
    """Stopped, or in native code that lets no other thread run: also when the driver may take its time."""
    async with Apart(Patient, on_poll=deed) as apart:
        took_s, error = await after_open(apart)
        assert isinstance(error, DeviceTimeout)
        assert error.code == "DRV-104"
        assert took_s < FROZEN_S + BUSY_S
        assert apart.driver.pid is None


async def test_a_process_that_computes_is_not_taken_for_a_frozen_one() -> None:
    async with Apart(Patient, on_poll="compute_with_everything") as apart, apart.serving() as serving:
        pid = apart.pid
        await wait_until_async(lambda: apart.accepted.batches or serving.done(), 10)
        assert not serving.done()
        assert apart.pid == pid


async def test_but_only_as_long_as_a_call_may_take() -> None:
    async with Apart(on_poll="compute_with_everything") as apart:
        took_s, error = await after_open(apart)
        assert isinstance(error, DeviceTimeout)
        assert "hung" in error.message
        assert took_s < 2.0 + BUSY_S


async def test_a_driver_that_computes_for_ever_is_hung() -> None:
    async with Apart(on_poll="spin") as apart:
        took_s, error = await after_open(apart)
        assert isinstance(error, DeviceTimeout)
        assert took_s < Doll.poll_limit_s + 0.6 + BUSY_S


async def test_a_hung_open_is_ended() -> None:
    async with Apart(on_open="hang") as apart:
        with pytest.raises(DeviceTimeout, match="DRV-104"):
            await apart.lane.open()
        assert apart.driver.pid is None


async def test_a_command_that_never_checks_is_hung_and_ends_once() -> None:
    async with Apart(on_execute="never_checks") as apart, apart.serving() as serving:
        job = Watched()
        apart.lane.run(job.job)
        await job.ended()
        assert job.code == "DRV-104"
        await asyncio.wait([serving])


async def test_a_hung_close_is_ended() -> None:
    async with Apart(on_close="hang") as apart:
        await apart.lane.open()
        pid, began = apart.pid, time.monotonic()
        await apart.lane.close(STOPPED)
        assert not runs(pid)
        assert time.monotonic() - began < 1.2 + BUSY_S
        assert not apart.lane.abandoned


async def test_a_released_port_ends_a_hung_process() -> None:
    async with Apart(Patient, on_poll="hang") as apart:
        await apart.lane.open()
        serving = asyncio.create_task(apart.lane.serve())
        await asyncio.sleep(0)
        pid = apart.pid
        apart.port.release()
        assert await gone(pid) < BUSY_S
        with pytest.raises(ProcessFault, match="SIGKILL"):
            await serving


async def test_a_slow_disk_is_no_hung_process() -> None:
    disk = Hang()
    async with Apart(on_poll="as_list") as apart:
        apart.accepted.on_batch = disk
        async with apart.serving() as serving:
            assert await asyncio.to_thread(disk.begun.wait, 5)
            done, _ = await asyncio.wait([serving], timeout=2.0)  # more than a process may be silent or a call hang
            assert not done
            disk.let_go()
            await wait_until_async(lambda: apart.accepted.batches)
            done, _ = await asyncio.wait([serving], timeout=0.5)
            assert not done


# --- lies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("deed", ["noise", "noise_that_is_too_long", "out_of_order", "a_file_that_can_shrink"])
async def test_a_process_that_says_what_it_must_not_is_ended(deed: str) -> None:
    async with Apart(Patient, on_poll=deed) as apart:
        took_s, error = await after_open(apart)
        assert isinstance(error, ProcessFault)
        assert "what it must not" in error.message
        assert took_s < BUSY_S
        assert apart.driver.pid is None


@pytest.mark.parametrize("deed", ["pictures_without_event", "pictures_beside_events"])
async def test_pictures_that_no_event_names_do_not_pile_up(deed: str) -> None:
    async with Apart(on_poll=deed) as apart:
        _, error = await after_open(apart)
        assert isinstance(error, DriverBug)
        assert "RuntimeError" in error.message


# --- nothing is left -----------------------------------------------------------------------------


@pytest.mark.slow
async def test_nothing_is_left_of_fifty_crashes() -> None:
    deeds = ("segfault", "kill", "leave", "crash_beside_a_picture", "noise", "leave_by_the_door", "as_list")
    before = held()
    for start in range(0, 50, 5):
        await asyncio.gather(*(_crash(deeds[number % len(deeds)]) for number in range(start, start + 5)))
    await wait_until_async(lambda: held() == before, 5, f"as before, {before}: {held()}")


async def _crash(deed: str) -> None:
    async with Apart(Patient, on_poll=deed) as apart:
        if deed == "as_list":
            async with apart.serving():
                os.kill(apart.pid, signal.SIGKILL)
        else:
            await apart.error()
