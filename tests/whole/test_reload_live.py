"""What a reload changes besides devices, while everything goes on: who asks, who is told, for how long, where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.tools.ask import answers
from tests.core.signed_rig import OFFICE
from tests.faults.host.rig import GUN
from tests.support.broker import Broker
from tests.support.office import Office
from tests.support.wait import wait_until
from tests.support.window import HALL, WindowUnderTest, Wiretap
from tests.whole.reloads import reload

pytestmark = pytest.mark.slow

OFFICES = '[[subscriber]]\nname = "one"\n[[subscriber]]\nname = "two"\n'
ONE = '[[subscriber]]\nname = "one"\n'


def gun(window: WindowUnderTest) -> None:
    window.device("gun-1", *GUN)


def scan(window: WindowUnderTest, *codes: str) -> None:
    """Scan *codes*; return when the broker has them."""
    before = len(window.tap.events("scanned"))
    for code in codes:
        window.do(f"gun-1 scan {code}")
    window.tap.wait_events("scanned", before + len(codes))


def health(window: WindowUnderTest) -> dict[str, Any]:
    status = window.status()
    return status["health"] if status else {}


def test_a_subscriber_that_is_added_is_waited_for_and_one_that_leaves_is_not(window: WindowUnderTest) -> None:
    gun(window)
    window.extra = ONE
    window.start()
    with Office(window.url, "one", HALL) as one:
        scan(window, "A1")
        wait_until(lambda: health(window)["outbox"]["depth"] == 0)
        window.extra = OFFICES
        assert reload(window)["changed"] == ["subscriber"]
        assert health(window)["subscribers"]["two"]["upto_seq"] == "0"
        with Office(window.url, "two", HALL) as two:
            scan(window, "A2")
            two.wait_seq(2)
            wait_until(lambda: health(window)["outbox"]["depth"] == 0)
        scan(window, "A3")
        wait_until(lambda: health(window)["subscribers"]["one"]["upto_seq"] == "3")
        assert health(window)["outbox"]["depth"] == 1  # for the one that is away
        window.extra = ONE
        assert reload(window)["reloaded"]
        scan(window, "A4")
        wait_until(lambda: health(window)["outbox"]["depth"] == 0)
        assert list(health(window)["subscribers"]) == ["one"]
        window.extra = OFFICES
        assert reload(window)["reloaded"]
        assert health(window)["subscribers"]["two"]["upto_seq"] == "2"  # what it had said before is not forgotten
        assert one.seqs == [1, 2, 3, 4]


def test_what_may_be_asked_for_counts_at_once(window: WindowUnderTest) -> None:
    window.device("pad-1", "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")
    window.allow = '["read"]'
    window.start()
    refused = window.request("pad-1", "evaluate", {"timeout_s": 60}).completion()
    assert refused["error"]["code"] == "CMD-111"
    window.allow = '["read", "evaluation-pad.evaluate"]'
    assert reload(window)["changed"] == ["commands.allow"]
    asked = window.request("pad-1", "evaluate", {"timeout_s": 60})
    window.do("pad-1 wait-request 5")
    window.allow = '["read"]'
    assert reload(window)["kept"] == ["pad-1"]
    window.do("pad-1 press 5")
    assert asked.completion()["code"] == "ok"  # it was allowed when it came
    assert window.request("pad-1", "evaluate", {}).completion()["error"]["code"] == "CMD-111"


def test_signatures_are_asked_for_from_now_on(window: WindowUnderTest) -> None:
    window.device("pad-1", "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")
    window.start()
    key = window.folder / "case.sign.jwk"
    key.write_text(json.dumps(OFFICE.as_dict(private=False)), encoding="ascii")
    window.extra = f'[[requester]]\nname = "case-system"\nkey = "{key}"\n'
    assert reload(window)["changed"] == ["requester"]
    assert window.request("pad-1", "cancel").completion()["error"]["code"] == "CMD-110"
    window.extra = ""
    assert reload(window)["reloaded"]
    assert window.request("pad-1", "cancel").completion()["code"] == "ok"


def test_limits_of_the_disk_and_the_log_count_at_once(window: WindowUnderTest) -> None:
    gun(window)
    window.start()
    window.extra = "[outbox]\nreserve_mb = 1000000\n[retention]\npublic_days = 3\n[blobs]\nmax_mb = 5\n"
    changed = {"outbox.reserve_mb", "retention.public_days", "blobs.max_mb"}
    assert set(reload(window)["changed"]) == changed
    assert window.wait_state("gun-1", "attention")["code"] == "STO-120"
    window.extra = ""
    assert set(reload(window)["changed"]) == changed
    window.wait_state("gun-1", "ready")
    scan(window, "A1")
    text = window.config_path.read_text(encoding="utf-8")
    assert '"traffic"' in text
    assert "traffic" in window.log_text
    _log_as(window, 'level = "error"\nformat = "json"')
    before = len(window.log_text)
    scan(window, "A2")
    window.do("gun-1 unplug")
    window.wait_state("gun-1", "absent")
    assert window.log_text[before:] == ""
    _log_as(window, 'level = "info"\nformat = "json"')
    assert json.loads(window.log_text[before:].splitlines()[-1])["part"] == "reload"


def _log_as(window: WindowUnderTest, lines: str) -> None:
    """Reload with other *lines* in ``[log]`` than the tests' own."""
    text = window.config_path.read_text(encoding="utf-8")
    begin = text.index("[log]\n") + len("[log]\n")
    end = text.index("[commands]")
    window.config_path.write_text(f"{text[:begin]}{lines}\n{text[end:]}", encoding="utf-8")
    assert next(answers(str(window.folder / "run"), "reload"))["reloaded"]


def test_the_broker_can_be_another_one_and_nothing_is_lost(window: WindowUnderTest, tmp_path: Path) -> None:
    gun(window)
    window.extra = ONE
    window.start()
    first, tap = window.broker, window.tap
    for name in ("office", "second"):
        (tmp_path / name).mkdir()
    with Office(window.url, "one", HALL, folder=tmp_path / "office") as one:
        scan(window, "A1")
        one.wait_seq(1)
    scan(window, "A2")  # only the first broker has it, and will never deliver it
    with Broker(tmp_path / "second") as second:
        window.broker, window.tap = second, Wiretap(second.port)
        try:
            assert reload(window)["changed"] == ["mqtt.url"]
            window.wait_state("gun-1", "ready")
            with Office(window.url, "one", HALL, folder=tmp_path / "office") as again:
                scan(window, "A3")
                again.wait_seq(3)
                wait_until(lambda: health(window)["outbox"]["depth"] == 0)
                assert again.seqs == [2, 3]
            wait_until(lambda: tap.on("status")[-1]["state"] == "offline", 15)  # at the old one the last will says it
        finally:
            window.stop()
            window.tap.close()
            window.broker, window.tap = first, tap
