"""The supervisor: what a device's state is, when it is tried again, and how loudly that is said."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from edge.driver import DeviceInfo
from edge.errors import (
    DeviceAbsent,
    DeviceAccess,
    DeviceAttention,
    DeviceBusy,
    DeviceError,
    DeviceFault,
    DeviceLost,
    DeviceProtocol,
    DeviceTimeout,
    EdgeError,
    StoreError,
)
from edge.lanes import thread
from tests.core.drivers_rig import Hang, Watched, fails
from tests.core.samples import CANARY
from tests.core.supervisor_rig import Bench, Proving, running
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


def plug(node: Path) -> None:
    node.touch()


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


# --- states --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (DeviceAbsent("x"), "absent", "DEV-101"),
        (DeviceLost("x"), "absent", "DEV-105"),
        (DeviceAccess("x"), "denied", "DEV-102"),
        (DeviceBusy("x"), "held", "DEV-103"),
        (DeviceTimeout("x"), "stuck", "DEV-104"),
        (DeviceProtocol("x"), "fault", "DEV-106"),
        (DeviceFault("x"), "fault", "DEV-107"),
        (DeviceAttention("x"), "attention", "DEV-108"),
        (DeviceError("x"), "fault", "DEV-100"),
        (StoreError("x"), "fault", "STO-100"),
        (ValueError(CANARY), "fault", "DRV-101"),
    ],
)
async def test_every_error_has_its_state(node: Path, error: Exception, state: str, code: str) -> None:
    bench = Bench(node, [fails(error)])
    async with running(bench):
        await wait_until_async(lambda: len(bench.opened_at) > 3)
        assert bench.states == [state]  # told once, however often it fails
        assert (bench.told[0].code, bench.told[0].since) == (code, 1000.0)
        assert bench.told[0].action
        assert CANARY not in str(bench.told[0])
        assert not bench.supervisor.usable


async def test_it_is_ready_when_it_is_open_and_busy_while_a_job_runs(node: Path) -> None:
    hang = Hang()
    bench = Bench(node, [lambda: DeviceInfo(model="M")])
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["ready"])
        assert bench.supervisor.info == DeviceInfo(model="M")
        bench.driver.on_execute = hang
        bench.supervisor.start((job := Watched()).job)
        await wait_until_async(lambda: bench.states == ["ready", "busy"])
        assert bench.supervisor.usable
        hang.let_go()
        await wait_until_async(lambda: bench.states == ["ready", "busy", "ready"])
        assert job.code is None
        assert len({state.since for state in bench.told}) == 1


async def test_a_job_for_a_device_that_is_away_ends_at_once(node: Path) -> None:
    bench = Bench(node, [fails(DeviceAbsent("x"))])
    bench.supervisor.start((job := Watched()).job)
    assert job.code == "DEV-105"


async def test_the_end_of_the_daemon_cancels_jobs_and_closes_the_device(node: Path) -> None:
    bench = Bench(node, [DeviceInfo])

    def execute(job: Any) -> Any:
        while True:
            job.check()

    async with running(bench):
        await wait_until_async(lambda: bench.states == ["ready"])
        bench.driver.on_execute = execute
        jobs = [Watched(), Watched()]
        for job in jobs:
            bench.supervisor.start(job.job)
        await wait_until_async(lambda: bench.states[-1] == "busy")
    assert [job.code for job in jobs] == ["CMD-106", "CMD-106"]
    assert bench.driver.calls[-1] == "close"


# --- back-off ------------------------------------------------------------------------------------


async def test_the_pauses_grow_with_jitter_up_to_half_a_minute(node: Path) -> None:
    bench = Bench(node, [fails(DeviceFault("x"))])
    async with running(bench):
        await wait_until_async(lambda: len(bench.opened_at) > 12, 10)
    pauses = [later - earlier for earlier, later in zip(bench.opened_at, bench.opened_at[1:], strict=False)]
    for number, pause in enumerate(pauses):
        longest = min(0.5 * 2**number, 30.0)
        assert longest / 2 <= pause <= longest + 0.01, (number, pause)
    assert max(bench.clock.sleeps) <= 0.2  # so that a cable pulled meanwhile is seen
    assert len({round(pause, 3) for pause in pauses[7:]}) > 1


async def test_the_pauses_stay_short_while_somebody_mends_it(node: Path) -> None:
    bench = Bench(node, [fails(DeviceAttention("x"))])
    async with running(bench):
        await wait_until_async(lambda: len(bench.opened_at) > 9, 10)
    pauses = [later - earlier for earlier, later in zip(bench.opened_at, bench.opened_at[1:], strict=False)]
    assert 0.75 <= max(pauses[3:]) <= 1.51


async def test_the_pauses_begin_anew_after_a_good_time(node: Path) -> None:
    bench = Bench(node, [fails(DeviceFault("x"))] * 6 + [DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states[-1:] == ["ready"])
        bench.clock.now += 60
        bench.driver.on_poll = fails(DeviceFault("x"))
        await wait_until_async(lambda: len(bench.opened_at) > 7)
        assert bench.opened_at[7] - bench.opened_at[6] <= 60.6


async def test_a_long_absence_does_not_make_the_first_pause_after_it_long(node: Path) -> None:
    bench = Bench(node, [*[fails(DeviceAbsent("x"))] * 20, *[fails(DeviceFault("x"))] * 3])
    async with running(bench):
        await wait_until_async(lambda: len(bench.opened_at) > 22)
        pauses = [later - earlier for earlier, later in zip(bench.opened_at, bench.opened_at[1:], strict=False)]
        assert pauses[20] <= 2.0
        assert pauses[21] <= 4.0


async def test_a_device_without_its_node_is_opened_when_that_appears(node: Path) -> None:
    bench = Bench(node.with_name("later"), [fails(DeviceAbsent("x")), DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: len(bench.clock.sleeps) > 50)
        assert len(bench.opened_at) == 1
        appeared = bench.clock.now
        plug(bench.node)
        await wait_until_async(lambda: bench.states == ["absent", "ready"])
        assert bench.opened_at[1] - appeared <= 1.0


async def test_plugging_out_and_in_again_ends_a_long_pause(node: Path) -> None:
    """What a technician does about a stuck device; until then it says that it is absent, not stuck."""

    def stuck_and_pulled_out() -> None:
        node.unlink()
        raise DeviceTimeout("x")

    bench = Bench(node, [*[fails(DeviceTimeout("x"))] * 7, stuck_and_pulled_out, DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states[-1:] == ["absent"])
        gone = bench.clock.now
        await wait_until_async(lambda: bench.clock.now > gone + 100)
        assert len(bench.opened_at) == 8
        back = bench.clock.now
        plug(node)
        await wait_until_async(lambda: bench.states[-1] == "ready")
        assert bench.opened_at[8] - back <= 1.0
        assert bench.states == ["stuck", "absent", "ready"]


# --- what is logged ------------------------------------------------------------------------------


async def test_the_first_failure_is_loud_repeats_are_quiet_and_the_return_is_told_once(
    node: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "hall-edge")
    bench = Bench(node, [*[fails(DeviceBusy("held by moserial"))] * 6, fails(DeviceFault("cover")), DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states[-1:] == ["ready"])
    assert lines(caplog, logging.WARNING) == ["held by moserial", "cover"]
    assert lines(caplog, logging.DEBUG).count("held by moserial") == 5
    (record,) = [record for record in caplog.records if record.getMessage() == "the device is back"]
    fields = record.__dict__["fields"]
    assert (fields["device"], fields["tries"]) == ("dev-1", 7)
    assert fields["away_s"] == pytest.approx(bench.opened_at[-1] - 1000.0, abs=0.2)


async def test_a_bug_is_logged_with_its_place_and_counted(node: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(node, [fails(ValueError(CANARY)), DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states[-1:] == ["ready"])
    assert bench.supervisor.bugs == 1
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert CANARY not in record.getMessage()


async def test_a_driver_that_cannot_be_made_again_keeps_the_old_one(node: Path) -> None:
    bench = Bench(node, [fails(DeviceFault("x")), DeviceInfo])
    bench.on_make = fails(OSError("its profile is gone"))
    async with running(bench):
        await wait_until_async(lambda: bench.states[-1:] == ["ready"])
    assert bench.supervisor.bugs >= 1


# --- proof of life -------------------------------------------------------------------------------


async def test_silence_is_not_health(node: Path) -> None:
    """A device that ought to speak is ready only once it has spoken, and stuck when it no longer does."""
    bench = Bench(node, [DeviceInfo], Proving)
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["starting"])
        assert bench.told[0].reason == "waiting for the first sign of life"
        assert bench.supervisor.proven_s_ago() is None
        bench.supervisor.port.last_proof = bench.clock.now
        await wait_until_async(lambda: bench.states == ["starting", "ready"])
        bench.clock.now += 4.9
        assert bench.supervisor.proven_s_ago() == pytest.approx(4.9)
        bench.clock.now += 1.0
        await wait_until_async(lambda: bench.states == ["starting", "ready", "stuck"])
        assert bench.told[-1].code == "DEV-104"


async def test_a_device_that_never_speaks_is_stuck_and_stays_so(node: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(node, [DeviceInfo], Proving)

    def tried_again_after_a_while() -> bool:
        bench.clock.now += 1.0
        return len(bench.opened_at) > 3

    async with running(bench):
        await wait_until_async(tried_again_after_a_while)
    assert bench.states == ["starting", "stuck"]
    assert len(lines(caplog, logging.WARNING)) == 1


async def test_a_running_job_is_not_held_against_the_device(node: Path) -> None:
    hang = Hang()
    bench = Bench(node, [DeviceInfo], Proving)
    async with running(bench):
        bench.supervisor.port.last_proof = bench.clock.now
        await wait_until_async(lambda: bench.states[-1:] == ["ready"])
        bench.driver.on_execute = hang
        bench.supervisor.start((job := Watched()).job)
        await wait_until_async(lambda: bench.states[-1] == "busy")
        bench.clock.now += 60
        bench.supervisor.port.last_proof = bench.clock.now
        hang.let_go()
        await wait_until_async(lambda: job.ends)
        assert bench.states[-1] in ("busy", "ready")


def test_an_error_of_ours_tells_what_to_do() -> None:
    for kind in EdgeError.__subclasses__():
        assert kind.default_code
        assert kind.default_action
