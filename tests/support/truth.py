"""Whether the window tells the truth: what is retained at the broker and what ``hall-edge status`` says, in a fault.

Right within 15 s, no "ready" while the fault lasts, and taken back when it is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.wait import wait_until
from tests.support.window import BASE, WindowUnderTest

TRUE_S = 15.0
USABLE = ("ready", "busy")
STATES = (f"{BASE}/status", f"{BASE}/health", f"{BASE}/device/+/status")
"""What is retained about a window, without its events."""


@dataclass(frozen=True)
class Told:
    """What has to be told of a fault: states of devices, codes of problems, the window's own state."""

    devices: Mapping[str, Collection[str]] = field(default_factory=dict)
    codes: Collection[str] = ()
    window: str = "online"
    at_broker: bool = True
    """Whether the broker can know; else only the PC itself does."""
    on_the_spot: bool = True
    """Whether the daemon lives, so that the PC itself can tell."""


def wrong(window: WindowUnderTest, told: Told) -> str:
    """Return what is told that is not so, or not told that is; empty when all is right."""
    faults = []
    if told.at_broker:
        status = _last(window, "status").get("state")
        faults += [] if status == told.window else [f"the window's retained status is {status}"]
        if told.window == "online":
            faults += _wrong_in("retained", told, _devices(window, told), _last(window, "health"))
    if told.on_the_spot:
        now = window.status()
        states = {name: device["state"] for name, device in now.get("devices", {}).items()}
        faults += _wrong_in("hall-edge status", told, states, now.get("health", {}))
    return "; ".join(faults)


def _wrong_in(where: str, told: Told, states: Mapping[str, str], health: Mapping[str, Any]) -> Iterator[str]:
    for device, right in told.devices.items():
        if states.get(device) not in right:
            yield f"{where}: {device} is {states.get(device)}, not {'/'.join(right)}"
    codes = [problem["code"] for problem in health.get("problems", ())]
    for code in told.codes:
        if code not in codes:
            yield f"{where}: {code} is missing in {codes}"


def expect(window: WindowUnderTest, told: Told, within_s: float = TRUE_S) -> float:
    """Wait until all of *told* is told; return the seconds that took."""
    began = time.monotonic()
    while why := wrong(window, told):
        if time.monotonic() - began > within_s:
            raise AssertionError(f"not true after {within_s:g} s: {why}")
        time.sleep(0.05)
    return time.monotonic() - began


@contextmanager
def fault(
    window: WindowUnderTest, told: Told, begin: Callable[[], object], end: Callable[[], object]
) -> Iterator[float]:
    """Do *begin*, lend the seconds until the truth was told, do *end*, and wait until it is taken back.

    While the fault lasts, no device of *told* may be called usable again.
    """
    begin()
    took_s = expect(window, told)
    heard = len(window.tap.messages)
    try:
        yield took_s
        false = false_ready(window, heard, told.devices)
        assert not false, f"called usable in the middle of a fault: {false}"
    finally:
        end()
    taken_back(window, told)


def false_ready(window: WindowUnderTest, since: int, devices: Collection[str]) -> list[str]:
    """Return which of *devices* were called usable in what was heard after the first *since* messages."""
    said = []
    for device in devices:
        before = len([0 for topic, payload, _ in window.tap.messages[:since] if _is_status(topic, device) and payload])
        said += [device for body in window.tap.on(f"device/{device}/status")[before:] if body["state"] in USABLE]
    return said


def taken_back(window: WindowUnderTest, told: Told, within_s: float = 40.0) -> None:
    """Wait until nothing of *told* is told any more and its devices work again."""

    def over() -> bool:
        now = window.status()
        bodies = [now.get("health", {"problems": [{"code": code} for code in told.codes]}), _last(window, "health")]
        codes = {problem["code"] for body in bodies for problem in body.get("problems", ())}
        ready = all(_last(window, f"device/{device}/status").get("state") in USABLE for device in told.devices)
        return ready and not codes & set(told.codes) and _last(window, "status").get("state") == "online"

    wait_until(over, within_s, f"nothing is told any more of {told}: {window.status()}")


def _devices(window: WindowUnderTest, told: Told) -> dict[str, str]:
    return {device: _last(window, f"device/{device}/status").get("state", "unknown") for device in told.devices}


def _last(window: WindowUnderTest, suffix: str) -> dict[str, Any]:
    heard = window.tap.on(suffix)
    return heard[-1] if heard else {}


def _is_status(topic: str, device: str) -> bool:
    return topic == f"{BASE}/device/{device}/status"
