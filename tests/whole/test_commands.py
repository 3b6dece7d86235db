"""Commands through the whole daemon: ack, progress, exactly one completion, and nothing for a bad request."""

from __future__ import annotations

import json
import uuid

import pytest

from edge.sealing.jwe import JweSealer, read_key
from simulators.people import citizen
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

PAD = ("pad-1", "pad_serial", 'profile = "aa55_xor"')


@pytest.fixture
def pad(window: WindowUnderTest) -> WindowUnderTest:
    window.device(*PAD, profile="aa55_xor")
    return window.start()


def test_a_session_is_acknowledged_and_completed_once(pad: WindowUnderTest) -> None:
    asked = pad.request("pad-1", "evaluate", {"timeout_s": 20, "form_id": "f1"}, case="C-17")
    ack = asked.wait("ack")
    assert ack["position"] == 0
    pad.do("pad-1 wait-request 5")
    pad.do("pad-1 press 2 times=3 rate=20")
    assert asked.completion()["code"] == "ok"
    (rated,) = pad.tap.wait_events("rated")
    assert rated["subject"] == "case/C-17"
    again = pad.request("pad-1", "evaluate", {"timeout_s": 20}, request_id=asked.request_id)
    assert again.completion() == asked.completion()
    assert len(pad.tap.events("rated")) == 1
    assert [body["reply"] for body in asked.replies()].count("completion") == 2  # one each time it was asked


def test_the_same_request_after_a_restart_does_nothing(pad: WindowUnderTest) -> None:
    asked = pad.request("pad-1", "evaluate", {"timeout_s": 20})
    pad.do("pad-1 wait-request 5")
    pad.do("pad-1 press 5")
    first = asked.completion()
    pad.kill()
    pad.start()
    again = pad.request("pad-1", "evaluate", {"timeout_s": 20}, request_id=asked.request_id)
    assert again.completion() == first
    assert len({event["id"] for event in pad.tap.events("rated")}) == 1


def test_a_session_can_be_cancelled_and_others_wait_their_turn(pad: WindowUnderTest) -> None:
    first = pad.request("pad-1", "evaluate", {"timeout_s": 60}, deadline_s=90)
    first.wait("ack")
    second = pad.request("pad-1", "evaluate", {"timeout_s": 60}, deadline_s=90)
    assert second.wait("ack")["position"] == 1
    cancel = pad.request("pad-1", "cancel", {"request_id": first.request_id})
    assert cancel.completion()["data"] == {"cancelled": 1}
    assert first.completion()["code"] == "cancelled"
    pad.tap.wait_events("interrupted")
    pad.request("pad-1", "cancel")
    assert second.completion()["code"] == "cancelled"


def test_a_session_whose_pad_goes_away_ends_as_device_error(pad: WindowUnderTest) -> None:
    asked = pad.request("pad-1", "evaluate", {"timeout_s": 60})
    pad.do("pad-1 wait-request 5")
    pad.do("pad-1 unplug")
    completion = asked.completion()
    assert completion["code"] == "device-error"
    assert completion["error"]["code"] == "SER-105"
    (interrupted,) = pad.tap.wait_events("interrupted")
    assert interrupted["data"]["reason"] == "device-error"
    refused = pad.request("pad-1", "evaluate").completion()
    assert refused["code"] == "refused"


def test_what_is_no_request_changes_nothing(pad: WindowUnderTest) -> None:
    deep = (
        b'{"request_id":"' + str(uuid.uuid4()).encode() + b'","deadline":"x","params":' + b"[" * 99 + b"]" * 99 + b"}"
    )
    cases = {
        "nonsense": pad.request("pad-1", "evaluate", body=b"\xff\x00 no json"),
        "too deep": pad.request("pad-1", "evaluate", body=deep),
        "too large": pad.request("pad-1", "evaluate", body=b" " * 70_000),
        "unknown key": pad.request("pad-1", "evaluate", {"level": 5}),
        "out of range": pad.request("pad-1", "evaluate", {"timeout_s": 9999}),
        "unknown device": pad.request("pad-9", "evaluate"),
        "unknown command": pad.request("pad-1", "rate", {"level": 5}),
        "past": pad.request("pad-1", "evaluate", deadline_s=-1),
        "far future": pad.request("pad-1", "evaluate", deadline_s=90_000),
        "window": pad.request("window", "reboot"),
    }
    codes = {name: asked.completion()["code"] for name, asked in cases.items()}
    assert codes["past"] == codes["far future"] == "refused"
    assert codes["unknown command"] == codes["window"] == "unsupported"
    assert {codes[name] for name in ("nonsense", "too deep", "too large", "unknown key", "out of range")} == {"invalid"}
    assert all(len(asked.replies()) == 1 for asked in cases.values())
    kept = pad.request("pad-1", "evaluate", retain=True)
    foreign = pad.request("pad-1", "evaluate", reply_to="somewhere/else")
    last = pad.request("window", "case-open", {"case": "C-1"})
    assert last.completion()["code"] == "ok"
    assert not kept.replies()
    assert not foreign.replies()
    assert not pad.tap.events()


def test_verify_says_yes_or_no_and_only_to_a_sealed_request(window: WindowUnderTest) -> None:
    window.device("id-1", "idcard_sdt", 'read = "verify"')
    window.start()
    person = citizen("resident seed=3")
    window.planted += [person.number, person.name]
    bare = window.request("id-1", "read", {"number": "0" * 18})
    assert bare.completion()["error"]["code"] == "CMD-108"

    status = wait_until(lambda: window.tap.on("status"), what="the window's key")[-1]
    key_file = window.folder / "window-public.jwk"
    key_file.write_text(json.dumps(status["key"]), encoding="utf-8")
    sealer = JweSealer([read_key(key_file)])
    answers: list[bool] = []
    for number in (person.number, "000000199001010000"):
        asked = window.request("id-1", "read", {"number": number}, seal=lambda body: sealer.seal(body, b"{}"))
        asked.wait("ack")
        window.do("id-1 insert resident seed=3")
        assert asked.completion()["code"] == "ok"
        window.do("id-1 remove")
        window.tap.wait_events("removed", len(answers) + 1)
        answers.append(window.tap.events("read")[-1]["data"]["verified"])
    assert answers == [True, False]
