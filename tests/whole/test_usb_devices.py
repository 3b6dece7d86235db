"""USB devices in the whole daemon: a reader over USB/IP and HID pads, read, rated, pulled out and plugged in again."""

from __future__ import annotations

import pytest

from tests.support.window import WindowUnderTest

pytestmark = pytest.mark.slow


def put(window: WindowUnderTest, name: str, model: str, driver: str, lines: str, **options: object) -> None:
    """Add a simulated device at the address that it tells."""
    window.bench.add(name, model, **options)
    window.foreign(name, driver, window.bench.address(name), lines)


def test_usb_devices_are_like_any_other(window: WindowUnderTest) -> None:
    put(window, "id-1", "idcard_usb", "idcard_sdt", 'read = "presence"\nfind_interval_s = 0.05', layout="two-pair")
    put(window, "pad-1", "pad_hid", "pad_hid", 'profile = "hid_keys"')
    put(window, "pad-2", "pad_hid", "pad_hid", 'profile = "hid_reports"', kind="reports")
    window.start()

    window.do("id-1 insert resident seed=1")
    (presented,) = window.tap.wait_events("presented")
    assert presented["mode"] == "simulated"
    for pad, press in (("pad-1", "press 5"), ("pad-2", "press 4")):
        asked = window.request(pad, "evaluate", {"timeout_s": 30})
        window.wait_state(pad, "busy")
        if pad == "pad-2":
            window.do("pad-2 wait-request")
        window.do(f"{pad} {press}")
        assert asked.completion()["code"] == "ok"
    assert [event["data"]["level"] for event in window.tap.wait_events("rated", 2)] == [5, 4]

    for name in ("id-1", "pad-1", "pad-2"):
        window.do(f"{name} unplug")
        window.wait_state(name, "absent")
        window.do(f"{name} plug")
        window.wait_state(name, "ready")
