"""Unplug in every state: the device is lost or absent, nothing half is published, nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from edge.errors import DeviceAbsent, DeviceLost
from edge.events import Payload
from tests.contract.desk import Desk, absent, device_error, nothing_left
from tests.contract.harness import Call, plain, polled
from tests.support.wait import wait_until

CUTS = 8
Settings = Mapping[str, Any] | None


def test_before_it_is_opened(desk: Desk) -> None:
    desk.unplug()
    with nothing_left():
        absent(desk.bench.made(desk.port()))
    desk.plug()
    desk.opened()


def test_after_it_was_opened(desk: Desk) -> None:
    desk.plug()
    with nothing_left():
        driver, _ = desk.opened()
        desk.unplug()
        with device_error(DeviceLost, DeviceAbsent):
            polled(driver)
        with device_error(DeviceAbsent):
            driver.close()
            driver.open()
        desk.plug()
        driver.open()
        driver.close()


def test_while_a_poll_waits(desk: Desk) -> None:
    driver, port = desk.opened(desk.bench.patient)
    poll = Call(lambda: list(driver.poll(10.0)))
    wait_until(port.waiting.is_set, what="the poll waits")
    desk.unplug()
    pulled = time.monotonic()
    with device_error(DeviceLost):
        poll.result()
        list(driver.poll(10.0))  # a driver may also find it out at its next pass
    assert time.monotonic() - pulled < desk.bench.notices_s


def test_while_a_command_waits(desk: Desk) -> None:
    if desk.bench.command is None:
        return
    driver, port = desk.opened()
    call, _ = desk.execute(driver, port, desk.job(port))
    desk.unplug()
    pulled = time.monotonic()
    with device_error(DeviceLost, *desk.bench.may_end_with):
        call.result()
    assert time.monotonic() - pulled < desk.bench.notices_s
    driver.close()
    desk.plug()
    desk.opened()


def test_before_a_command(desk: Desk) -> None:
    if desk.bench.command is None:
        return
    driver, port = desk.opened()
    desk.unplug()
    with device_error(DeviceLost):
        list(driver.execute(desk.bench.command, desk.job(port)))


@pytest.mark.parametrize("cut", range(CUTS))
def test_in_the_middle_of_what_the_device_says(line_desk: Desk, cut: int) -> None:
    settings = line_desk.bench.personal
    whole, size = _uncut(line_desk, settings)
    driver, port = line_desk.opened(settings)
    line_desk.cable.cut_after(max(1, size * cut // CUTS))
    seen: list[Payload] = []
    with device_error(DeviceLost):
        line_desk.eventful(driver, port, seen)
        polled(driver, lambda _: False)
    driver.close()
    assert not [event for event in _facts(seen) if event not in whole]
    line_desk.cable.plug()
    line_desk.opened(settings)


def _uncut(desk: Desk, settings: Settings) -> tuple[list[dict[str, object]], int]:
    """Return what comes of the bench's event when all goes well, and how many bytes the device says for it."""
    driver, port = desk.opened(settings)
    before = desk.cable.from_device
    events = desk.eventful(driver, port)
    size = desk.cable.from_device - before
    driver.close()
    assert events
    assert size
    return _facts(events), size


def _facts(events: list[Payload]) -> list[dict[str, object]]:
    """Return what *events* say, but for how a session ended without the citizen."""
    return [plain(event) for event in events if event.type != "interrupted"]
