"""The supervisor and the cable: pokes, unpluggings that a driver does not notice, loose plugs, swapped units."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edge.device_state import Notice
from edge.driver import DeviceInfo
from edge.errors import DeviceAbsent, DeviceBusy, DeviceFault, DeviceLost
from edge.flapping import LOSSES, WITHIN_S, Flapping
from edge.lanes import thread
from tests.core.drivers_rig import fails
from tests.core.supervisor_rig import Bench, Clock, running
from tests.support.wait import wait_until_async

SWAPPED = Notice("another device than before is plugged in here", "SYS-131", "put it back")


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "node"
    path.touch()
    return path


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread, "WAIT_S", 0.05)
    monkeypatch.setattr(thread, "_WATCH_S", 0.02)


# --- pokes ---------------------------------------------------------------------------------------


async def test_plugging_in_ends_a_long_pause_at_once(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = Clock.sleep

    async def sleep_or_plug_in(clock: Clock, seconds: float) -> None:
        if len(bench.opened_at) == 8 and clock.now - bench.opened_at[7] > 2:  # the next try is after 15 to 30 s
            bench.supervisor.plugged()
        await sleep(clock, seconds)

    monkeypatch.setattr(Clock, "sleep", sleep_or_plug_in)
    bench = Bench(node, [*[fails(DeviceBusy("x"))] * 8, DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["held", "ready"])
    assert bench.opened_at[8] - bench.opened_at[7] <= 2.5


async def test_a_poke_during_an_opening_that_fails_is_not_lost(node: Path) -> None:
    def poked_meanwhile() -> None:
        bench.supervisor.plugged()
        raise DeviceAbsent("its node comes a moment later")

    bench = Bench(node, [*[fails(DeviceAbsent("x"))] * 8, poked_meanwhile, DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["absent", "ready"])
    assert bench.opened_at[9] - bench.opened_at[8] <= 0.25


async def test_a_poke_does_not_disturb_a_device_that_works(node: Path) -> None:
    bench = Bench(node, [DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["ready"])
        bench.supervisor.plugged()
        bench.driver.on_poll = fails(DeviceFault("x"))
        await wait_until_async(lambda: len(bench.opened_at) > 1)
        assert bench.opened_at[1] - bench.opened_at[0] >= 0.25  # the back-off is kept


# --- unplugged -----------------------------------------------------------------------------------


async def test_a_device_that_does_not_notice_is_absent_all_the_same(node: Path) -> None:
    bench = Bench(node, [DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["ready"])
        bench.supervisor.unplugged()
        await wait_until_async(lambda: bench.states[:2] == ["ready", "absent"], 2)
        assert bench.told[1].code == "DEV-105"
        await wait_until_async(lambda: bench.driver.calls[-1:] != ["close"])


async def test_its_own_error_is_told_where_it_has_one(node: Path) -> None:
    bench = Bench(node, [DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["ready"])
        bench.supervisor.unplugged()
        bench.driver.on_poll = fails(DeviceLost("/dev/ttyUSB0 went away", code="SER-105"))
        await wait_until_async(lambda: bench.states[:2] == ["ready", "absent"])
        assert bench.told[1].code == "SER-105"


async def test_an_old_unplugging_does_not_end_what_was_opened_since(node: Path) -> None:
    bench = Bench(node, [DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["ready"])
        bench.supervisor.unplugged(opened_before=bench.opened_at[0])
        assert bench.supervisor._pulled is not None  # noqa: SLF001
        assert not bench.supervisor._pulled.done()  # noqa: SLF001
        bench.supervisor.unplugged(opened_before=bench.opened_at[0] + 0.1)
        await wait_until_async(lambda: bench.states[:2] == ["ready", "absent"])


async def test_after_a_suspend_it_is_opened_again_at_once(node: Path) -> None:
    bench = Bench(node, [DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["ready"])
        bench.supervisor.reopen("the PC was suspended")
        await wait_until_async(lambda: bench.states == ["ready", "absent", "ready"])
        assert bench.told[1].reason == "the PC was suspended"
        assert bench.opened_at[1] - bench.opened_at[0] <= 0.25


async def test_after_a_suspend_no_pause_is_kept(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = Clock.sleep

    async def sleep_or_wake_up(clock: Clock, seconds: float) -> None:
        if len(bench.opened_at) == 8 and clock.now - bench.opened_at[7] > 2:
            bench.supervisor.reopen("the PC was suspended")
        await sleep(clock, seconds)

    monkeypatch.setattr(Clock, "sleep", sleep_or_wake_up)
    bench = Bench(node, [*[fails(DeviceBusy("x"))] * 8, DeviceInfo])
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["held", "ready"])
    assert bench.opened_at[8] - bench.opened_at[7] <= 2.5


# --- flapping ------------------------------------------------------------------------------------


async def lose(bench: Bench, times: int) -> None:
    """Let the device go away so often, as soon as it is ready."""
    for _ in range(times):
        await wait_until_async(lambda: bench.supervisor.usable)
        opened = len(bench.opened_at)
        bench.driver.on_poll = fails(DeviceLost("x"))
        await wait_until_async(lambda opened=opened: len(bench.opened_at) > opened)  # type: ignore[misc]


async def test_five_losses_within_a_minute_need_attention(node: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hall-edge")
    bench = Bench(node, [DeviceInfo])
    async with running(bench):
        await lose(bench, LOSSES - 1)
        assert "attention" not in bench.states
        await lose(bench, 1)
        await wait_until_async(lambda: bench.supervisor.usable)
        assert bench.told[-2].state == "attention"
        assert (bench.told[-2].code, bench.told[-2].reason) == (
            "DEV-109",
            "flapping: it went away 5 times within a minute",
        )
        assert (bench.told[-1].state, bench.told[-1].code) == ("ready", "DEV-109")  # it works, and a person should look
        said = len(caplog.records)
        await lose(bench, 8)
        await wait_until_async(lambda: bench.supervisor.usable)
        assert len(caplog.records) == said  # nothing new
        pauses = [later - earlier for earlier, later in zip(bench.opened_at, bench.opened_at[1:], strict=False)][-8:]
        assert [round(pause) for pause in pauses] == [2, 4, 8, 10, 10, 10, 10, 10]
        assert bench.supervisor.failures > 8  # whatever the usual back-off would be by now
        bench.clock.now += WITHIN_S + 1
        await wait_until_async(lambda: (bench.told[-1].state, bench.told[-1].code) == ("ready", None))
        await lose(bench, 1)
        await wait_until_async(lambda: bench.supervisor.usable)
        assert [state.state for state in bench.told[-2:]] == ["absent", "ready"]


async def test_a_flapping_device_that_stays_away_is_absent_after_a_minute(node: Path) -> None:
    bench = Bench(node, [DeviceInfo])
    async with running(bench):
        await lose(bench, LOSSES - 1)
        await wait_until_async(lambda: bench.supervisor.usable)
        node.unlink()  # noqa: ASYNC240
        bench.driver.on_poll = fails(DeviceLost("x"))
        await wait_until_async(lambda: bench.states[-1] == "attention")
        await wait_until_async(lambda: bench.states[-1] == "absent")
    attention, absent = bench.told[-2:]
    assert attention.state == "attention"
    assert absent.since - attention.since > WITHIN_S


def test_slow_losses_and_other_faults_are_no_flapping() -> None:
    clock = Clock()
    flapping = Flapping(clock)
    for _ in range(50):
        flapping.lost()
        assert not flapping.active
        assert flapping.pause_s == 0
        clock.now += WITHIN_S / (LOSSES - 1) + 0.1


async def test_a_device_that_fails_for_other_reasons_is_not_flapping(node: Path) -> None:
    bench = Bench(node, [DeviceInfo])
    async with running(bench):
        for _ in range(LOSSES + 1):
            await wait_until_async(lambda: bench.supervisor.usable)
            opened = len(bench.opened_at)
            bench.driver.on_poll = fails(DeviceFault("x"))
            await wait_until_async(lambda opened=opened: len(bench.opened_at) > opened)  # type: ignore[misc]
        assert set(bench.states) == {"ready", "fault"}


# --- notices -------------------------------------------------------------------------------------


async def test_a_notice_is_shown_while_the_device_works_and_logged_once(
    node: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(node, [DeviceInfo])
    bench.supervisor.on_ready = lambda device: device.tell(SWAPPED)
    async with running(bench):
        await wait_until_async(lambda: bench.states == ["ready"])
        assert bench.told[0].reason == SWAPPED.reason
        bench.driver.on_poll = fails(DeviceFault("x"))
        await wait_until_async(lambda: bench.states == ["ready", "fault", "ready"])
        assert [state.code for state in bench.told] == ["SYS-131", "DEV-107", "SYS-131"]
        assert caplog.text.count(SWAPPED.reason) == 1
        bench.supervisor.tell(None)
        assert (bench.told[-1].state, bench.told[-1].code) == ("ready", None)
