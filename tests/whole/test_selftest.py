"""The self-test of a whole window: while a citizen is served, two at once, without the daemon, over the broker."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge.errors import EdgeError
from edge.selftest.model import Begun, Message, Report
from edge.selftest.session import selftest
from edge.selftest.wire import AlreadyTesting
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

FULL = 'read = "full"\npurpose = "test"'
FIVE = ("id-1", "card-1", "camera-1", "scanner-1", "pad-1")
FIRST_LINE_S, WHOLE_S = 0.2, 10.0


def five_devices(window: WindowUnderTest) -> None:
    window.device("id-1", "idcard_sdt", FULL, read_time=1.0)
    window.device("card-1", "card_pcsc")
    window.device("camera-1", "camera_uvc")
    window.device("scanner-1", "scanner_escl")
    window.device("pad-1", "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")


def gun(window: WindowUnderTest) -> None:
    window.device("gun-1", "code_serial", 'content = "public"')


def report_of(messages: list[Message]) -> Report:
    assert isinstance(messages[0], Begun)
    assert isinstance(messages[-1], Report)
    return messages[-1]


def report_for(window: WindowUnderTest, **wanted: Any) -> Report:
    return report_of(list(selftest(str(window.config_path), **wanted)))


def results(report: Report) -> dict[str, str]:
    return {check.name: f"{check.code} {check.result}" for check in report.checks}


# --- with the daemon -----------------------------------------------------------------------------


@pytest.mark.slow
def test_five_devices(window: WindowUnderTest, record_property: Callable[[str, object], None]) -> None:
    """One window for all that needs five devices: they take their time to start."""
    five_devices(window)
    window.start()
    _a_citizen_who_is_served_notices_nothing(window, record_property)
    _it_leads_to_no_event_and_takes_no_number(window)
    _only_some_devices_and_none_that_there_is_not(window)
    _the_second_is_told_who_tests_and_who_leaves_ends_it(window)
    _the_back_office_asks_for_it(window)


def _a_citizen_who_is_served_notices_nothing(
    five: WindowUnderTest, record_property: Callable[[str, object], None]
) -> None:
    """Five devices in parallel: the first line at once, all within 10 s, a card read and a rating in flight."""
    rating = five.request("pad-1", "evaluate", {"timeout_s": 60}, deadline_s=90)
    five.do("pad-1 wait-request 5")
    five.do("id-1 insert resident seed=7")  # reading it takes a second
    began = time.monotonic()
    at: list[float] = []
    messages = []
    for message in selftest(str(five.config_path)):
        at.append(time.monotonic() - began)
        messages.append(message)
    report = report_of(messages)
    record_property("first_line_s", round(at[0], 3))
    record_property("whole_s", round(at[-1], 3))
    assert at[0] < FIRST_LINE_S
    assert at[-1] < WHOLE_S
    assert {check.name for check in report.checks if check.part == "device"} == set(FIVE)
    failed = [check for check in report.checks if check.result == "fail"]
    assert not failed
    five.do("pad-1 press 5")
    assert rating.completion()["code"] == "ok"
    (read,) = five.tap.wait_events("read")
    assert read["data"]["document"] == "prc-resident"
    assert len(five.tap.events("rated")) == 1
    assert not five.tap.events("interrupted")
    five.do("id-1 remove")
    five.tap.wait_events("removed")


def _it_leads_to_no_event_and_takes_no_number(five: WindowUnderTest) -> None:
    head = five.status()["health"]["head_seq"]
    before = len(five.tap.events())
    first, again = report_for(five), report_for(five)
    assert first.answer == "usable"
    assert [check.name for check in first.checks] == [check.name for check in again.checks]
    assert five.status()["health"]["head_seq"] == head
    assert [event for event in five.tap.events()[before:] if "specversion" in event] == []
    assert first.daemon
    assert results(first)["broker"] == "MQT-000 ok"
    assert results(first)["outbox"] == "STO-000 ok"


def _only_some_devices_and_none_that_there_is_not(five: WindowUnderTest) -> None:
    assert set(results(report_for(five, devices=("pad-1", "id-1")))) == {"pad-1", "id-1"}
    with pytest.raises(EdgeError) as caught:
        report_for(five, devices=("pad-9",))
    assert caught.value.code == "TST-107"


def _the_second_is_told_who_tests_and_who_leaves_ends_it(five: WindowUnderTest) -> None:
    with closing(selftest(str(five.config_path), level="interactive")) as first:
        assert isinstance(next(first), Begun)
        with pytest.raises(AlreadyTesting) as caught:
            report_for(five)
        assert caught.value.code == "TST-101"
        assert f"process {os.getpid()}, since 20" in caught.value.message
        asked = five.request("window", "selftest")
        refused = asked.completion()
        assert (refused["code"], refused["error"]["code"]) == ("busy", "TST-101")

    def free() -> Report | None:
        try:
            return report_for(five)
        except AlreadyTesting:
            return None

    assert wait_until(free, 5, "the window can be tested again").answer == "usable"


def _the_back_office_asks_for_it(five: WindowUnderTest) -> None:
    asked = five.request("window", "selftest", {"level": "internal"})
    assert asked.wait("ack")["position"] == 0
    completion = asked.completion(15)
    assert completion["code"] == "ok"
    (named,) = completion["events"]
    steps = [reply for reply in asked.replies() if reply["reply"] == "progress"]
    assert [step["step"] for step in steps] == list(range(1, len(steps) + 1))
    (event,) = five.tap.wait_events("selftest")
    assert (event["id"], event["type"]) == (named["id"], "hall.system.selftest.v1")
    assert event["data"]["answer"] == "usable"
    assert {one["name"] for one in event["data"]["checks"]} >= set(FIVE) | {"broker", "outbox"}
    assert event["data"]["checks"][0]["result"] == "warn"  # what is not well comes first
    again = five.request("window", "selftest", request_id=asked.request_id)
    assert again.completion() == completion
    assert len(five.tap.events("selftest")) == 1
    wrong = five.request("window", "selftest", {"level": "interactive"})  # nobody is known to stand there
    assert wrong.completion()["code"] == "invalid"


def test_who_may_not_is_told(window: WindowUnderTest) -> None:
    gun(window)
    window.allow = '["read"]'
    window.start()
    refused = window.request("window", "selftest").completion()
    assert (refused["code"], refused["error"]["code"]) == ("refused", "CMD-111")
    socket = window.folder / "run" / "control.sock"
    bad = list(_asked(socket, {"verb": "selftest", "level": "violent"}))
    assert bad[0]["error"]["code"] == "TST-106"


def _asked(path: Path, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    import socket

    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(10)
        caller.connect(str(path))
        caller.sendall(json.dumps(request).encode() + b"\n")
        with caller.makefile("rb") as lines:
            yield from map(json.loads, lines)


def test_a_daemon_that_dies_under_it(window: WindowUnderTest) -> None:
    gun(window)
    window.start()
    with closing(selftest(str(window.config_path), level="interactive")) as messages:
        next(messages)
        window.kill()
        with pytest.raises(EdgeError) as caught:
            list(messages)
    assert caught.value.code == "TST-104"
    assert results(report_for(window))["gun-1"].endswith(" ok")  # it left nothing behind that keeps the next one


@pytest.mark.slow
def test_a_daemon_without_a_store_says_so(window: WindowUnderTest) -> None:
    gun(window)
    window.write_config()
    (window.folder / "state" / "outbox.db").mkdir()
    window.start(ready=False)
    window.wait_state("gun-1", "attention")
    report = report_for(window)
    assert report.daemon
    assert report.answer == "closed"
    said = results(report)
    assert (said["outbox"], said["gun-1"], said["broker"]) == ("STO-101 fail", "TST-001 skip", "MQT-000 ok")
