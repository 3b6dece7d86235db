"""Signed requests through the whole daemon: from the command line and the library to the device, and never twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.commands.permits import known_names
from edge.commands.signatures import Key, key_id, new_key
from edge.subscriber import Address, Completion, Requester, Signer
from tests.core.signed_rig import claims, token
from tests.support.wait import wait_until
from tests.support.window import BASE, HALL, WINDOW, WindowUnderTest

SIGNED = """
[[requester]]
name = "office"
key = "{folder}/office.jwk"
allow = ["read", "scanner.scan", "evaluation-pad.evaluate"]
"""


@pytest.fixture
def key(short_path: Path) -> Key:
    key = new_key()
    (short_path / "office.jwk").write_text(json.dumps(key.as_dict(private=False)), encoding="ascii")
    (short_path / "private.jwk").write_text(json.dumps(key.as_dict(private=True)), encoding="ascii")
    return key


@pytest.fixture
def pad(window: WindowUnderTest, key: Key) -> WindowUnderTest:
    assert key.is_private
    window.device("pad-1", "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")
    window.extra = SIGNED.format(folder=window.folder)
    window.allow = ""
    return window.start()


async def ask(window: WindowUnderTest, signer: Signer | None, device: str, command: str) -> Completion:
    address = Address.parse(window.url, None)
    async with Requester(address, name="office", hall=HALL, signer=signer) as office:
        return await office.request(WINDOW, device, command, timeout_s=20)


def ran(window: WindowUnderTest, *more: str) -> dict[str, object]:
    """Return the completion that ``hall-edge request`` prints for opening a case."""
    where = ("--url", window.url, "--hall", HALL, "--window", WINDOW, "--json")
    command = [sys.executable, "-m", "edge", "request", *where, *more, "window", "case-open", "case=A-1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
async def test_signed_requests_are_done_once_and_others_never(pad: WindowUnderTest, key: Key) -> None:
    bare = await ask(pad, None, "pad-1", "evaluate")
    assert (bare.code, bare.error and bare.error.code) == ("refused", "CMD-110")
    opened = await ask(pad, Signer("office", key), "window", "case-open")
    assert (opened.code, opened.error and opened.error.code) == ("invalid", "CMD-101")  # signed, but without a case
    assert ran(pad, "--sign-key", str(pad.folder / "private.jwk"), "--as", "office")["code"] == "ok"
    assert ran(pad)["code"] == "refused"
    forbidden = await ask(pad, Signer("office", key), "window", "reboot")
    assert forbidden.code == "unsupported"
    assert forbidden.error is not None
    names = forbidden.error.message.removeprefix("the window knows ").split(", ")
    assert {f"window.{name}" for name in names} <= set(known_names()), "declare the tier of a new command in permits"

    captured = token(claims("pad-1", "evaluate", {"timeout_s": 3}), key, kid=key_id(key))
    send(pad, captured)
    pad.do("pad-1 wait-request 5")
    pad.do("pad-1 press 5")
    answers_are(pad, 1)
    send(pad, captured)  # what an eavesdropper can do
    answers_are(pad, 2)
    pad.kill()
    pad.start()
    send(pad, captured)
    replies = answers_are(pad, 3)
    assert {(reply["request_id"], reply["code"]) for reply in replies} == {(replies[0]["request_id"], "ok")}
    assert len({event["id"] for event in pad.tap.events("rated")}) == 1
    audits = {event["id"]: event["data"] for event in pad.tap.events("audit")}.values()
    (accepted,) = [
        data for data in audits if data["outcome"] == "accepted" and data["request"] == replies[0]["request_id"]
    ]
    assert (accepted["requester"], accepted["command"]) == ("office", "evaluate")


def answers_are(window: WindowUnderTest, count: int) -> list[dict[str, object]]:
    """Wait for so many completions to the eavesdropper, and return them."""

    def all_of_them() -> list[dict[str, object]] | None:
        found = [body for body in window.tap.on("reply/eve/1") if body["reply"] == "completion"]
        return found if len(found) == count else None

    return wait_until(all_of_them, 15, f"{count} answers")


def send(window: WindowUnderTest, body: bytes) -> None:
    properties = Properties(PacketTypes.PUBLISH)
    properties.ResponseTopic, properties.CorrelationData = f"{BASE}/reply/eve/1", b"1"
    properties.ContentType = "application/jose+json"
    window.tap.publish("request/pad-1/evaluate", body, properties)


@pytest.mark.slow
def test_capture_and_reading_are_off_out_of_the_box(window: WindowUnderTest) -> None:
    window.device("pad-1", "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")
    window.device("id-1", "idcard_sdt", 'read = "presence"')
    window.allow = ""
    window.start()
    refused = window.request("id-1", "read").completion()
    assert (refused["code"], refused["error"]["code"]) == ("refused", "CMD-111")
    assert window.request("pad-1", "evaluate", {"timeout_s": 3}).wait("ack")
    (told,) = window.tap.wait_events("audit")
    assert told["data"] == {"outcome": "refused", "code": "CMD-111", "count": 1}
