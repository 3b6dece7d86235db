"""Commands: unknown ones and unknown parameters are refused, a cancel and a deadline are honoured at once."""

from __future__ import annotations

import time

import msgspec
import pytest

from edge.driver import Driver
from edge.errors import DeviceError, JobCancelled, Unsupported
from edge.events import COMMANDS, Params
from tests.contract.desk import Desk, checked
from tests.contract.harness import Call, polled
from tests.recordings.script import ScriptJob

SOON_S = 0.5
DEADLINE_S = 0.3
MUTE_S = 5.0


class Unheard(Params, frozen=True, kw_only=True):
    """A command that no driver knows."""

    kind = "system"
    command = "unheard"


def test_its_commands_are_the_contracts(desk: Desk) -> None:
    driver_type = desk.bench.driver_type
    assert all(command in COMMANDS and command.kind == driver_type.kind for command in driver_type.commands)
    if driver_type.commands:
        assert desk.bench.command is not None, "name a command that waits in the entry of this driver"
    else:
        assert driver_type.execute is Driver.execute


def test_unknown_parameters_are_refused(desk: Desk) -> None:
    for command in desk.bench.driver_type.commands:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"no_such_parameter": 1}, command)


def test_an_unknown_command_is_refused(desk: Desk) -> None:
    if desk.bench.command is None:
        return
    driver, port = desk.opened()
    with pytest.raises(Unsupported) as caught:
        list(driver.execute(Unheard(), desk.job(port)))
    checked(caught.value)


def test_a_cancel_is_honoured_at_once(desk: Desk) -> None:
    if desk.bench.command is None:
        return
    driver, port = desk.opened()
    for _ in range(2):
        job = desk.job(port)
        call, _ = desk.execute(driver, port, job)
        job.cancel()
        cancelled = time.monotonic()
        with pytest.raises(JobCancelled) as caught:
            call.result()
        assert time.monotonic() - cancelled < SOON_S
        assert checked(caught.value).code == "CMD-106"
        polled(driver, lambda _: True)


def test_a_deadline_is_honoured_at_once(desk: Desk) -> None:
    if desk.bench.command is None:
        return
    driver, port = desk.opened()
    began = time.monotonic()
    call, _ = desk.execute(driver, port, desk.job(port, DEADLINE_S))
    with pytest.raises(JobCancelled) as caught:
        call.result()
    assert time.monotonic() - began < DEADLINE_S + SOON_S
    assert checked(caught.value).code == "CMD-107"


def test_a_cancelled_command_does_not_spoil_the_next(desk: Desk) -> None:
    if desk.bench.command is None:
        return
    driver, port = desk.opened()
    job = desk.job(port)
    call, _ = desk.execute(driver, port, job)
    job.cancel()
    with pytest.raises(JobCancelled):
        call.result()
    assert desk.eventful(driver, port)


def test_a_job_cancelled_before_it_begins_does_nothing(desk: Desk) -> None:
    if desk.bench.command is None:
        return
    driver, port = desk.opened()
    job = desk.job(port)
    job.cancel()
    call = Call(lambda: list(driver.execute(job.command, job)))
    with pytest.raises(JobCancelled):
        call.result(SOON_S * 4)


def test_a_command_to_a_mute_device_ends(line_desk: Desk) -> None:
    """By its deadline or by the device's error, and not later than the lane would believe in the driver."""
    if line_desk.bench.command is None:
        return
    driver, port = line_desk.opened()
    port.mode = "silent"
    job = ScriptJob(port, MUTE_S)
    with pytest.raises((JobCancelled, DeviceError)):
        list(driver.execute(line_desk.bench.command, job))
    assert port.passed_s <= MUTE_S + driver.poll_limit_s
