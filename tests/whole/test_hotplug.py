"""Plugging in, pulling out, swapping and loose cables: the whole daemon under a real libudev."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.plugboard import PlugBoard, UsbDevice
from tests.support.plugging import device_of, last, replug, since
from tests.support.wait import wait_until
from tests.support.window import BASE, WindowUnderTest

READERS, REPLUGS_EACH = 13, 4  # a fifth loss within a minute would be a bad cable
BACK_P99_S, GONE_S = 2.0, 1.0
FLAPS, FLAP_S = 10, 0.25
CPU_AT_1_HZ = 0.05
HUGE = "A\u202e\u0007" + "x" * 3000


@pytest.mark.slow
def test_a_replugged_device_is_the_same_one_on_any_port_under_any_node_name(
    window: WindowUnderTest, plugboard: PlugBoard, record_property: Callable[[str, object], None]
) -> None:
    places = {}
    for number in range(READERS):
        name = f"id-{number}"
        path = window.bench.add(name, "idcard_sdt")
        window.foreign(name, "idcard_sdt", f"serial:1a86:7523?serial=SN{number:02}")
        places[name] = path, UsbDevice(port=f"1-1.{number + 1}", serial=f"SN{number:02}", tty=f"ttyUSB{number}")
        plugboard.plug(places[name][1], path)
    window.device("gun-1", "code_serial", 'content = "public"')
    window.start()
    pid = window.status()["process"]["pid"]

    took = []
    for number, (name, (path, here)) in enumerate(places.items()):
        for moved in range(1, REPLUGS_EACH + 1):
            there = replace(here, port=f"1-{moved % 3 + 1}.{number + 1}", tty=f"ttyUSB{100 * moved + number}")
            took.append(replug(window, plugboard, name, path, here, there))
            here = there  # noqa: PLW2901
    gone, back = (sorted(times) for times in zip(*took, strict=True))
    figures = (
        f"{len(back)} replugs: absent p50 {gone[len(gone) // 2] * 1e3:.0f} ms, max {gone[-1] * 1e3:.0f} ms; "
        f"ready p50 {back[len(back) // 2] * 1e3:.0f} ms, p99 {back[int(len(back) * 0.99)] * 1e3:.0f} ms"
    )
    record_property("figures", figures)
    print(figures)  # noqa: T201
    assert gone[-1] <= GONE_S, figures
    assert back[int(len(back) * 0.99)] <= BACK_P99_S, figures
    assert {status["state"] for status in window.tap.on("device/gun-1/status")} <= {"starting", "ready"}
    assert window.status()["process"]["pid"] == pid
    for number, name in enumerate(places):
        window.bench.do(f"{name} insert resident seed={number}")
    assert {device_of(event) for event in window.tap.wait_events("presented", READERS)} == places.keys()


@pytest.mark.slow
def test_a_bad_cable_needs_attention_and_costs_nothing(
    window: WindowUnderTest, plugboard: PlugBoard, record_property: Callable[[str, object], None]
) -> None:
    path = window.bench.add("gun-1", "code_serial")
    window.foreign("gun-1", "code_serial", "serial:1a86:7523", 'content = "public"')
    gun = UsbDevice()
    plugboard.plug(gun, path)
    window.start()
    pid = window.status()["process"]["pid"]
    while last(window, "gun-1").get("code") != "DEV-109":
        replug(window, plugboard, "gun-1", path, gun, gun)
        assert window.log_text.count("info    device: the device is back") < 5
    now = last(window, "gun-1")
    assert now["reason"].startswith("flapping")
    assert since(window, 0, "gun-1", "attention")

    lines, heard, used = told(window), len(window.tap.messages), cpu_s(pid)
    for _ in range(FLAPS):
        window.bench.do("gun-1 unplug")
        plugboard.unplug(gun)
        time.sleep(FLAP_S / 2)  # the fault itself: a cable that comes and goes
        window.bench.do("gun-1 plug")
        plugboard.plug(gun, path)
        time.sleep(FLAP_S / 2)
    cost = (cpu_s(pid) - used) / FLAPS
    figures = f"{cost * 100:.1f} % of a CPU at one flap a second"
    record_property("figures", figures)
    print(figures)  # noqa: T201
    assert cost <= CPU_AT_1_HZ, figures
    assert told(window) == lines  # nothing more to say
    status = f"{BASE}/device/gun-1/status"
    assert sum(topic == status for topic, _, _ in window.tap.messages[heard:]) < FLAPS
    window.wait_state("gun-1", "ready", 15)  # tried again after 10 s at most


def told(window: WindowUnderTest) -> list[str]:
    return re.findall("(?:warning|info) +device: (.*)", window.log_text)


def cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_without_udev_it_only_takes_longer(window: WindowUnderTest, plugboard: PlugBoard) -> None:
    plugboard.udev = False
    path = window.bench.add("gun-1", "code_serial")
    window.foreign("gun-1", "code_serial", "serial:1a86:7523?serial=SN01", 'content = "public"')
    plugboard.plug(here := UsbDevice(serial="SN01"), path)
    window.start()
    gone_s, back_s = replug(window, plugboard, "gun-1", path, here, replace(here, port="1-2", tty="ttyUSB5"))
    assert gone_s <= GONE_S
    assert back_s <= BACK_P99_S


def test_an_address_that_fits_two_devices_names_them_until_one_is_pulled_out(
    window: WindowUnderTest, plugboard: PlugBoard
) -> None:
    path = window.bench.add("gun-1", "code_serial")
    window.foreign("gun-1", "code_serial", "serial:1a86:7523", 'content = "public"')
    one, two = (UsbDevice(port=f"1-1.{number}", tty=f"ttyUSB{number}") for number in (9, 10))
    plugboard.plug(one, path)
    plugboard.plug(two)
    window.start(ready=False)
    status = window.wait_state("gun-1", "attention")
    assert status["reason"] == "2 devices serial:1a86:7523 are plugged in, at 1-1.9 and 1-1.10"
    assert status["action"] == "say which one: add ?port=… to the address"
    plugboard.unplug(two)
    window.wait_state("gun-1", "ready")


def test_a_device_whose_driver_does_not_notice_is_absent_within_a_second(
    window: WindowUnderTest, plugboard: PlugBoard
) -> None:
    """Its link stays open: only udev says that it is gone."""
    path = window.bench.add("gun-1", "code_serial")
    window.foreign("gun-1", "code_serial", "serial:1a86:7523", 'content = "public"')
    plugboard.plug(gun := UsbDevice(), path)
    window.start()
    pulled = time.monotonic()
    plugboard.unplug(gun)
    window.wait_state("gun-1", "absent")
    assert time.monotonic() - pulled <= GONE_S
    plugboard.plug(gun, path)
    window.wait_state("gun-1", "ready")


def test_what_nobody_configured_is_left_alone_and_told_once(window: WindowUnderTest, plugboard: PlugBoard) -> None:
    window.device("gun-1", "code_serial", 'content = "public"')
    window.start()
    stranger = UsbDevice(ids="dead:beef", serial=HUGE, maker=HUGE, product=HUGE, tty="ttyUSB3")
    for _ in range(3):
        plugboard.plug(stranger)
        wait_until(lambda: "SYS-130" in window.log_text, what="the stranger is told")
        plugboard.unplug(stranger)
    plugboard.plug(replace(stranger, port="1-3", interface="030101", tty=None))
    wait_until(lambda: window.log_text.count("SYS-130") == 2, what="on another port it is told again")
    assert re.findall(r"usb=(\S+) port=(\S+)", window.log_text) == [("dead:beef", "1-1.4"), ("dead:beef", "1-3")]
    assert "xxxx" not in window.log_text
    assert "Traceback" not in window.log_text
    assert {status["state"] for status in window.tap.on("device/gun-1/status")} <= {"starting", "ready"}
