"""A driver in a process of its own does, and is told, exactly what one in a thread is."""

from __future__ import annotations

import asyncio
import logging
import statistics
import threading
import time
from pathlib import Path

import pytest

from edge.driver import DeviceInfo
from edge.envelope import BadPayload
from edge.errors import ConfigError, DeviceProtocol, StoreError
from edge.events import Evaluate, Params, Rated
from edge.lanes.thread import DriverBug
from edge.logs import Elsewhere
from tests.core.drivers_rig import Watched, fails
from tests.core.process_drivers import Patient
from tests.core.process_rig import Apart, ask, gone, notes, status
from tests.core.process_tales import KINDS
from tests.core.samples import CANARY
from tests.support.wait import wait_until_async

SOON_S = 0.1


def levels(apart: Apart) -> list[list[int]]:
    return [[event.level for event in batch if isinstance(event, Rated)] for batch in apart.accepted.batches]


def note(file: Path) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write("durable\n")


# --- events --------------------------------------------------------------------------------------


async def test_a_list_is_accepted_as_a_whole() -> None:
    async with Apart(on_poll="as_list") as apart, apart.serving():
        await wait_until_async(lambda: apart.accepted.batches)
        assert levels(apart) == [[1, 2, 3]]


async def test_a_list_may_be_larger_than_a_datagram() -> None:
    async with Apart(on_poll="many") as apart, apart.serving():
        await wait_until_async(lambda: apart.accepted.batches)
        assert [len(batch) for batch in apart.accepted.batches] == [2000]


async def test_a_generator_goes_on_only_when_its_event_is_durable(tmp_path: Path) -> None:
    file = tmp_path / "notes"
    async with Apart(on_poll="one_by_one", file=str(file)) as apart:
        apart.accepted.on_batch = lambda: note(file)
        async with apart.serving():
            await wait_until_async(lambda: notes(file)[-1:] == ["the generator ends"])
    steps = [[f"before {level}", "durable", f"after {level}"] for level in (1, 2, 3)]
    assert notes(file) == [*(step for three in steps for step in three), "the generator ends"]
    assert levels(apart) == [[1], [2], [3]]


async def test_an_event_that_is_not_taken_is_not_acknowledged_to_the_device(tmp_path: Path) -> None:
    file = tmp_path / "notes"
    async with Apart(on_poll="one_by_one", on_close="noted", file=str(file)) as apart:
        apart.accepted.on_batch = fails(StoreError("full"))
        assert isinstance(await apart.error(), StoreError)
    assert notes(file) == ["before 1", "the generator ends", "closed"]


async def test_a_flood_waits_for_the_daemon() -> None:
    """While an event is not accepted the driver makes no other: nothing piles up anywhere."""
    disk = threading.Event()

    def slow() -> None:
        disk.wait(0.05)

    async with Apart(Patient, on_poll="flood") as apart:
        apart.accepted.on_batch = slow
        async with apart.serving():
            await wait_until_async(lambda: len(apart.accepted.batches) > 3)
            assert apart.driver.beats < 4 * len(apart.accepted.batches) + 10
            disk.set()


@pytest.mark.parametrize("deed", ["unfit", "not_encodable"])
async def test_an_event_that_does_not_fit_is_refused(deed: str) -> None:
    async with Apart(on_poll=deed) as apart:
        error = await apart.error()
        assert isinstance(error, BadPayload)
        assert "rated" in error.message
        assert not apart.accepted.batches


# --- errors --------------------------------------------------------------------------------------


