"""Less than the daemon needs: handles, permission, processor, memory. It gives way at its edge and comes back."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests.faults.host.rig import GUN, starved
from tests.support.tiers import evidence, tiers
from tests.support.truth import Told, expect, fault, taken_back
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest
from tests.whole.isolated import BACK_S, state, worker_of

SPARE = 14
CALLERS = 60
STARVED_S = 8.0
DEGRADED_S = 2.0
DEVICES: tuple[tuple[str, str, str, str | None, dict[str, object]], ...] = (
    ("gun-1", *GUN, None, {}),
    ("pad-1", "pad_hid", 'profile = "hid_keys"', "pad_hid", {"kind": "keys"}),
    ("id-1", "idcard_sdt", 'read = "presence"', "idcard_usb", {}),
    ("card-1", "card_pcsc", "", None, {}),
    ("camera-1", "camera_uvc", "", None, {}),
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


def five_devices(window: WindowUnderTest) -> None:
    for name, driver, lines, model, options in DEVICES:
        window.device(name, driver, lines, model=model, **options)


# --- handles -------------------------------------------------------------------------------------


@contextmanager
def crowd(path: Path) -> Iterator[None]:
    """Hold as many connections to the control socket as there can be; those that say nothing are cut off after 5 s."""
    callers = [socket.socket(socket.AF_UNIX) for _ in range(CALLERS)]
    try:
        for caller in callers:
            caller.settimeout(0.05)
            with suppress(OSError):  # its queue is full: the daemon takes no more now
                caller.connect(str(path))
        yield
    finally:
        for caller in callers:
            caller.close()


def told_more(window: WindowUnderTest, before: int) -> bool:
    """Return whether the window's status was heard again."""
    return len(window.tap.on("status")) > before


def test_callers_are_turned_away_before_devices_and_broker(window: WindowUnderTest) -> None:
    five_devices(window)
    window.start()
    assert window.process is not None
    in_hand = len(os.listdir(f"/proc/{window.process.pid}/fd"))  # noqa: PTH208
    resource.prlimit(window.process.pid, resource.RLIMIT_NOFILE, (in_hand + SPARE, in_hand + SPARE))
    scans = count(1)

    def scan() -> None:
        number = next(scans)
        window.bench.do(f"gun-1 scan H{number:04d}")
        window.tap.wait_events("scanned", number)

    for _ in range(2):
        window.bench.do("gun-1 unplug")
        window.wait_state("gun-1", "absent")
        with crowd(window.folder / "run" / "control.sock"):
            window.bench.do("gun-1 plug")
            wait_until(lambda: state(window, "gun-1") == "ready", 3.0, "a device can be opened among the crowd")
            for _ in range(10):
                scan()
            told = len(window.tap.on("status"))
            window.broker.kill()
            window.broker.start()
            wait_until(partial(told_more, window, told), 20, "the broker is back among the crowd")
            scan()
    expect(window, Told({name: ["ready"] for name, *_ in DEVICES}))
    codes = [event["data"]["text"] for event in window.tap.events("scanned")]
    assert codes == [f"H{number:04d}" for number in range(1, next(scans))]
    assert "Traceback" not in window.log_text


# --- permission ----------------------------------------------------------------------------------


def test_a_permission_that_is_lost_is_told_with_the_line_that_mends_it(window: WindowUnderTest) -> None:
    window.program = [sys.executable, "-m", "tests.faults.host.unprivileged"]
    window.device("gun-1", *GUN)
    window.start()
    node = window.bench.path("gun-1")

    def take() -> None:
        window.bench.do("gun-1 unplug")
        window.wait_state("gun-1", "absent")
        window.bench.do("gun-1 plug")
        node.chmod(0o000)

    with fault(window, Told({"gun-1": ["denied"]}), take, lambda: node.chmod(0o600)):
        told = window.tap.on("device/gun-1/status")[-1]
        assert told["code"] == "SER-102"
        assert str(node) in told["reason"] + told["action"]
        assert "71-hall-edge-window.rules" in told["action"]
    window.bench.do("gun-1 scan P1")
    window.tap.wait_events("scanned")


# --- processor -----------------------------------------------------------------------------------


def test_a_starved_daemon_calls_no_device_dead(window: WindowUnderTest) -> None:
    """One processor, three loops beside it that get nearly all of it."""
    five_devices(window)
    window.start()
    assert window.process is not None
    before = {name: len(window.tap.on(f"device/{name}/status")) for name, *_ in DEVICES}
    with starved(window.process.pid):
        end, number = time.monotonic() + STARVED_S, 0
        while time.monotonic() < end:
            number += 1
            window.bench.do(f"gun-1 scan C{number:04d}")
            window.tap.wait_events("scanned", number, 60)
    expect(window, Told({name: ["ready"] for name, *_ in DEVICES}))
    for name, *_ in DEVICES:
        assert {body["state"] for body in window.tap.on(f"device/{name}/status")[before[name] :]} <= {"ready", "busy"}
    assert window.process.poll() is None
    evidence("starved", trials=number, failures=0, seconds=STARVED_S)


# --- memory --------------------------------------------------------------------------------------


@pytest.mark.parametrize("trials", tiers(short=3, long=50))
def test_a_worker_that_the_kernel_kills_is_missed_at_once_and_replaced(window: WindowUnderTest, trials: int) -> None:
    """As its out-of-memory killer does; the daemon itself is killed in tests/faults/ledger."""
    window.program = [sys.executable, "-m", "tests.whole.patient"]  # else it waits longer each time
    window.device("gun-1", *GUN)
    window.device("card-1", "card_pcsc")
    window.device("camera-1", "camera_uvc")
    window.start()
    missed: list[float] = []
    back: list[float] = []
    for number in range(trials):
        for device in ("card-1", "camera-1"):
            pid = wait_until(lambda device=device: worker_of(window, device), BACK_S, f"{device} has a worker")  # type: ignore[misc]
            began = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda device=device: state(window, device) != "ready", BACK_S, f"{device} is missed")  # type: ignore[misc]
            missed.append(time.monotonic() - began)
            wait_until(lambda device=device: state(window, device) == "ready", BACK_S, f"{device} is back")  # type: ignore[misc]
            back.append(time.monotonic() - began)
        window.bench.do(f"gun-1 scan M{number:04d}")
        window.tap.wait_events("scanned", number + 1)
    slowest, longest = round(max(missed), 2), round(max(back), 2)
    evidence("worker-killed", trials=len(missed), failures=0, missed_s=slowest, back_s=longest)
    assert max(missed) <= DEGRADED_S
    taken_back(window, Told({"card-1": ["ready"], "camera-1": ["ready"]}))
    assert json.dumps(window.status())
