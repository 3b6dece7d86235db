"""The subscriber when something breaks: the broker, the consumer, the disk."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from pathlib import Path

import aiomqtt
import pytest

from edge.subscriber import Event, Limits, Subscriber
from edge.subscriber.link import FIRST_PAUSE_S, KEEPALIVE_S, LONGEST_PAUSE_S, RECEIVE_MAXIMUM
from tests.subscriber.fake_window import FakeWindow
from tests.subscriber.test_subscriber import DEADLINE_S, connected, seqs, subscriber, take
from tests.support.broker import Broker
from tests.support.wait import wait_until_async


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_nothing_is_lost_when_the_broker_is_killed_and_forgets(broker: Broker, tmp_path: Path) -> None:
    window = FakeWindow()
    got: list[Event] = []

    async def consume(own: Subscriber) -> None:
        async for event in own:
            got.append(event)  # noqa: PERF401  looked at while it grows

    async with subscriber(broker, window, position=tmp_path / "position.json") as own:
        consuming = asyncio.create_task(consume(own))
        for _ in range(3):
            async with window.online(broker.port, health_s=0.5):
                await wait_until_async(lambda: own.connected, DEADLINE_S, "connected again")
                await window.rate(5)
                await wait_until_async(lambda: len(got) == window.head, DEADLINE_S, "all here")
            broker.kill()
            await window.rate(3, send=False)  # accepted, and never seen by the broker
            broker.start()
        async with window.online(broker.port, health_s=0.5):
            await wait_until_async(lambda: window.acknowledged == window.head, 60, "all acknowledged")
        consuming.cancel()
        await asyncio.wait([consuming])
    assert seqs(got) == list(range(1, window.head + 1))


@pytest.mark.slow
async def test_a_slow_consumer_makes_the_broker_wait_and_memory_stays_bounded(shared_broker: Broker) -> None:
    window, most = FakeWindow(), RECEIVE_MAXIMUM
    limits = Limits(queue=10, ack_every_s=0.1, ask_after_s=0.1, ask_every_s=0.2, gap_limit_s=0.3)
    async with window.online(shared_broker.port), subscriber(shared_broker, window, limits=limits) as own:
        await connected(own)
        client = own._link._client  # noqa: SLF001
        assert client is not None
        await window.rate(1_000)
        await wait_until_async(lambda: len(client.messages) >= most - 1, DEADLINE_S, "no more comes")
        assert len(own._intake.ready) == limits.queue  # noqa: SLF001
        assert (await own.request("w03", "pad-1", "evaluate", timeout_s=5)).ok, "replies do not wait behind events"
        events = await take(own, 15)  # each PUBACK lets mosquitto send as many again
        await wait_until_async(lambda: client._paused, DEADLINE_S, "nothing is read")  # noqa: SLF001
        until = time.monotonic() + 2.5 * KEEPALIVE_S
        await wait_until_async(lambda: time.monotonic() > until, DEADLINE_S, "longer than a missing PINGRESP may last")
        for _ in range(985):
            events += await take(own, 1)
            assert len(client.messages) <= most + 1
            assert len(own._intake.ready) <= limits.queue  # noqa: SLF001
        assert own._link._client is client, "the connection lived through all that"  # noqa: SLF001
        assert own.gaps == ()
        own.done()
        await wait_until_async(lambda: window.acknowledged == 1_000, DEADLINE_S, "all acknowledged")
    assert seqs(events) == list(range(1, 1_001))
    assert not any(event.late for event in events)
    assert not any(ack["missing"] for ack in window.acks), "waiting is no reason to ask"


async def test_a_consumer_that_fails_gets_the_event_again(shared_broker: Broker, tmp_path: Path) -> None:
    window, path = FakeWindow(), tmp_path / "position.json"
    async with window.online(shared_broker.port):
        with pytest.raises(LookupError):  # noqa: PT012  where it is raised is the point
            async with subscriber(shared_broker, window, position=path) as own:
                await connected(own)
                await window.rate(4)
                async for event in own:
                    if event.seq == 3:
                        raise LookupError
        upto = {"epoch": 1, "upto_seq": "2", "upto_id": json.loads(window.rows[2].public)["id"]}
        assert json.loads(path.read_bytes())["windows"] == {window.full_name: upto}
        await wait_until_async(lambda: window.acknowledged == 2, DEADLINE_S, "two are acknowledged")
        await window.rate(1)
        await window.rate(1, send=False)
        await window.health()
        async with subscriber(shared_broker, window, position=path) as own:
            assert seqs(await take(own, 4)) == [3, 4, 5, 6]


async def test_what_waits_in_its_session_does_not_keep_it_from_connecting(
    shared_broker: Broker, tmp_path: Path
) -> None:
    """The broker sends that first, and the answer to SUBSCRIBE behind it."""
    window, waiting = FakeWindow(), 3 * RECEIVE_MAXIMUM
    async with window.online(shared_broker.port):
        async with subscriber(shared_broker, window, position=tmp_path / "position.json") as own:
            await connected(own)
            await window.rate(1)
            await take(own, 1)
            own.done()
        await window.rate(waiting)
        async with subscriber(shared_broker, window, position=tmp_path / "position.json") as own:
            await connected(own)
            assert seqs(await take(own, waiting)) == list(range(2, waiting + 2))


async def test_the_position_survives_a_lost_session(shared_broker: Broker, tmp_path: Path) -> None:
    window, path = FakeWindow(), tmp_path / "position.json"
    async with window.online(shared_broker.port):
        async with subscriber(shared_broker, window, position=path, session_expiry_s=0) as own:
            await connected(own)
            await window.rate(2)
            await take(own, 2)
            own.done()
        await window.rate(3)
        await window.health()
        async with subscriber(shared_broker, window, position=path, session_expiry_s=0) as own:
            assert seqs(await take(own, 3)) == [3, 4, 5]


async def test_the_first_start_gets_what_the_window_kept_for_us(shared_broker: Broker, tmp_path: Path) -> None:
    window = FakeWindow()
    window.rows_deleted = 2
    async with window.online(shared_broker.port):
        await window.rate(5)
        window.subscribers = {"case-system": {"upto_seq": "0"}}
        await window.health()
        async with subscriber(shared_broker, window, position=tmp_path / "position.json") as own:
            assert seqs(await take(own, 3)) == [3, 4, 5]


async def test_the_position_is_safe_before_it_is_acknowledged(
    shared_broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    window, folder = FakeWindow(), tmp_path / "state"
    folder.mkdir()
    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window, position=folder / "position.json") as own,
    ):
        await connected(own)
        await window.rate(2)
        folder.rename(tmp_path / "away")
        await take(own, 2)
        own.done()
        await wait_until_async(lambda: "SUB-104" in caplog.text, DEADLINE_S, "the failure is logged")
        assert window.acknowledged == 0
        (tmp_path / "away").rename(folder)
        await wait_until_async(lambda: window.acknowledged == 2, DEADLINE_S, "acknowledged when it is safe")
    assert caplog.text.count("SUB-104") == 1


async def test_a_window_that_sends_again_is_told_again(shared_broker: Broker) -> None:
    window = FakeWindow()
    async with window.online(shared_broker.port), subscriber(shared_broker, window) as own:
        await connected(own)
        await window.rate(2)
        await take(own, 2)
        own.done()
        await wait_until_async(lambda: window.acknowledged == 2, DEADLINE_S, "acknowledged")
        window.acks.clear()
        await window.send(1, 2)
        await wait_until_async(lambda: window.acknowledged == 2, DEADLINE_S, "acknowledged again")


async def test_an_observer_publishes_nothing(shared_broker: Broker) -> None:
    window = FakeWindow()
    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window) as judge,
        subscriber(shared_broker, window, name="watcher", observe=True) as own,
    ):
        await connected(own)
        await connected(judge)
        await window.rate(1)
        await window.rate(1, send=False)
        await window.rate(1)
        await take(judge, 3)
        assert seqs(await take(own, 1)) == [1]
        judge.done()
        await wait_until_async(lambda: window.acknowledged == 3, DEADLINE_S, "the judge acknowledged")
    log = shared_broker.log_text()
    assert f"{window.root}/ack/case-system" in log
    assert f"{window.root}/ack/watcher" not in log


async def test_a_broker_that_is_not_there_is_logged_once_and_found_later(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    window = FakeWindow()
    broker.terminate()
    async with subscriber(broker, window) as own:
        await wait_until_async(lambda: "SUB-108" in caplog.text, DEADLINE_S, "the failure is logged")
        broker.start()
        async with window.online(broker.port):
            await connected(own)
            await window.rate(1)
            assert seqs(await take(own, 1)) == [1]
    assert caplog.text.count("SUB-108") == 1
    assert "connected to the broker again" in caplog.text


async def test_leaving_while_the_broker_is_frozen_ends_and_leaves_nothing(broker: Broker) -> None:
    window = FakeWindow()
    broker.freeze()
    async with subscriber(broker, window) as own:
        await asyncio.sleep(0)
        assert not own.connected
    broker.thaw()


async def test_a_bug_of_the_notice_callback_reaches_the_consumer(shared_broker: Broker) -> None:
    window = FakeWindow()

    def buggy(_: object) -> None:
        raise ZeroDivisionError

    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window, on_notice=buggy) as own,
    ):
        await connected(own)
        await window.rate(1)
        await window.rate(1, send=False)
        await window.rate(1)
        await take(own, 1)
        with pytest.raises(ZeroDivisionError):
            await take(own, 1)


@pytest.mark.slow
async def test_a_frozen_broker_is_noticed(broker: Broker) -> None:
    window = FakeWindow()
    async with subscriber(broker, window) as own:
        await connected(own)
        broker.freeze()
        await wait_until_async(lambda: not own.connected, 12, "the half-open connection is noticed")
        broker.thaw()
        async with window.online(broker.port):
            await connected(own)
            await window.rate(1)
            assert seqs(await take(own, 1)) == [1]


@pytest.mark.slow
async def test_two_of_one_name_do_not_fight(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    window = FakeWindow()
    async with subscriber(broker, window, name="twin"), subscriber(broker, window, name="twin"):
        text = "does another client use our name hall-edge-subscriber-twin?"
        await wait_until_async(lambda: text in caplog.text, 30, "somebody says why")
    assert broker.log_text().count("already connected, closing old connection") <= 8


async def test_leaving_while_the_consumer_is_behind(shared_broker: Broker) -> None:
    window = FakeWindow()
    async with (
        window.online(shared_broker.port),
        subscriber(shared_broker, window, limits=Limits(queue=1, ack_every_s=0.1)) as own,
    ):
        await connected(own)
        await window.rate(50)
        await take(own, 3)
        await wait_until_async(lambda: own._blocked, DEADLINE_S, "behind")  # noqa: SLF001
    assert len([event async for event in own]) < 50, "what was ready, and then the end"


async def test_pauses_grow_with_jitter_and_start_again_after_a_steady_connection() -> None:
    link = Subscriber("mqtt://127.0.0.1:1", name="a")._link  # noqa: SLF001
    pauses = [link._down(aiomqtt.MqttError("no"), None) for _ in range(9)]  # noqa: SLF001
    for place, pause_s in enumerate(pauses):
        longest = min(0.5 * 2**place, LONGEST_PAUSE_S)
        assert longest / 2 <= pause_s <= longest
    assert link._down(aiomqtt.MqttError("no"), time.monotonic() - 60) <= FIRST_PAUSE_S  # noqa: SLF001
