"""From the devices' bytes to the back office: every kind of event, sealed where it is personal."""

from __future__ import annotations

import json

from edge.sealing.jwe import opened, read_key
from simulators.people import citizen
from tests.support.wait import wait_until
from tests.support.window import BASE, WindowUnderTest

FULL = 'read = "full"\npurpose = "test"'


def test_a_card_is_read_and_only_the_key_holder_sees_who(window: WindowUnderTest) -> None:
    window.device("id-1", "idcard_sdt", FULL)
    window.start()
    window.do("id-1 insert resident seed=7 addresses=1")
    (public,) = window.tap.wait_events("read")
    window.do("id-1 remove")
    window.tap.wait_events("removed")

    person = citizen("resident seed=7 addresses=1")
    key = read_key(window.folder / "state" / "lab-key.jwk")
    (sealed,) = [payload for topic, payload, _ in window.tap.messages if topic == f"{BASE}/sealed/id-card/id-1/read"]
    plain, aad = opened(sealed, [key])
    full = json.loads(plain)
    assert full["data"]["person"]["number"] == person.number
    assert full["data"]["person"]["name"] == person.name
    assert (full["id"], full["seq"]) == (public["id"], public["seq"])
    assert json.loads(aad)["seq"] == public["seq"]
    assert public["sealed"] is True
    assert public["lab"] is True
    assert "person" not in public["data"]
    assert public["mode"] == "simulated"
    assert public["class"] == 3


def test_a_rating_comes_from_the_pads_own_bytes(window: WindowUnderTest) -> None:
    window.device("pad-1", "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")
    window.start()
    window.tap.publish("nothing", {})
    window.do("pad-1 press 5")  # nobody was asked: no rating
    request = window.request("pad-1", "evaluate", {"timeout_s": 20})
    window.do("pad-1 wait-request 5")
    window.do("pad-1 press 4")
    completion = request.completion()
    (rated,) = window.tap.wait_events("rated")
    assert rated["data"]["level"] == 4
    assert rated["data"]["session"] == request.request_id
    assert completion["code"] == "ok"
    assert completion["events"][0]["id"] == rated["id"]


def test_codes_are_sealed_unless_they_are_public(window: WindowUnderTest) -> None:
    window.device("gun-1", "code_serial", 'content = "personal"')
    window.device("ticket-1", "code_serial", 'content = "public"')
    window.start()
    window.do('gun-1 scan "SECRET-HEALTH-CODE-1234"')
    window.bench.do('ticket-1 scan "A017"')
    events = {event["source"]: event for event in window.tap.wait_events("scanned", 2)}
    texts = sorted(event["data"].get("text", "-") for event in events.values())
    assert texts == ["-", "A017"]
    wait_until(lambda: any("/sealed/code-scanner/gun-1/" in topic for topic, _, _ in window.tap.messages))
