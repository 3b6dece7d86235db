"""The set of devices: what stays is the same object, what leaves is closed before what comes is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge import devices as module
from edge.config import Device
from edge.devices import Devices
from edge.driver import Settings
from edge.errors import DeviceAttention
from edge.links.address import Address
from edge.supervisor import Supervisor
from tests.core.drivers_rig import Hang, Patient, Told
from tests.support.wait import wait_until_async


def configured(node: Path, name: str, *, driver: type[Told] = Told, mode: Any = "live", enabled: bool = True) -> Device:
    node.touch()
    return Device(
        name=name, driver="told", driver_type=driver, address=Address("serial", str(node), {}), mode=mode,
        enabled=enabled, settings=Settings(), personal=False,
    )  # fmt: skip


class Bench:
    """The devices under test, and what was told of them."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.between: list[set[str]] = []
        self.devices = Devices(lambda *_: ())
        self.devices.changed = lambda device: self.told.append((device.name, device.current.state))

    async def between_both(self) -> None:
        self.between.append({task.get_name() for task in self.devices.tasks()})

    async def change(self, *wanted: Device) -> Any:
        return await self.devices.change(self.devices.plan(wanted), self.between_both)

    async def ready(self, *names: str) -> None:
        await wait_until_async(lambda: all(self.devices[name].current.state == "ready" for name in names))


@asynccontextmanager
async def running(*wanted: Device) -> AsyncIterator[Bench]:
    bench = Bench()
    await bench.devices.begin(bench.devices.plan(wanted))
    try:
        yield bench
    finally:
        tasks: Sequence[asyncio.Task[None]] = bench.devices.tasks()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def driver_of(device: Supervisor) -> Told:
    assert isinstance(device.driver, Told)
    return device.driver


async def test_what_is_equal_stays_the_same_and_the_rest_changes(tmp_path: Path) -> None:
    one, two = configured(tmp_path / "a", "one"), configured(tmp_path / "b", "two")
    gone = configured(tmp_path / "c", "gone")
    async with running(one, two, gone) as bench:
        await bench.ready("one", "two", "gone")
        before, lanes = dict(bench.devices), bench.devices.moves()
        assert all(lanes.values())
        other = configured(tmp_path / "b", "two", mode="maintenance")
        new = configured(tmp_path / "d", "new")
        changes = await bench.change(configured(tmp_path / "a", "one"), other, new)
        assert changes._asdict() == {"kept": ("one",), "opened": ("new",), "reopened": ("two",), "closed": ("gone",)}
        await bench.ready("two", "new")
        assert bench.between == [{"one"}]  # what leaves has left, and what comes has not begun
        assert bench.devices["one"] is before["one"]
        assert driver_of(before["one"]).calls == ["open"]
        assert [driver_of(before[name]).calls for name in ("two", "gone")] == [["open", "close"]] * 2
        assert bench.devices["two"] is not before["two"]
        assert bench.devices.configured("two").mode == "maintenance"
        assert list(bench.devices) == ["one", "two", "new"]


async def test_a_device_that_left_is_heard_of_no_more(tmp_path: Path) -> None:
    async with running(configured(tmp_path / "a", "one")) as bench:
        await bench.ready("one")
        old = bench.devices["one"]
        await bench.change(configured(tmp_path / "a", "one", enabled=False))
        bench.told.clear()
        old._enter("fault")  # noqa: SLF001
        assert not bench.told
        assert not bench.devices


async def test_names_may_be_swapped(tmp_path: Path) -> None:
    """Each then has the other's device: both are closed before one is opened."""
    async with running(configured(tmp_path / "a", "one"), configured(tmp_path / "b", "two")) as bench:
        await bench.ready("one", "two")
        await bench.change(configured(tmp_path / "b", "one"), configured(tmp_path / "a", "two"))
        assert bench.between == [set()]
        await bench.ready("one", "two")


async def test_what_is_held_stays_held_when_it_is_new(tmp_path: Path) -> None:
    async with running() as bench:
        bench.devices.hold(DeviceAttention("there is no room for events", code="STO-120"))
        await bench.change(configured(tmp_path / "a", "one"))
        await wait_until_async(lambda: bench.devices["one"].current.code == "STO-120")
        assert driver_of(bench.devices["one"]).calls == ["close"] * driver_of(bench.devices["one"]).calls.count("close")
        bench.devices.hold(None)
        await bench.ready("one")


async def test_one_that_hangs_is_not_waited_for_and_still_looked_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSE_S", 0.2)
    hang = Hang()
    async with running(configured(tmp_path / "a", "one", driver=Patient)) as bench:
        await bench.ready("one")
        driver_of(bench.devices["one"]).on_poll = hang
        await wait_until_async(hang.begun.is_set)
        changes = await bench.change(configured(tmp_path / "b", "one"))
        assert changes.reopened == ("one",)
        await bench.ready("one")
        assert set(bench.devices.moves()) == {"one", "one (leaving)"}
        hang.let_go()
        await wait_until_async(lambda: set(bench.devices.moves()) == {"one"})
