"""Status and health are right within 15 s in every fault, and nothing is called ready that is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.broker import Broker
from tests.support.office import Office
from tests.support.tiers import evidence
from tests.support.truth import STATES, TRUE_S, Told, expect, fault, taken_back
from tests.support.wait import wait_until
from tests.support.window import BASE, HALL, WINDOW, WindowUnderTest, Wiretap

GUN = ("code_serial", 'content = "public"')
PROVEN_S = 60.0
HELD_S = 12
IMPATIENT = [sys.executable, "-m", "tests.faults.host.impatient"]


def does(window: WindowUnderTest, line: str) -> Callable[[], None]:
    return lambda: window.bench.do(line)


def shown(window: WindowUnderTest) -> tuple[int, str]:
    """Return the exit code and the text of ``hall-edge status``."""
    command = [sys.executable, "-m", "edge", "status", "--lang", "en", "--run", str(window.folder / "run")]
    env = {**os.environ, "COLUMNS": ""}  # in whole lines: readline, where it is loaded, sets the width of a terminal
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, env=env)
    return done.returncode, done.stdout


DEVICES: dict[str, tuple[str, str, str | None, dict[str, object], str, str, tuple[str, ...]]] = {
    "gun-1": (*GUN, None, {}, "unplug", "plug", ("absent",)),
    "pad-1": ("pad_hid", 'profile = "hid_keys"', "pad_hid", {"kind": "keys"}, "unplug", "plug", ("absent",)),
    "id-1": ("idcard_sdt", 'read = "presence"', "idcard_usb", {}, "unplug", "plug", ("absent",)),
    "id-2": ("idcard_sdt", 'read = "presence"', None, {}, "mute", "unmute", ("stuck",)),
    "card-1": ("card_pcsc", "", None, {}, "reader unplug", "reader plug", ("absent",)),
    "camera-1": ("camera_uvc", "", None, {}, "unplug", "plug", ("absent",)),
    "scanner-1": ("scanner_escl", "", None, {}, "unplug", "plug", ("absent",)),
}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_device_in_trouble_is_told_and_none_is_called_ready(window: WindowUnderTest) -> None:
    """All of them at the same time, and held so for a while: a retry that fails is no sign of life."""
    for name, (driver, lines, model, options, *_) in DEVICES.items():
        window.device(name, driver, lines, model=model, **options)
    window.start()
    slowest = 0.0
    with ExitStack() as faults:
        for name, (*_, begin, end, states) in DEVICES.items():
            told = Told({name: states})
            slow = fault(window, told, does(window, f"{name} {begin}"), does(window, f"{name} {end}"))
            slowest = max(slowest, faults.enter_context(slow))
        window.bench.do(f"wait {HELD_S}")  # every device is tried again in it
        assert shown(window)[0] == 1
    for name in DEVICES:
        window.wait_state(name, "ready")
        proof_s = window.tap.on(f"device/{name}/about")[-1].get("proof_s")
        proven = window.status()["devices"][name].get("last_proven")
        if proof_s is not None:
            age = datetime.now(UTC) - datetime.fromisoformat(proven)
            assert age.total_seconds() <= min(proof_s, PROVEN_S) + 1, name
    evidence("truth-devices", trials=len(DEVICES), failures=0, slowest_s=round(slowest, 2), limit_s=TRUE_S)


def test_a_broker_that_is_gone_or_frozen_is_told_on_the_spot(window: WindowUnderTest, broker: Broker) -> None:
    window.device("gun-1", *GUN)
    window.start()
    slowest = 0.0
    here = Told({"gun-1": ["ready"]}, ["MQT-101"], at_broker=False)
    with fault(window, here, broker.kill, broker.start) as took_s:
        slowest = max(slowest, took_s)
        code, text = shown(window)
        assert code == 1
        assert "! MQT-101 " in text
    frozen = Told({"gun-1": ["ready"]}, ["MQT-104"], at_broker=False)
    window.bench.do("gun-1 scan A1")

    def freeze() -> None:
        broker.freeze()
        window.bench.do("gun-1 scan A2")

    with fault(window, frozen, freeze, broker.thaw) as took_s:
        assert took_s <= 12.0
        slowest = max(slowest, took_s)
    assert shown(window)[0] == 0
    window.tap.wait_events("scanned", 2)
    evidence("truth-link", trials=2, failures=0, slowest_s=round(slowest, 2), limit_s=TRUE_S)


def test_a_daemon_that_is_killed_is_offline_within_15_s(window: WindowUnderTest) -> None:
    window.device("gun-1", *GUN)
    window.start()
    expect(window, Told({"gun-1": ["ready"]}))  # a device may be ready before the window is at its broker
    window.kill()
    took_s = expect(window, Told(window="offline", on_the_spot=False))
    evidence("truth-killed", trials=1, failures=0, slowest_s=round(took_s, 2), limit_s=TRUE_S)
    assert shown(window)[0] == 3
    window.start()
    taken_back(window, Told({"gun-1": ["ready"]}))


def test_events_that_nobody_hears_are_told_until_somebody_does(window: WindowUnderTest) -> None:
    window.tap.close()
    window.tap = Wiretap(window.broker.port, STATES)
    window.device("gun-1", *GUN)
    window.start()
    told = Told(codes=["SYS-141"])
    window.bench.do("gun-1 scan A1")
    expect(window, told)
    assert "nobody is subscribed to this window's events" in shown(window)[1]
    listener = Wiretap(window.broker.port)
    try:
        window.bench.do("gun-1 scan A2")
        taken_back(window, told)
    finally:
        listener.close()
    window.bench.do("gun-1 scan A3")
    expect(window, told)


def test_a_back_office_that_falls_silent_is_named(window: WindowUnderTest) -> None:
    window.program = IMPATIENT
    window.extra = '[[subscriber]]\nname = "case-system"\n'
    window.device("gun-1", *GUN)
    window.start()
    told = Told(codes=["SYS-143"])
    with Office(window.url, "case-system", HALL):
        window.bench.do("gun-1 scan A1")
        wait_until(lambda: window.status()["health"]["ladder"].get("confirmed") == "1", 10, "it is confirmed")
    window.bench.do("gun-1 scan A2")
    expect(window, told)
    assert "case-system has not acknowledged" in shown(window)[1]
    with Office(window.url, "case-system", HALL):
        taken_back(window, told)


def test_a_store_that_went_back_is_told(window: WindowUnderTest, tmp_path: Path) -> None:
    """A restore card puts the disk back at the start: the numbers of yesterday are given again."""
    window.extra = '[[subscriber]]\nname = "case-system"\n'
    window.device("gun-1", *GUN)
    state, before = window.folder / "state", tmp_path / "before"

    def confirmed(upto: int) -> None:
        wait_until(lambda: window.status()["health"]["ladder"].get("confirmed") == str(upto), 10, f"{upto} confirmed")

    with Office(window.url, "case-system", HALL) as office:
        window.start()
        window.bench.do("gun-1 scan A1")
        confirmed(1)
        window.stop()
        shutil.copytree(state, before)
        window.start()
        window.bench.do("gun-1 scan A2")
        confirmed(2)
        window.stop()
        shutil.rmtree(state)
        shutil.copytree(before, state)
        window.start()
        expect(window, Told(codes=["SYS-155"]))
        assert "restore card" in shown(window)[1]
        window.bench.do("gun-1 scan A3")
        confirmed(2)
        wait_until(lambda: len(office.events) >= 3, 30, "the new event under the old number")
        assert [(event.seq, event.data["text"]) for event in office.events] == [(1, "A1"), (2, "A2"), (2, "A3")]


def test_what_the_broker_refuses_is_told(short_path: Path) -> None:
    rules = short_path / "acl"
    may_write = [f"topic write {BASE}/{branch}\n" for branch in ("status", "health", "device/#")]
    rules.write_text("".join(["topic read #\n", *may_write]))
    rules.chmod(0o700)
    (short_path / "broker").mkdir()
    with Broker(short_path / "broker", extra=[f"acl_file {rules}"]) as strict:
        window = WindowUnderTest(short_path, strict)
        try:
            window.device("gun-1", *GUN)
            window.start()
            window.bench.do("gun-1 scan A1")
            expect(window, Told(codes=["SYS-142"]))
            assert "refused by the broker" in shown(window)[1]
        finally:
            window.close()


def test_another_one_with_our_name_is_told(window: WindowUnderTest) -> None:
    window.device("gun-1", *GUN)
    window.start()
    rival = paho.Client(CallbackAPIVersion.VERSION2, f"hall-edge-{HALL}-{WINDOW}", protocol=paho.MQTTv5)
    rival.on_connect = lambda client, *_: client.publish(
        f"{BASE}/status", b'{"state":"online","epoch":1,"boot":"another","version":"1","since":"now"}', 1, retain=True
    )
    try:
        rival.connect("127.0.0.1", window.broker.port)
        rival.loop_start()
        expect(window, Told(codes=["MQT-112"], at_broker=False))
    finally:
        rival.disconnect()
        rival.loop_stop()
        rival.on_connect = None
        del rival


def test_lab_mode_is_told_and_is_no_alarm(window: WindowUnderTest) -> None:
    window.device("gun-1", *GUN)
    window.start()
    expect(window, Told(codes=["SYS-147"]))
    code, text = shown(window)
    assert code == 0
    assert "- SYS-147 " in text
