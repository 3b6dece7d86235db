"""P5, S2: what devices and people say stands in payloads alone; topics are made of checked names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import config
from edge.delivery.topics import Topics
from edge.envelope import Draft, EnvelopeRenderer
from edge.errors import ConfigError
from edge.events import CardHolder, Read, Scanned
from edge.sealing.jwe import JweSealer, new_key, opened

KEY = new_key()
PIECES = [
    "#",
    "+",
    "/",
    "$SYS",
    "$share/",
    "\0",
    "..",
    "hall/v1/h/w/status",
    '"}',
    "\\u0000",
    '","seq":"9',
    "中",
    "\n",
    "a",
    "1",
]
NASTY = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join)
WHERE: dict[str, str] = {
    "hall": '[window]\nhall = {}\nwindow = "w"\n[mqtt]\nurl = "mqtt://localhost"\n',
    "window": '[window]\nhall = "h"\nwindow = {}\n[mqtt]\nurl = "mqtt://localhost"\n',
    "subscriber": '[window]\nhall = "h"\nwindow = "w"\n[mqtt]\nurl = "mqtt://localhost"\n[[subscriber]]\nname = {}\n',
    "device": '[window]\nhall = "h"\nwindow = "w"\n[mqtt]\nurl = "mqtt://localhost"\n[[device]]\nname = {}\n'
    'driver = "code_serial"\naddress = "tcp://127.0.0.1:1"\ncontent = "public"\n',
}


@given(NASTY, st.sampled_from(["personal", "public"]))
def test_what_is_scanned_changes_no_topic_and_no_envelope(text: str, content: str) -> None:
    event = Scanned(content=content, length_bytes=1, text=text, symbology="qr")  # type: ignore[arg-type]
    row = EnvelopeRenderer("h", "w", sealer=JweSealer([KEY])).render(Draft("gun-1", event), 7, 1)
    assert row.topic == "code-scanner/gun-1/scanned"
    public = json.loads(row.public)
    assert (public["seq"], public["type"], public["source"]) == (
        "7",
        "hall.code-scanner.scanned.v1",
        "urn:hall:h:w:gun-1",
    )
    full = public if content == "public" else json.loads(opened(row.sealed or b"", [KEY])[0])
    assert full["data"]["text"] == text


@given(NASTY)
def test_what_a_card_says_changes_no_topic_and_no_envelope(text: str) -> None:
    event = Read(
        mode="full", document="prc-resident", holder="0" * 32, purpose=text, person=CardHolder(name=text, number=text)
    )
    row = EnvelopeRenderer("h", "w", sealer=JweSealer([KEY])).render(Draft("id-1", event), 7, 1)
    plain, aad = opened(row.sealed or b"", [KEY])
    assert json.loads(aad)["topic"] == "hall/v1/h/w/sealed/id-card/id-1/read"
    assert json.loads(plain)["data"]["person"] == {"name": text, "number": text}


@given(NASTY)
def test_replies_go_only_below_our_own_branch(text: str) -> None:
    topics = Topics("h", "w")
    for topic in (text, f"hall/v1/h/w/reply/{text}", f"hall/v1/h/w/reply/{text}/x", f"hall/v1/h/w/reply/x/{text}"):
        if topics.may_reply_to(topic):
            assert topic.startswith("hall/v1/h/w/reply/")
            assert topic.count("/") == 6
            assert not set(topic) & set("#+$\0\n")
            assert ".." not in topic.split("/")


@pytest.mark.parametrize("place", WHERE)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NASTY)
def test_a_name_that_could_be_part_of_a_topic_is_refused(place: str, name: str, load: Callable[[str], object]) -> None:
    text = WHERE[place].format(json.dumps(name))
    if name.isalnum() and name.isascii():
        load(text)
        return
    with pytest.raises(ConfigError):
        load(text)


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], object]:
    def load(text: str) -> object:
        path = tmp_path / "hall-edge.toml"
        path.write_text(text, encoding="utf-8")
        return config.load(path, {})

    return load
