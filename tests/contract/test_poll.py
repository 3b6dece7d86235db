"""Poll: bounded whatever the device does, interrupted by a command, and silence is not health."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import cycle

import pytest

from edge.driver import Driver
from edge.errors import DeviceError, DeviceProtocol, DeviceTimeout
from tests.contract.desk import Desk, checked, device_error, nothing_left
from tests.contract.harness import Call
from tests.support.wait import wait_until

WAIT_S = 0.4
ROUNDS = 40
PATIENT_S = 10.0
WOKEN_S = 0.5
SHARP_S = 2.0


def shouts() -> dict[str, Callable[[], bytes]]:
    """Return what a broken device may send without end."""
    rng = random.Random(7)
    pieces = cycle([b"\xaa\xaa\xaa\x96\x69", b"\x55\xaa\xff", b"\x02\xff\xff", b"\xff\x68\x40\x40\x68", b"\r\n", b"1"])
    return {
        "noise": lambda: rng.randbytes(4096),
        "zeros": lambda: bytes(4096),
        "no end of line": lambda: b"7" * 4096,
        "false heads": lambda: b"".join(next(pieces) for _ in range(500)),
    }


def bounded_poll(driver: Driver) -> bool:
    """Poll once within the stated bound; return whether the device is still believed in."""
    clock = driver.port.monotonic
    began = clock()
    try:
        for event in driver.poll(WAIT_S):
            assert event.kind == driver.kind
    except DeviceError as error:
        checked(error)
        return False
    finally:
        assert clock() - began <= WAIT_S + driver.poll_limit_s
    return True


def test_it_returns_in_time_when_nothing_happens(desk: Desk) -> None:
    driver, _ = desk.opened()
    for _ in range(2):
        assert bounded_poll(driver)
    assert not list(driver.poll(0))


def test_it_returns_in_time_when_the_device_is_mute(line_desk: Desk) -> None:
    driver, port = line_desk.opened()
    port.mode = "silent"
    while bounded_poll(driver) and port.passed_s < ROUNDS * WAIT_S:
        pass
    assert port.passed_s > 0


@pytest.mark.parametrize("shout", shouts())
def test_it_returns_in_time_when_the_device_shouts(line_desk: Desk, shout: str) -> None:
    driver, port = line_desk.opened()
    port.noise = shouts()[shout]
    port.mode = "shouting"
    for _ in range(ROUNDS):
        if not bounded_poll(driver):
            break
    driver.close()
    port.mode = "live"
    line_desk.opened()


def test_opening_is_bounded_when_the_device_shouts(line_desk: Desk) -> None:
    port = line_desk.port()
    port.mode = "shouting"
    driver = line_desk.driver(port)
    try:
        driver.open()
    except DeviceError as error:
        checked(error)
    assert port.passed_s <= driver.poll_limit_s


def test_a_command_interrupts_a_waiting_poll(desk: Desk) -> None:
    driver, port = desk.opened(desk.bench.patient)
    began = time.monotonic()
    poll = Call(lambda: list(driver.poll(PATIENT_S)))
    wait_until(port.waiting.is_set, what="the poll waits")
    woken = time.monotonic()
    port.wake()
    poll.result()
    assert time.monotonic() - woken < WOKEN_S
    assert time.monotonic() - began < SHARP_S


def test_a_wake_before_a_poll_is_not_lost(desk: Desk) -> None:
    driver, port = desk.opened(desk.bench.patient)
    port.wake()
    began = time.monotonic()
    list(driver.poll(PATIENT_S))
    assert time.monotonic() - began < SHARP_S


def test_silence_is_not_health(line_desk: Desk) -> None:
    """A device that should answer and does not is stuck; one that need not either beats, or says that it may."""
    driver, port = line_desk.opened()
    if line_desk.bench.alive != "answers":
        assert (driver.proof_s is not None) == (line_desk.bench.alive == "beats")
        return
    port.mode = "silent"
    with device_error(DeviceTimeout):
        for _ in range(ROUNDS):
            list(driver.poll(WAIT_S))
    assert driver.proof_s is None or port.passed_s <= driver.proof_s + driver.poll_limit_s


def test_opening_a_mute_device_fails_if_it_should_answer(line_desk: Desk) -> None:
    port = line_desk.port()
    port.mode = "silent"
    driver = line_desk.driver(port)
    with nothing_left():
        if line_desk.bench.alive == "answers":
            with device_error(DeviceTimeout):
                driver.open()
        else:
            driver.open()
        assert port.passed_s <= driver.poll_limit_s
        driver.close()


def test_opening_something_else_is_no_timeout(line_desk: Desk) -> None:
    """What talks, but not this protocol, is the wrong device (FAULTS D19)."""
    port = line_desk.port()
    port.mode = "shouting"
    port.noise = lambda: b"+CREG: 1\r\n\r\nOK\r\n"
    driver = line_desk.driver(port)
    if line_desk.bench.alive == "answers":
        with device_error(DeviceProtocol):
            driver.open()
