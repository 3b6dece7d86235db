"""Sealed bodies: joined, opened, and never taken for what they are not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.jwk import ECKey

from edge.events import Read
from edge.sealing.jwe import JweOpener, SealError, new_key
from edge.subscriber import Subscriber
from edge.subscriber.errors import WireError
from edge.subscriber.topics import EventTopic
from edge.subscriber.wire import sealed_view
from tests.subscriber.fake_window import FakeWindow
from tests.subscriber.test_subscriber import connected, subscriber, take
from tests.support.broker import Broker


@pytest.mark.parametrize("views", [("event", "sealed"), ("sealed", "event")])
async def test_the_sealed_view_is_joined_in_either_order(shared_broker: Broker, views: tuple[str, ...]) -> None:
    key = new_key()
    window = FakeWindow([key])
    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window, keys=[key]) as own,
    ):
        await connected(own)
        await window.send(window.read_card(), views=views)
        (event,) = await take(own, 1)
    assert event.opened
    assert event.personal
    assert event.data["person"]["name"] == "张三"
    assert isinstance(event.payload, Read)
    assert event.payload.person is not None
    assert event.payload.person.number == "11010519491231002X"
    for text in (repr(event), str(event), repr(event.envelope), repr(event._delivery), repr(event.payload)):  # noqa: SLF001
        assert "张三" not in text
        assert "11010519491231002X" not in text


async def test_a_lost_sealed_view_is_got_back(shared_broker: Broker) -> None:
    key = new_key()
    window = FakeWindow([key])
    async with window.online(shared_broker.port), subscriber(shared_broker, window, keys=[key]) as own:
        await connected(own)
        await window.send(window.read_card(), views=["event"])
        (event,) = await take(own, 1)
    assert event.opened


async def test_without_keys_only_the_public_view_comes(shared_broker: Broker) -> None:
    window = FakeWindow([new_key()])
    async with window.online(shared_broker.port), subscriber(shared_broker, window) as own:
        await connected(own)
        await window.send(window.read_card())
        (event,) = await take(own, 1)
    assert (event.opened, event.unreadable, event.personal) == (False, None, True)
    assert "person" not in event.data


async def test_a_body_for_other_keys_is_delivered_as_unreadable(shared_broker: Broker) -> None:
    window = FakeWindow([new_key()])
    async with window.online(shared_broker.port), subscriber(shared_broker, window, keys=[new_key()]) as own:
        await connected(own)
        await window.send(window.read_card())
        (event,) = await take(own, 1)
    assert (event.opened, event.unreadable) == (False, "SEC-101")
    assert event.data["document"] == "prc-resident"


@pytest.mark.parametrize("lie", [{"seq": "2"}, {"window": "hall-x/w03"}, {"topic": "hall/v1/x"}, {"epoch": 7}])
async def test_a_sealed_view_that_belongs_elsewhere_is_not_taken_for_its_event(
    shared_broker: Broker, lie: dict[str, Any]
) -> None:
    key = new_key()
    window = FakeWindow([key])
    async with window.online(shared_broker.port), subscriber(shared_broker, window, keys=[key]) as own:
        await connected(own)
        seq = window.read_card()
        row = window.rows[seq]
        wrong = window.seal(seq, row.place, json.loads(row.public) | {"data": {"forged": True}}, **lie)
        await window.send(seq, views=["event"])
        await window.publish(f"sealed/{row.place}", wrong, ContentType="application/jose+json")
        (event,) = await take(own, 1)
    assert event.opened, "the true view was asked for"
    assert event.data["person"]["name"] == "张三"


@pytest.mark.parametrize("member", ["aad", "ciphertext"])
async def test_a_tampered_body_is_asked_for_again_and_at_last_unreadable(shared_broker: Broker, member: str) -> None:
    key = new_key()
    window = FakeWindow([key])
    async with window.online(shared_broker.port), subscriber(shared_broker, window, keys=[key]) as own:
        await connected(own)
        seq = window.read_card()
        row = window.rows[seq]
        assert row.sealed is not None
        jwe = json.loads(row.sealed)
        jwe[member] = jwe[member][:-8] + ("AAAAAAAA" if member == "ciphertext" else "ICAgfQ")
        window.rows[seq] = type(row)(row.place, row.public, json.dumps(jwe).encode())
        await window.send(seq)
        if member == "aad":
            window.rows[seq] = row  # what cannot even name its event is refused; the question heals it
        (event,) = await take(own, 1)
    assert event.unreadable == ("SEC-102" if member == "ciphertext" else None)


def test_a_public_key_is_refused_with_an_action() -> None:
    public = ECKey.import_key(new_key().as_dict(private=False))
    with pytest.raises(SealError, match="SEC-115: a public key opens nothing — give the file with the private key"):
        Subscriber("mqtt://h", name="a", keys=[public])


JUNK: list[object] = [None, 0, 1.5, True, "", "A", "AAAA", "!!!!", "é", [], {}, [[]], {"a": 1}, 10**40, "A" * 5000]


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path to every member of a JSON value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        yield (*path, key)
        yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return copy


async def test_no_mutilated_body_is_more_than_refused_or_unreadable() -> None:
    key = new_key()
    window = FakeWindow([key])
    row = window.rows[window.read_card()]
    topic = EventTopic.parse(f"{window.root}/sealed/{row.place}")
    assert row.sealed is not None
    assert topic is not None
    bodies = [b"[" * 50_000, row.sealed[:-1] + b',"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"]
    jwe = json.loads(row.sealed)
    bodies += [json.dumps(replaced(jwe, path, junk)).encode() for path in places(jwe) for junk in JUNK]
    bad = 0
    for body in bodies:
        try:
            view = sealed_view(topic, body, JweOpener([key]), lambda _epoch, _seq: True)
            assert view is not None
            bad += view.bad is not None
        except WireError:
            bad += 1
    assert bad >= len(bodies) - 2 * len(JUNK), "only what nobody looks at may change"