async def test_an_error_of_ours_arrives_as_it_is_and_leaves_the_process_running(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    async with Apart(asked=str(asked)) as apart:
        await apart.lane.open()
        pid = apart.pid
        for kind in KINDS:
            ask(asked, kind.__name__)
            with pytest.raises(kind) as caught:
                await apart.lane.serve()
            assert type(caught.value) is kind
            assert (caught.value.message, caught.value.code, caught.value.action) == ("seen", "TST-101", "do this")
        assert apart.pid == pid


async def test_an_error_that_only_its_driver_knows_arrives_as_the_nearest_of_ours() -> None:
    async with Apart(on_poll="own_error") as apart:
        error = await apart.error()
    assert isinstance(error, DeviceProtocol)
    assert (error.message, error.code) == ("mine", "TST-102")


async def test_a_missing_package_is_told() -> None:
    async with Apart(on_open="missing") as apart:
        error = await apart.error()
    assert isinstance(error, ConfigError)
    assert "install it" in str(error)


@pytest.mark.parametrize(
    ("deed", "kind"), [("bug", "ValueError"), ("bug_later", "KeyError"), ("leave_by_the_door", "SystemExit")]
)
async def test_a_bug_is_told_by_its_place_and_without_its_words(deed: str, kind: str) -> None:
    async with Apart(on_poll=deed) as apart:
        error = await apart.error()
        assert isinstance(error, DriverBug)
        assert error.message == f"{kind} in the driver"
        assert isinstance(error.__cause__, Elsewhere)
        assert "process_deeds.py:" in str(error.__cause__)
        assert CANARY not in f"{error!r} {error} {error.__cause__}"


async def test_a_driver_that_cannot_be_made_is_a_bug() -> None:
    async with Apart(on_open="no-such-deed") as apart:
        error = await apart.error()
    assert isinstance(error, DriverBug)
    assert error.message == "KeyError in the driver"


# --- commands ------------------------------------------------------------------------------------


async def test_a_command_is_carried_out_with_its_progress() -> None:
    async with Apart(on_execute="answers") as apart, apart.serving():
        job = Watched(case="c-1")
        apart.lane.run(job.job)
        await wait_until_async(lambda: job.ends)
        assert job.ends == [(["id-1"], None)]
        assert job.progress == ["began"]
        assert apart.accepted.cases == ["c-1"]
        (rated,) = apart.accepted.batches[0]
        assert isinstance(rated, Rated)
        assert (rated.session, rated.level, rated.dwell_ms) == (job.job.request_id, 4, Evaluate().timeout_s)


async def test_a_cancel_ends_a_command_at_once() -> None:
    async with Apart(on_execute="until_cancelled") as apart, apart.serving():
        took_s = []
        for _ in range(7):
            job = Watched()
            apart.lane.run(job.job)
            await job.reports("waits")
            began = time.monotonic()
            job.job.cancel()
            await job.ended()
            took_s.append(time.monotonic() - began)
            assert job.code == "CMD-106"
        assert statistics.median(took_s) < SOON_S


async def test_a_deadline_ends_a_command() -> None:
    async with Apart(on_execute="until_cancelled") as apart, apart.serving():
        job = Watched(deadline_s=0.3)
        apart.lane.run(job.job)
        await wait_until_async(lambda: job.ends)
        assert job.code == "CMD-107"


async def test_a_long_command_that_checks_is_not_hung() -> None:
    async with Apart(on_execute="until_cancelled") as apart, apart.serving() as serving:
        job = Watched()
        apart.lane.run(job.job)
        done, _ = await asyncio.wait([serving], timeout=3.0)  # more than a call may hang
        assert not done
        job.job.cancel()
        await wait_until_async(lambda: job.ends)
        assert job.code == "CMD-106"


async def test_a_refused_command_leaves_the_device_open() -> None:
    async with Apart(on_execute="fails") as apart, apart.serving() as serving:
        pid = apart.pid
        job = Watched()
        apart.lane.run(job.job)
        await wait_until_async(lambda: job.ends)
        assert job.code == "CMD-104"
        assert not serving.done()
        assert apart.pid == pid


class Unheard(Params, frozen=True, kw_only=True):
    """A command that no driver knows."""

    kind = "system"
    command = "unheard"


async def test_a_command_that_the_driver_does_not_know_is_refused() -> None:
    async with Apart(on_execute="answers") as apart, apart.serving():
        job = Watched()
        job.job.command = Unheard()
        apart.lane.run(job.job)
        await wait_until_async(lambda: job.ends)
        assert job.code == "CMD-104"


async def test_a_command_interrupts_a_waiting_poll() -> None:
    async with Apart(on_execute="answers") as apart, apart.serving():
        apart.driver.longest_wait_s = 30.0
        took_s = []
        for _ in range(5):
            await wait_until_async(lambda: status(apart.pid) == "S")
            job = Watched()
            began = time.monotonic()
            apart.lane.run(job.job)
            await job.ended()
            took_s.append(time.monotonic() - began)
        assert statistics.median(took_s) < SOON_S  # a poll waits for 1 s


# --- the device as the core sees it --------------------------------------------------------------


async def test_proof_of_life_and_simulation_cross() -> None:
    async with Apart(on_poll="proved") as apart:
        assert apart.port.last_proof is None
        async with apart.serving():
            proof = await wait_until_async(lambda: apart.port.last_proof)
            assert 0 <= apart.port.monotonic() - proof < 5
            assert not apart.port.simulated


async def test_what_a_driver_logs_is_written_by_the_daemon(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hall-edge")
    async with Apart(on_poll="talkative") as apart, apart.serving():
        await wait_until_async(lambda: len(caplog.records) > 1)
    first, second = (record for record in caplog.records)
    assert (first.getMessage(), first.__dict__["fields"]) == (
        "page scanned",
        {"device": "dev-1", "pages": 3, "duplex": True},
    )
    assert (second.getMessage(), second.__dict__["fields"]["library"]) == ("odd %s", "some.library")
    assert second.levelname == "WARNING"


async def test_it_can_be_closed_and_opened_again() -> None:
    async with Apart() as apart:
        pids = set()
        for _ in range(3):
            assert await apart.lane.open() == DeviceInfo(model="Doll")
            pids.add(pid := apart.pid)
            await asyncio.to_thread(apart.driver.close)
            apart.driver.close()
            await gone(pid)
        assert len(pids) == 3
