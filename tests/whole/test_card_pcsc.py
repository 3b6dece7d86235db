"""A smart-card reader in the whole daemon: sealed holders, every state by its name, and how soon it is back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from edge.sealing.jwe import opened, read_key
from simulators.people import citizen
from tests.support.window import BASE, WindowUnderTest

FULL = 'read = "full"\npurpose = "test"'
BACK_S = 2.0


def test_a_holder_is_seen_by_the_key_holder_only(window: WindowUnderTest) -> None:
    window.device("card-1", "card_pcsc", FULL)
    window.start()
    window.do("card-1 insert social-security seed=7")
    (public,) = window.tap.wait_events("read")
    window.do("card-1 remove")
    window.tap.wait_events("removed")
    assert [event["type"] for event in window.tap.events()] == [
        f"hall.smart-card.{type_}.v1" for type_ in ("inserted", "read", "removed")
    ]
    (sealed,) = [
        payload for topic, payload, _ in window.tap.messages if topic == f"{BASE}/sealed/smart-card/card-1/read"
    ]
    plain, _ = opened(sealed, [read_key(window.folder / "state" / "lab-key.jwk")])
    full, who = json.loads(plain), citizen("resident seed=7 rare=0 long=0")
    assert (full["data"]["person"]["name"], full["data"]["person"]["number"]) == (who.name, who.number)
    assert (public["mode"], public["class"], public["sealed"]) == ("simulated", 3, True)
    assert "person" not in public["data"]
    assert public["data"]["card"] == "social-security"


def test_a_command_reads_a_card_and_another_is_refused(window: WindowUnderTest) -> None:
    window.device("card-1", "card_pcsc", "auto = false")
    window.start()
    request = window.request("card-1", "read")
    request.wait("ack")
    window.do("card-1 insert storage")
    assert request.completion()["code"] == "ok"
    assert window.tap.wait_events("read")[0]["data"]["card"] == "storage"
    assert window.request("card-1", "transmit", {"apdus": ["0084000008"]}).completion()["code"] == "invalid"


@pytest.mark.slow
def test_every_state_has_its_name_and_ends(
    window: WindowUnderTest, record_property: Callable[[str, object], None]
) -> None:
    window.device("card-1", "card_pcsc")
    window.start()
    window.do("card-1 insert storage")
    window.tap.wait_events("read")
    began = time.monotonic()
    window.do("card-1 restart")
    window.tap.wait_events("read", 2)
    record_property("back after a restart of the service, s", round(time.monotonic() - began, 2))
    assert time.monotonic() - began < BACK_S
    for begin, end, codes in (
        ("stop", "start", {"PCS-101", "PCS-106"}),
        ("reader unplug", "reader plug", {"PCS-103", "PCS-105"}),
        ("deny", "allow", {"PCS-102"}),
    ):
        window.do(f"card-1 {begin}")
        if begin == "deny":
            window.do("card-1 restart")
        state = window.wait_state("card-1", "denied" if begin == "deny" else "absent")
        assert state["code"] in codes
        window.do(f"card-1 {end}")
        window.wait_state("card-1", "ready", 40.0 if begin == "deny" else 10.0)
        window.do("card-1 insert storage")
    types = [event["type"].split(".")[2] for event in window.tap.events()]
    stays = [type_ for type_ in types if type_ in ("inserted", "removed")]
    assert stays[::2] == ["inserted"] * len(stays[::2])
    assert stays[1::2] == ["removed"] * len(stays[1::2])
