"""The subscriber against a real broker and a window that speaks the wire."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edge.subscriber import BadArgument, Event, Gap, Limits, NewStore, Notice, PositionError, Subscriber
from tests.subscriber.fake_window import FakeWindow
from tests.support.broker import Broker
from tests.support.wait import wait_until_async

QUICK = Limits(ask_after_s=0.1, tail_grace_s=0.2, ask_every_s=0.3, ack_every_s=0.1, gap_limit_s=30)
DEADLINE_S = 15.0


def subscriber(broker: Broker, window: FakeWindow, **more: Any) -> Subscriber:
    settings: dict[str, Any] = {"name": "case-system", "hall": window.hall, "limits": QUICK, **more}
    return Subscriber(f"mqtt://127.0.0.1:{broker.port}", **settings)


async def take(source: Subscriber, count: int) -> list[Event]:
    """Return the next *count* events, the last one not yet processed."""
    async with asyncio.timeout(DEADLINE_S):
        return [await anext(source) for _ in range(count)]


async def connected(source: Subscriber) -> None:
    await wait_until_async(lambda: source.connected, DEADLINE_S, "connected")


def seqs(events: Sequence[Event]) -> list[int]:
    return [event.seq for event in events]


# --- order, duplicates, gaps -------------------------------------------------------------------------------


async def test_events_come_in_order_once_and_are_acknowledged(shared_broker: Broker) -> None:
    window = FakeWindow()
    async with window.online(shared_broker.port), subscriber(shared_broker, window) as own:
        await connected(own)
        await window.rate(5)
        await window.send(2, 3, 5)  # resent, as after a reconnect of the window
        await window.rate(2)
        events = await take(own, 7)
        own.done()
        await wait_until_async(lambda: window.acknowledged == 7, DEADLINE_S, "all acknowledged")
        assert own.duplicates == 3
    assert seqs(events) == [1, 2, 3, 4, 5, 6, 7]
    first = events[0]
    assert (first.hall, first.window, first.device) == (window.hall, "w03", "pad-1")
    assert (first.kind, first.type, first.mode, first.personal) == ("evaluation-pad", "rated", "simulated", False)
    assert first.data["level"] == 5


async def test_a_gap_is_named_asked_for_and_filled(shared_broker: Broker) -> None:
    window, told = FakeWindow(), list[Notice]()
    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window, on_notice=told.append) as own,
    ):
        await connected(own)
        await window.rate(1)
        await window.rate(3, send=False)
        await window.rate(1)
        events = await take(own, 5)
        assert own.gaps == ()
    assert seqs(events) == [1, 2, 3, 4, 5]
    assert [(gap.window, gap.first, gap.last, gap.state) for gap in told if isinstance(gap, Gap)] == [
        (window.full_name, 2, 4, "open"),
        (window.full_name, 2, 4, "filled"),
    ]


async def test_what_the_window_no_longer_has_comes_as_a_tombstone(shared_broker: Broker) -> None:
    window, told = FakeWindow(), list[Notice]()
    window.gone = {2}
    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window, on_notice=told.append) as own,
    ):
        await connected(own)
        await window.rate(1)
        await window.rate(2, send=False)
        await window.rate(1)
        events = await take(own, 4)
    assert [(event.seq, event.tombstone) for event in events] == [(1, False), (2, True), (3, False), (4, False)]
    assert events[1].data == {"event": {"reason": "retention"}}
    assert str(told[-1]) == f"{window.full_name} seq 2-3 gone, 1 gone"


async def test_lost_last_events_are_noticed_by_the_health(shared_broker: Broker) -> None:
    window = FakeWindow()
    async with window.online(shared_broker.port), subscriber(shared_broker, window) as own:
        await connected(own)
        await window.rate(1)
        await window.rate(2, send=False)
        await window.health()
        assert seqs(await take(own, 3)) == [1, 2, 3]


async def test_a_gap_nobody_fills_lets_the_others_pass_and_its_events_come_late(shared_broker: Broker) -> None:
    window, told = FakeWindow(), list[Notice]()
    window.deaf = True
    limits = Limits(ask_after_s=0.1, ask_every_s=0.2, gap_limit_s=0.5, ack_every_s=0.1)
    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window, on_notice=told.append, limits=limits) as own,
    ):
        await connected(own)
        await window.rate(1)
        await window.rate(1, send=False)
        await window.rate(1)
        assert seqs(await take(own, 2)) == [1, 3]
        own.done()
        await wait_until_async(
            lambda: any(ack["upto_seq"] == "3" and ack["missing"] == [["2", "2"]] for ack in window.acks),
            DEADLINE_S,
            "3 is acknowledged, 2 is missing",
        )
        assert window.acknowledged == 1, "nothing says that 2 may be deleted"
        window.deaf = False
        (late,) = await take(own, 1)
        own.done()
        await wait_until_async(lambda: window.acknowledged == 3, DEADLINE_S, "2 is acknowledged too")
    assert (late.seq, late.late) == (2, True)
    assert str(told[-1]) == f"{window.full_name} seq 2 lost, 1 lost"


async def test_several_windows_do_not_wait_for_each_other(shared_broker: Broker) -> None:
    window = FakeWindow(name="w01")
    other = FakeWindow(name="w02", hall=window.hall)
    window.deaf = True
    async with (
        window.online(shared_broker.port),
        other.online(shared_broker.port),
        subscriber(shared_broker, window) as own,
    ):
        await connected(own)
        await window.rate(1)
        await window.rate(1, send=False)
        await window.rate(1)
        await other.rate(2)
        events = await take(own, 3)
    assert [(event.window, event.seq) for event in events] == [("w01", 1), ("w02", 1), ("w02", 2)]


# --- epochs, retained, wrong messages ----------------------------------------------------------------------


async def test_a_new_store_is_told_and_starts_anew(shared_broker: Broker) -> None:
    window, told = FakeWindow(), list[Notice]()
    async with subscriber(shared_broker, window, on_notice=told.append) as own:
        async with window.online(shared_broker.port):
            await connected(own)
            await window.rate(3)
            await take(own, 3)
        anew = FakeWindow(epoch=2, hall=window.hall)
        async with anew.online(shared_broker.port):
            await anew.rate(1, send=False)
            await anew.rate(1)
            events = await take(own, 2)
            own.done()
            await wait_until_async(lambda: anew.acknowledged == 2, DEADLINE_S, "acknowledged")
    assert [(event.epoch, event.seq) for event in events] == [(2, 1), (2, 2)]
    assert [notice for notice in told if isinstance(notice, NewStore)] == [
        NewStore(window=window.full_name, epoch=2, old_epoch=1, last_seq=3)
    ]
    assert anew.acks[-1]["epoch"] == 2


async def test_what_the_contract_does_not_allow_is_refused_and_logged_without_content(
    shared_broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    window = FakeWindow()
    window.accept("pad-1", "evaluation-pad.rated", {"secret": "张三"})
    row = window.rows[1]
    async with window.online(shared_broker.port), subscriber(shared_broker, window) as own:
        await connected(own)
        await window.publish(f"event/{row.place}", row.public, retain=True)  # read live: retain is cleared
        await window.publish(f"event/{row.place.replace('pad-1', 'pad-2')}", row.public)
        await window.publish(f"event/{row.place}", b"[" * 50_000)
        await window.publish(f"event/{row.place}", row.public.replace(b'"seq": "1"', b'"seq": "99999999999999999999"'))
        await window.publish("replayed/case-system", row.public)
        await wait_until_async(lambda: own.refused == 4, DEADLINE_S, "all refused")
    async with window.online(shared_broker.port), subscriber(shared_broker, window, session_expiry_s=0) as again:
        await wait_until_async(lambda: again.refused == 1, DEADLINE_S, "the retained event is refused")
        await window.publish(f"event/{row.place}", b"", retain=True)
    assert "张三" not in caplog.text
    assert all(record.levelno <= logging.WARNING for record in caplog.records)


# --- wrong arguments ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://h", "mqtt://", "broker", "mqtt://h:x", "mqtt://user:secret@h"])
def test_a_wrong_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(BadArgument) as caught:
        Subscriber(url, name="a")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("names", [{"name": "A"}, {"name": "a/b"}, {"name": "a", "hall": "#"}, {"name": "+"}])
def test_a_name_that_cannot_stand_in_a_topic_is_refused(names: dict[str, Any]) -> None:
    with pytest.raises(BadArgument):
        Subscriber("mqtt://h", **names)


async def test_a_position_file_of_somebody_else_or_broken_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "position.json"
    for content, message in ((b"{", "no position file"), (b'{"version":1,"subscriber":"b","windows":{}}', "belongs")):
        path.write_bytes(content)
        with pytest.raises(PositionError, match=message):
            async with Subscriber("mqtt://127.0.0.1:1", name="a", position=path):
                pass
    with pytest.raises(PositionError, match="No such file"):
        async with Subscriber("mqtt://127.0.0.1:1", name="a", position=tmp_path / "no" / "position.json"):
            pass
