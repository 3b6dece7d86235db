"""The whole daemon: its end, what it remembers over a restart, and what strangers on the broker can do to it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.wait import wait_until
from tests.support.window import BASE, WindowUnderTest, Wiretap

HUNG = """
import time
from edge.driver import DeviceInfo, Driver, Settings

class Hung(Driver):
    kind = "code-scanner"
    settings_type = Settings
    poll_limit_s = 600.0

    def open(self):
        return DeviceInfo()

    def poll(self, wait_s):
        time.sleep(600)

    def close(self):
        time.sleep(600)
"""


def pad(window: WindowUnderTest, name: str = "pad-1") -> None:
    window.device(name, "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")


def gun(window: WindowUnderTest, name: str = "gun-1") -> None:
    window.device(name, "code_serial", 'content = "public"')


# --- its end -------------------------------------------------------------------------------------


def test_its_end_completes_what_runs_and_says_offline(window: WindowUnderTest) -> None:
    pad(window)
    window.start()
    running = window.request("pad-1", "evaluate", {"timeout_s": 60})
    window.bench.do("pad-1 wait-request 30")
    waiting = window.request("pad-1", "evaluate", {"timeout_s": 60})
    waiting.wait("ack")
    began = time.monotonic()
    assert window.stop() == 0
    assert time.monotonic() - began < 1
    assert [request.completion()["code"] for request in (running, waiting)] == ["cancelled", "cancelled"]
    assert [reply["reply"] for reply in running.replies()].count("completion") == 1
    (interrupted,) = window.tap.wait_events("interrupted")
    assert interrupted["data"]["session"] == running.request_id
    wait_until(lambda: window.tap.on("status")[-1]["state"] == "offline")


def test_a_driver_that_hangs_does_not_hold_up_its_end(window: WindowUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that hung just now, and whose close() would hang too."""
    info = window.folder / "site" / "hung_driver-1.0.dist-info"
    info.mkdir(parents=True)
    (info.parent / "hung_driver.py").write_text(HUNG, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hung-driver\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[hall_edge.drivers]\nhung = hung_driver:Hung\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(info.parent))
    window.allow_drivers = '["hung-driver"]'
    window.foreign("hung-1", "hung", "serial:///dev/null")
    window.start()
    began = time.monotonic()
    assert window.stop() == 0
    assert time.monotonic() - began < 1
    assert "Traceback" not in window.log_text
    wait_until(lambda: window.tap.on("status")[-1]["state"] == "offline")


# --- restarts ------------------------------------------------------------------------------------


def test_a_request_that_a_kill_cut_off_does_not_run_again(window: WindowUnderTest) -> None:
    pad(window)
    window.start()
    cut_off = window.request("pad-1", "evaluate", {"timeout_s": 60})
    window.bench.do("pad-1 wait-request 30")
    window.kill()
    window.start()
    again = window.request("pad-1", "evaluate", request_id=cut_off.request_id)
    completion = again.completion()
    assert (completion["code"], completion["error"]["code"]) == ("device-error", "CMD-109")
    assert "ack" not in [reply["reply"] for reply in again.replies()]
    assert not window.tap.events()


def test_a_device_that_is_taken_out_leaves_no_state_behind(window: WindowUnderTest) -> None:
    gun(window)
    gun(window, "gun-2")
    window.start()
    assert window.stop() == 0
    window._devices.pop()  # noqa: SLF001  # as if the administrator had deleted its table
    window.start()
    topics = {f"{BASE}/device/gun-2/{name}" for name in ("status", "about")}
    wait_until(lambda: topics <= {topic for topic, body, _ in list(window.tap.messages) if not body})
    late = Wiretap(window.broker.port)
    wait_until(lambda: late.on("device/gun-1/status"))
    assert not late.on("device/gun-2/status")
    late.close()


# --- strangers on the broker ---------------------------------------------------------------------


def test_nonsense_from_the_broker_harms_nothing(window: WindowUnderTest) -> None:
    gun(window)
    pad(window)
    window.extra = '[[subscriber]]\nname = "case-system"\n'
    window.start()
    epoch = wait_until(lambda: window.tap.on("status"))[-1]["epoch"]
    bad = (b"", b"\xff\xfe", b"[" * 50_000, b'{"epoch": 1e400}', b'{"state": "offline", "epoch": [1]}', b"{" * 9)
    for branch in ("ack/case-system", "replay/case-system", "ack/stranger", "status", "request/pad-1/evaluate"):
        for body in bad:
            window.tap.publish(branch, body)
    missing = [["1", "1"]] * 1000
    window.tap.publish("ack/case-system", {"epoch": epoch, "upto_seq": "99999999999999999999", "missing": missing})
    window.tap.publish("status", {"state": "offline", "epoch": epoch - 1}, retain=True)
    window.tap.publish("status", {"state": "offline", "epoch": epoch}, retain=True)
    wait_until(lambda: window.tap.on("status")[-1]["state"] == "online", what="the stale last will is repaired")
    retained = window.request("pad-1", "evaluate", {"timeout_s": 5}, retain=True)
    window.bench.do("gun-1 scan A001")
    window.tap.wait_events("scanned")
    answered = window.request("pad-1", "cancel")
    assert answered.completion()["code"] == "ok"
    assert not retained.replies()
    assert window.process is not None
    assert window.process.poll() is None
    assert window.status()["health"]["link"]["connects"] == 1
    assert window.log_text.count("ignored: ") < 10  # strangers cannot fill the log

    window.tap.publish("status", {"state": "online", "epoch": epoch, "boot": "another PC", "since": "today"})
    wait_until(lambda: window.status()["health"]["link"].get("code") == "MQT-112", what="two PCs with one name")
    wait_until(lambda: any(b"another PC" in body for _, body, _ in list(window.tap.messages)), what="we hear it, too")
    window.tap.messages[:] = [message for message in window.tap.messages if message[0] != f"{BASE}/status"]  # our own


def test_what_can_never_be_sent_is_parked_and_told_once(short_path: Path) -> None:
    folder = short_path / "broker"
    folder.mkdir()
    with Broker(folder, extra=["max_packet_size 450"]) as broker:  # enough for states, not for events
        window = WindowUnderTest(short_path / "window", broker)
        gun(window)
        window.start()
        for number in range(1, 6):
            window.bench.do(f"gun-1 scan A00{number}")
            # its own report is too large as well, and that is not reported again
            parked = 2 * number
            wait_until(lambda parked=parked: window.status()["health"]["outbox"]["quarantined"] == parked)  # type: ignore[misc]
            ladder = window.status()["health"]["ladder"]
            assert (ladder["accepted"], ladder["brokered"]) == (str(parked), str(parked))
        assert not window.tap.events()
        window.close()
