"""A driver's self-test in its lane, of a thread or a process: it finds, asks, gives way, and harms nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from edge.driver import Finding, Job
from edge.errors import DeviceFault, DeviceTimeout, EdgeError
from edge.jobs import SelftestJob
from edge.lanes import thread
from edge.lanes.spawn import ProcessFault
from edge.lanes.thread import DriverBug
from edge.selftest.model import Level
from tests.core import process_trials
from tests.core.drivers_rig import STOPPED, Hang, Lane, Told, Watched
from tests.core.process_rig import Apart
from tests.support.wait import wait_until_async


class Trial:
    """A self-test, and how it ended."""

    def __init__(self, level: Level = "internal", limit_s: float = 30.0) -> None:
        self.asked: list[str] = []
        self.ends: list[EdgeError | None] = []
        self.job = SelftestJob(
            level, time.monotonic() + limit_s, ask=self.asked.append, finished=self.ends.append
        )  # fmt: skip

    async def ended(self) -> EdgeError | None:
        await wait_until_async(lambda: self.ends)
        (end,) = self.ends
        return end

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.job.findings]


@asynccontextmanager
async def served(own: Lane | Apart) -> AsyncIterator[asyncio.Task[None]]:
    """Have a lane open and polled."""
    await own.lane.open()
    task = asyncio.create_task(own.lane.serve())
    try:
        yield task
    finally:
        await own.lane.close(STOPPED)
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()


def in_thread(deed: str) -> Lane:
    own = Lane()
    own.driver.on_selftest = lambda level, job: getattr(process_trials, deed)(own.driver, level, job)
    return own


def in_process(deed: str) -> Apart:
    return Apart(on_selftest=deed)


BOTH = pytest.mark.parametrize("made", [in_thread, in_process])
Made = Callable[[str], Lane | Apart]


@BOTH
async def test_it_tells_what_it_finds_and_the_device_goes_on(made: Made) -> None:
    async with made("finds") as own, served(own) as serving:
        trial = Trial("external")
        own.lane.run(trial.job)
        assert await trial.ended() is None
        assert trial.codes == ["TRY-000", "TRY-101"]
        assert trial.job.findings[0].seen == "first, external"
        assert trial.job.findings[0].details == {"figure": 1.5}
        assert trial.job.findings[1].result == "warn"
        assert not serving.done()
        assert not own.accepted.batches


@BOTH
async def test_a_person_is_asked_and_a_command_goes_first(made: Made) -> None:
    async with made("waits") as own, served(own):
        trial, command = Trial("interactive"), Watched()
        if isinstance(own, Lane):
            own.driver.on_execute = lambda job: job.check() or ()
        own.lane.run(trial.job)
        await wait_until_async(lambda: trial.asked)
        assert not own.lane.busy, "a self-test does not make a device busy"
        began = time.monotonic()
        own.lane.run(command.job)
        end = await trial.ended()
        assert end is not None
        assert (end.code, trial.codes, trial.asked) == ("CMD-106", ["TRY-000"], ["TRY-201"])
        assert time.monotonic() - began < 1.0
        await command.ended()


@BOTH
async def test_its_deadline_ends_it(made: Made) -> None:
    async with made("waits") as own, served(own) as serving:
        trial = Trial("interactive", limit_s=0.3)
        own.lane.run(trial.job)
        end = await trial.ended()
        assert end is not None
        assert (end.code, trial.codes) == ("CMD-107", ["TRY-000"])
        assert not serving.done()


@BOTH
async def test_a_device_that_fails_in_it_has_failed(made: Made) -> None:
    async with made("breaks") as own, served(own) as serving:
        trial = Trial()
        own.lane.run(trial.job)
        end = await trial.ended()
        assert isinstance(end, DeviceFault)
        assert (end.code, trial.codes) == ("TRY-102", ["TRY-000"])
        await asyncio.wait([serving])
        assert isinstance(serving.exception(), DeviceFault)


@BOTH
async def test_a_finding_that_is_none_is_a_bug(made: Made) -> None:
    async with made("no_finding") as own, served(own) as serving:
        trial = Trial()
        own.lane.run(trial.job)
        assert await trial.ended() is not None
        assert trial.codes == []
        await asyncio.wait([serving])
        assert isinstance(serving.exception(), DriverBug | ProcessFault)


async def test_a_process_that_dies_in_it_is_told() -> None:
    async with in_process("dies") as own, served(own) as serving:
        trial = Trial()
        own.lane.run(trial.job)
        end = await trial.ended()
        assert isinstance(end, ProcessFault)
        await asyncio.wait([serving])


async def test_it_waits_behind_a_command_and_leaves_when_another_comes() -> None:
    hang = Hang()
    async with Lane() as own, served(own):
        own.driver.on_execute = hang
        first, second, trial = Watched(), Watched(), Trial()
        own.lane.run(first.job)
        await wait_until_async(hang.begun.is_set)
        own.lane.run(trial.job)
        assert not trial.ends
        own.lane.run(second.job)
        end = await trial.ended()
        assert end is not None
        assert end.code == "CMD-106"
        hang.let_go()
        await second.ended()
        assert own.driver.calls.count("selftest") == 0


async def test_a_command_that_comes_while_it_begins_goes_first_all_the_same() -> None:
    """The lane has taken the self-test out of its queue already, and nobody has seen it run yet."""
    async with Lane() as own:
        begun: list[str] = []
        trial, command = Trial("interactive"), Watched()

        def late(job: Trial) -> Callable[[], bool]:
            begin = job.job.begin

            def beginning() -> bool:
                own.lane.run(command.job)
                return begin()

            return beginning

        own.driver.on_selftest = lambda _level, job: _waiting(job, begun)
        trial.job.begin = late(trial)  # type: ignore[method-assign]
        await own.lane.open()
        own.lane.run(trial.job)
        serving = asyncio.create_task(own.lane.serve())
        await command.ended()
        await trial.ended()
        await own.lane.close(STOPPED)
        await serving
        assert own.driver.calls.count("execute") == 1


def _waiting(job: Job, begun: list[str]) -> Iterator[Finding]:
    begun.append("selftest")
    while True:
        job.check()
        yield Finding(code="TRY-000")
        time.sleep(0.001)


async def test_a_hung_one_ends_with_its_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread, "WAIT_S", 0.05)
    monkeypatch.setattr(thread, "_WATCH_S", 0.02)
    hang = Hang()
    async with Lane() as own, served(own) as serving:
        own.driver.on_selftest = lambda _level, _job: hang()
        trial = Trial()
        own.lane.run(trial.job)
        end = await trial.ended()
        assert isinstance(end, DeviceTimeout)
        await asyncio.wait([serving])
        hang.let_go()


async def test_a_quiet_device_is_not_called_dead_while_it_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread, "_WATCH_S", 0.02)

    class Beating(Told):
        proof_s = 0.2
        poll_limit_s = 5.0

    async with Lane(Beating) as own, served(own) as serving:
        own.driver.on_poll = lambda: own.lane.port.proved() or ()  # type: ignore[attr-defined]
        own.driver.on_selftest = lambda _level, job: _for(job, 0.6)
        trial = Trial()
        own.lane.run(trial.job)
        assert await trial.ended() is None
        assert not serving.done()


def _for(job: Job, seconds: float) -> Iterator[Finding]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job.check()
        time.sleep(0.01)
    yield Finding(code="TRY-000")
