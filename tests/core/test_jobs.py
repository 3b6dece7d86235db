"""A job in a lane: exactly one end, whatever happens to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

import pytest

from edge.driver import Job
from edge.errors import DeviceFault, DeviceLost, EdgeError, JobCancelled, Unsupported
from edge.events import Payload
from edge.lanes import thread
from tests.core.drivers_rig import STOPPED, Hang, Lane, Patient, Watched, fails
from tests.core.samples import CANARY
from tests.support.wait import wait_until_async


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a lane impatient, as in ``test_lanes.py``."""
    monkeypatch.setattr(thread, "WAIT_S", 0.05)
    monkeypatch.setattr(thread, "_WATCH_S", 0.02)


@pytest.mark.parametrize(
    ("error", "code", "serves_on"),
    [
        (JobCancelled("x", code="CMD-106"), "CMD-106", True),
        (Unsupported("x"), "CMD-104", True),
        (DeviceLost("x"), "DEV-105", False),
        (ValueError(CANARY), "DRV-101", False),
        (SystemExit(CANARY), "DRV-101", False),
    ],
)
async def test_a_job_ends_with_what_its_driver_raises(error: BaseException, code: str, serves_on: bool) -> None:
    async with Lane() as own:
        own.driver.on_execute = fails(error)
        serving = asyncio.create_task(own.lane.serve())
        own.lane.run((first := Watched()).job)
        own.lane.run((second := Watched()).job)
        await wait_until_async(lambda: first.ends)
        assert first.code == code
        assert CANARY not in str(first.ends)
        if serves_on:
            await wait_until_async(lambda: second.ends)
            assert not serving.done()
        await own.lane.close(DeviceFault("closed"))
        assert second.code == (code if serves_on else "DEV-107")
        await asyncio.wait([serving])
        assert (serving.exception() is None) == serves_on


async def test_jobs_that_wait_end_with_the_reason_and_one_that_runs_is_cancelled() -> None:
    running = threading.Event()

    def execute(job: Job) -> Iterable[Payload]:
        running.set()
        while True:
            job.check()
            threading.Event().wait(0.005)

    async with Lane() as own:
        own.driver.on_execute = execute
        serving = asyncio.create_task(own.lane.serve())
        jobs = [Watched() for _ in range(4)]
        for job in jobs:
            own.lane.run(job.job)
        assert await asyncio.to_thread(running.wait, 5)
        await own.lane.close(DeviceLost("pulled out"))
        await serving
        await wait_until_async(lambda: all(job.ends for job in jobs))
        assert [job.code for job in jobs] == ["CMD-106", "DEV-105", "DEV-105", "DEV-105"]


async def test_cancelled_or_late_before_it_begins() -> None:
    hang = Hang()
    async with Lane(Patient) as own:
        own.driver.on_execute = hang
        serving = asyncio.create_task(own.lane.serve())
        own.lane.run((first := Watched()).job)
        assert await asyncio.to_thread(hang.begun.wait, 5)
        cancelled, late, kept = Watched(), Watched(deadline_s=0), Watched()
        for job in (cancelled, late, kept):
            own.lane.run(job.job)
        cancelled.job.cancel()
        late.job.look()
        assert (cancelled.code, late.code) == ("CMD-106", "CMD-107")  # at once, though another one runs
        hang.let_go()
        await wait_until_async(lambda: kept.ends)
        assert (first.code, kept.code) == (None, None)
        assert own.driver.calls.count("execute") == 2
        await own.lane.close(STOPPED)
        await serving


async def test_a_job_ends_once_whoever_is_first() -> None:
    for _ in range(200):
        watched = Watched()
        watched.job.begin()
        start = threading.Barrier(4)

        def end(watched: Watched = watched, start: threading.Barrier = start) -> None:
            start.wait()
            watched.job.finish(EdgeError("x"))

        threads = [threading.Thread(target=end) for _ in range(4)]
        for worker in threads:
            worker.start()
        for worker in threads:
            worker.join()
        assert len(watched.ends) == 1


def test_progress_is_told_by_codes_only() -> None:
    watched = Watched()
    watched.job.report("lay-card", 1, 2)
    for text in (CANARY, "two words", "", "x" * 65, "line\n"):
        with pytest.raises(ValueError, match="by a code"):
            watched.job.report(text)
    watched.job.finish()
    watched.job.report("late")
    assert watched.progress == ["lay-card"]
