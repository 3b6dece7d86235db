"""A driver's process that systemd starts for a connection: the same driver, the same care, another parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.errors import DeviceTimeout
from edge.events import Rated
from edge.lanes import spawn
from edge.lanes.spawn import SOCKETS, ProcessFault
from edge.links.address import Address
from tests.core.process_drivers import Doll, Patient
from tests.core.process_rig import Apart, children, gone, held, runs, told
from tests.support.units import driver_units
from tests.support.wait import wait_until_async


class Networked(Doll):
    """Reaches the network."""

    @classmethod
    def needs_network(cls, settings: Any, address: Address) -> bool:  # noqa: ARG003
        return True


def environment(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with driver_units(tmp_path) as folder:
        monkeypatch.setenv(SOCKETS, str(folder))
        yield folder


@pytest.mark.usefixtures("units")
async def test_it_serves_and_is_no_child_of_ours() -> None:
    async with Apart(on_poll="as_list") as apart, apart.serving():
        await wait_until_async(lambda: apart.accepted.batches)
        assert [event.level for event in apart.accepted.batches[0] if isinstance(event, Rated)] == [1, 2, 3]
        assert apart.pid not in children(os.getpid())
        assert os.getsid(apart.pid) == apart.pid


@pytest.mark.usefixtures("units")
@pytest.mark.parametrize(("driver", "unit"), [(Doll, "driver.sock"), (Networked, "netdriver.sock")])
async def test_its_unit_is_chosen_by_its_need_of_the_network(driver: type[Doll], unit: str) -> None:
    async with Apart(driver) as apart:
        await apart.lane.open()
        assert f"UNIT={unit}".encode() in environment(apart.pid)


@pytest.mark.usefixtures("units")
async def test_it_is_limited_and_has_the_environment_that_its_library_reads() -> None:
    assert (await told(on_open="limits")).model is not None
    assert (await told(on_open="environ", file="x")).firmware == "x@/nowhere"


@pytest.mark.usefixtures("units")
@pytest.mark.parametrize("deed", ["segfault", "kill", "leave", "crash_beside_a_picture"])
async def test_its_end_is_told_at_once(deed: str) -> None:
    async with Apart(Patient, on_poll=deed) as apart:
        began = time.monotonic()
        assert isinstance(await apart.error(), ProcessFault)
        assert time.monotonic() - began < 5.0
        assert apart.driver.pid is None


@pytest.mark.usefixtures("units")
async def test_a_crash_is_told_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    async with Apart(on_poll="segfault") as apart:
        await apart.error()
    fields = next(record.__dict__["fields"] for record in caplog.records if "ended" in record.getMessage())
    assert fields["where"].endswith(":string_at")


@pytest.mark.usefixtures("units")
@pytest.mark.parametrize("deed", ["hang", "stop", "hang_with_everything"])
async def test_one_that_hangs_is_ended(deed: str) -> None:
    async with Apart(on_poll=deed) as apart:
        await apart.lane.open()
        pid, began = apart.pid, time.monotonic()
        with pytest.raises(DeviceTimeout, match="DRV-104"):
            await apart.lane.serve()
        assert time.monotonic() - began < 3.0 + 1.0
        await gone(pid)


@pytest.mark.usefixtures("units")
async def test_it_ends_with_its_device() -> None:
    async with Apart() as apart:
        await apart.lane.open()
        pid = apart.pid
    await gone(pid)


@pytest.mark.usefixtures("units")
async def test_nothing_is_left_of_twenty_crashes() -> None:
    before = held()
    for _ in range(5):
        await asyncio.gather(*(_killed() for _ in range(4)))
    await wait_until_async(lambda: held() == before, 5, f"as before, {before}: {held()}")


async def _killed() -> None:
    async with Apart(Patient) as apart, apart.serving() as serving:
        pid = apart.pid
        os.kill(pid, signal.SIGKILL)
        await asyncio.wait([serving])
        assert not runs(pid)


async def test_without_the_units_it_is_said_what_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOCKETS, str(tmp_path))
    async with Apart() as apart:
        error = await apart.error()
    assert isinstance(error, ProcessFault)
    assert "ENOENT" in error.message
    assert "hall-edge-driver.socket" in error.action


async def test_a_unit_that_starts_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOCKETS, str(tmp_path))
    monkeypatch.setattr(spawn, "_COME_S", 0.2)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as deaf:
        deaf.bind(os.fspath(tmp_path / "driver.sock"))
        deaf.listen()
        async with Apart() as apart:
            silent = await apart.error()
            deaf.close()
            refused = await apart.error()
    assert isinstance(silent, ProcessFault)
    assert "no answer" in silent.message
    assert "ECONNREFUSED" in str(refused)
