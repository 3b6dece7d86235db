"""What is told of a device, by its supervisor: in use, silent, hidden behind a changing name, failing after all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.config import Device
from edge.device_state import Notice
from edge.driver import DeviceInfo, Finding, Job, Settings
from edge.errors import DeviceAbsent, DeviceFault
from edge.links.address import Address
from edge.plugging.plugged import Plugged
from edge.port import DevicePort
from edge.selftest import devices
from edge.selftest.model import Check, Level
from edge.selftest.nodes import facts_of, unstable_name
from edge.supervisor import Supervisor
from tests.core.drivers_rig import Hang, Told, Watched, fails
from tests.support.wait import wait_until_async


class Window:
    """One device with a driver that does as told."""

    def __init__(self, node: Path, driver: type[Told] = Told) -> None:
        node.touch()
        self.driver_type, self.node = driver, node
        self.driver = driver(Settings(), None)
        self.around: list[Plugged] = []
        self.asked: list[tuple[str, float]] = []
        self.device = Device(
            name="dev-1", driver="told", driver_type=driver, address=Address("serial", str(node), {}), mode="live",
            enabled=True, settings=Settings(), personal=False,
        )  # fmt: skip
        self.supervisor = Supervisor("dev-1", self._make, lambda *_: [], lambda _: None)

    def _make(self) -> tuple[Told, DevicePort]:
        port = DevicePort("dev-1", self.device.address, plugged=lambda: self.around)
        self.driver.port = port
        return self.driver, port

    async def ready(self) -> None:
        await wait_until_async(lambda: self.supervisor.usable)

    async def checks(self, level: Level = "internal") -> list[Check]:
        made = devices.device_checks(self.device, self.supervisor, level, lambda *asked: self.asked.append(asked))
        return [check async for check in made]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "STEADY_S", 0.1)


@asynccontextmanager
async def running(window: Window) -> AsyncIterator[Window]:
    task = asyncio.create_task(window.supervisor.run())
    try:
        yield window
    finally:
        task.cancel()
        await asyncio.wait([task])


def codes(checks: list[Check]) -> list[tuple[str, str]]:
    return [(check.code, check.result) for check in checks]


async def test_a_device_that_says_nothing_by_itself_is_not_called_proven(tmp_path: Path) -> None:
    async with running(Window(tmp_path / "node")) as window:
        assert codes(await window.checks()) == [("DEV-001", "ok")]
        window.supervisor.port.proved()
        (check,) = await window.checks()
        assert (check.code, check.seen[:30]) == ("DEV-000", "it works: it last answered 0.0")
        assert check.details["proven_s_ago"] == 0.0


async def test_what_its_driver_finds_is_told_with_what_is_known_of_its_node(tmp_path: Path) -> None:
    async with running(Window(tmp_path / "node")) as window:
        window.driver.on_selftest = lambda level, _: [
            Finding(code="TRY-000", seen=level, details={"figure": 1}),
            Finding(code="TRY-101", result="warn", action="do this"),
        ]
        first, second = await window.checks("external")
        assert (first.part, first.name, first.code, first.seen) == ("device", "dev-1", "TRY-000", "external")
        assert first.details == {"driver": "told", "figure": 1}
        assert (second.code, second.result, second.action) == ("TRY-101", "warn", "do this")


async def test_a_person_is_asked(tmp_path: Path) -> None:
    def asks(_: Level, job: Job) -> Iterator[Finding]:
        job.report("TRY-201")
        job.report("not-a-code")
        yield Finding(code="TRY-000")

    async with running(Window(tmp_path / "node")) as window:
        window.driver.on_selftest = asks
        await window.checks("interactive")
        ((code, wait_s),) = window.asked
        assert code == "TRY-201"
        assert devices.LIMIT_S["interactive"] - 5 < wait_s <= devices.LIMIT_S["interactive"]


async def test_a_device_in_use_is_not_disturbed(tmp_path: Path) -> None:
    hang, command = Hang(), Watched()
    async with running(Window(tmp_path / "node")) as window:
        window.driver.on_execute = hang
        await window.ready()
        window.supervisor.start(command.job)
        await wait_until_async(lambda: window.supervisor.current.state == "busy")
        assert codes(await window.checks()) == [("DEV-003", "ok")]
        window.supervisor.port.proved()
        assert codes(await window.checks()) == [("DEV-002", "ok")]
        assert "selftest" not in window.driver.calls
        hang.let_go()
        await command.ended()


async def test_a_command_in_the_middle_goes_first_and_what_was_found_stays(tmp_path: Path) -> None:
    command = Watched()
    async with running(Window(tmp_path / "node")) as window:
        window.driver.on_selftest = lambda _level, job: _waiting(job)
        await window.ready()
        testing = asyncio.create_task(window.checks("interactive"))
        await wait_until_async(lambda: "selftest" in window.driver.calls)
        window.supervisor.start(command.job)
        await command.ended()
        assert command.code is None
        assert codes(await testing) == [("TRY-000", "ok"), ("DEV-003", "ok")]


async def test_a_device_that_is_given_up_in_the_middle_is_not_called_good(tmp_path: Path) -> None:
    window = Window(tmp_path / "node")
    window.driver.on_selftest = lambda _level, job: _waiting(job)
    async with running(window):
        await window.ready()
        testing = asyncio.create_task(window.checks("interactive"))
        await wait_until_async(lambda: "selftest" in window.driver.calls)
    assert codes(await testing) == [("TRY-000", "ok"), ("DEV-123", "fail")]


def _waiting(job: Job) -> Iterator[Finding]:
    yield Finding(code="TRY-000")
    while True:
        job.check()
        time.sleep(0.001)


async def test_one_that_takes_too_long_is_told_and_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Told):
        poll_limit_s = 30.0

    hang = Hang()
    monkeypatch.setattr(devices, "LIMIT_S", {"internal": 0.1})
    async with running(Window(tmp_path / "node", Slow)) as window:
        window.driver.on_selftest = lambda _level, _job: hang()
        assert codes(await window.checks()) == [("DEV-121", "warn")]
        hang.let_go()
        await window.ready()


async def test_a_device_that_fails_in_it_is_told_with_its_error(tmp_path: Path) -> None:
    error = DeviceFault("it is broken", code="TRY-102", action="replace it")
    async with running(Window(tmp_path / "node")) as window:
        window.driver.on_selftest = lambda _level, _job: fails(error)()
        (check,) = await window.checks()
        assert (check.code, check.result, check.seen, check.action) == ("TRY-102", "fail", "it is broken", "replace it")


async def test_a_device_that_is_back_is_told_as_working_at_once(tmp_path: Path) -> None:
    """Its next try by itself would come half a minute later."""
    async with running(Window(tmp_path / "node")) as window:
        window.driver.on_open = fails(DeviceFault("it is broken", code="TRY-102"))
        await wait_until_async(lambda: window.supervisor.failures > 3, 10)
        assert codes(await window.checks()) == [("TRY-102", "fail")]
        window.driver.on_open = DeviceInfo
        began = time.monotonic()
        assert codes(await window.checks()) == [("DEV-001", "ok")]
        assert time.monotonic() - began < 2


async def test_one_that_fails_again_at_its_first_poll_does_not_work(tmp_path: Path) -> None:
    async with running(Window(tmp_path / "node")) as window:
        window.driver.on_poll = fails(DeviceFault("it is broken", code="TRY-102"))
        await wait_until_async(lambda: window.supervisor.failures)
        for _ in range(3):
            assert codes(await window.checks()) == [("TRY-102", "fail")]


async def test_an_absent_device_is_told_without_waiting(tmp_path: Path) -> None:
    async with running(Window(tmp_path / "node")) as window:
        window.driver.on_open = fails(DeviceAbsent("it is not there", code="TRY-103"))
        await wait_until_async(lambda: window.supervisor.current.state == "absent")
        window.node.unlink()
        began = time.monotonic()
        assert codes(await window.checks()) == [("TRY-103", "fail")]
        assert time.monotonic() - began < 1


async def test_one_that_takes_its_time_to_open_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Told):
        poll_limit_s = 30.0

    hang = Hang()
    monkeypatch.setattr(devices, "SETTLE_S", 0.1)
    window = Window(tmp_path / "node", Slow)
    window.driver.on_open = lambda: hang() or DeviceInfo()
    async with running(window):
        assert codes(await window.checks()) == [("DEV-120", "warn")]
        hang.let_go()
        await window.ready()


async def test_what_should_be_known_of_a_device_that_works_is_a_warning(tmp_path: Path) -> None:
    async with running(Window(tmp_path / "node")) as window:
        await window.ready()
        window.supervisor.tell(Notice("another device than before is plugged in here", "SYS-131", "put it back"))
        assert codes(await window.checks()) == [("DEV-001", "ok"), ("SYS-131", "warn")]


def at(target: str, **more: Any) -> Device:
    return Device(
        name="dev-1", driver="told", driver_type=Told, address=Address("serial", target, more), mode="live",
        enabled=True, settings=Settings(), personal=False,
    )  # fmt: skip


CABLE = Plugged(
    "tty", "/dev/ttyUSB0", ("/dev/hall-edge/by-port/tty-1", "/dev/serial/by-id/x"), 0x1A86, 0x7523, port="1-1.4"
)


def test_a_name_that_changes_is_told_with_the_better_one() -> None:
    assert unstable_name(at("/dev/ttyUSB0"), [CABLE]) == "serial:///dev/hall-edge/by-port/tty-1"
    assert unstable_name(at("/dev/ttyUSB0"), [replace(CABLE, links=())]) == "?"
    assert unstable_name(at("/dev/serial/by-id/x"), [CABLE]) is None
    assert unstable_name(at("/dev/ttyS0"), None) is None
    assert unstable_name(at("1a86:7523"), [CABLE]) is None


def test_a_node_is_told_with_its_rights() -> None:
    facts = facts_of(at("/dev/null"), None)
    assert (facts["node"], facts["mode"]) == ("/dev/null", "crw-rw-rw-")
    assert {"owner", "group", "user"} <= facts.keys()
    assert facts_of(at("1a86:7523"), [CABLE])["port"] == "1-1.4"
    assert "mode" not in facts_of(at("/dev/hall-edge/nobody"), None)
