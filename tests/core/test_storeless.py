"""A window without a store, and one without room: it says so from memory, looks ready to nobody, and recovers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest


def pad(window: WindowUnderTest) -> None:
    window.device("pad-1", "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")


def store_of(window: WindowUnderTest) -> Path:
    return window.folder / "state" / "outbox.db"


@pytest.mark.slow
def test_without_a_store_it_says_so_and_goes_on_when_there_is_one(window: WindowUnderTest) -> None:
    pad(window)
    window.write_config()
    store_of(window).mkdir()  # nothing can be opened there
    window.start(ready=False)
    told = window.wait_state("pad-1", "attention")
    assert told["code"] == "STO-101"
    assert "disk" in told["action"]
    status = wait_until(lambda: window.tap.on("status"))[-1]
    assert (status["state"], status["code"]) == ("online", "STO-101")
    assert window.states() == {"pad-1": "attention"}  # hall-edge status says it too
    assert [one["code"] for one in window.status()["health"]["problems"]] == ["STO-101"]
    store_of(window).rmdir()
    window.wait_ready()
    window.wait_state("pad-1", "ready")
    assert "code" not in window.tap.on("status")[-1]
    epoch = window.tap.on("status")[-1]["epoch"]
    assert window.tap.on("device/pad-1/status")[-1]["epoch"] == epoch > 0
    asked = window.request("pad-1", "evaluate", {"timeout_s": 60})
    window.do("pad-1 wait-request 5")
    window.do("pad-1 press 5")
    assert asked.completion()["code"] == "ok"


@pytest.mark.slow
def test_without_a_store_a_signal_ends_it(window: WindowUnderTest) -> None:
    pad(window)
    window.write_config()
    store_of(window).mkdir()
    window.start(ready=False)
    window.wait_state("pad-1", "attention")
    assert window.stop() == 0
    assert wait_until(lambda: window.tap.on("status")[-1]["state"] == "offline")


@pytest.mark.slow
def test_without_room_no_device_looks_ready(window: WindowUnderTest) -> None:
    pad(window)
    window.extra = "[outbox]\nreserve_mb = 1000000\n"  # a terabyte
    window.start(ready=False)
    told = window.wait_state("pad-1", "attention")
    assert told["code"] == "STO-120"
    assert "ready" not in {status["state"] for status in window.tap.on("device/pad-1/status")}
    asked = window.request("pad-1", "evaluate", {"timeout_s": 60})
    assert asked.completion()["code"] == "refused"
    health = wait_until(lambda: window.tap.on("health"))[-1]
    assert health["disk"]["accepting"] is False
