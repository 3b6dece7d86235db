"""A broker that takes one at a time, or slowly (N13): its limits are kept, and what is urgent does not wait behind."""

from __future__ import annotations

import functools
import time
from pathlib import Path

import pytest

from edge.delivery.transport import Message
from simulators.mqtt_broker import MqttBroker
from tests.core.sender_rig import Sender, sending, state
from tests.faults.network.net_rig import BASE, CLIENT_ID, arrived, assert_all_in_order, commit, quick
from tests.support.wait import wait_until


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, ack_s=5.0)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_receive_maximum_is_never_passed(tmp_path: Path, limit: int) -> None:
    """N13: the broker would end the connection with 0x93."""
    with MqttBroker() as broker:
        broker.limit(receive_maximum=limit)
        with sending(tmp_path, broker.port) as sender:
            sender.wait_up()
            broker.fault("hold")
            for number in range(30):
                sender.publisher.keep(state("x", f"device/{number}/status"))
                sender.publisher.send(Message(f"{BASE}/reply/a/{number}", b"x"))
                commit(sender, 10, number * 10 + 1)
            wait_until(lambda: broker.most_in_flight(CLIENT_ID) == limit)
            broker.release()
            sender.wait_brokered(300)
            assert broker.most_in_flight(CLIENT_ID) == limit
            assert sender.publisher.connects == 1
            assert_all_in_order(arrived(broker), 300)


@pytest.mark.slow
def test_what_is_urgent_overtakes_a_backlog_at_receive_maximum_one(tmp_path: Path) -> None:
    """N13: each PUBACK takes 20 ms, 200 events wait, and a reply and a state are the next to go."""
    with MqttBroker() as broker:
        broker.limit(receive_maximum=1)
        broker.fault("late", topic=f"{BASE}/event/#", after_s=0.02)
        with sending(tmp_path, broker.port) as sender:
            commit(sender, 200)
            wait_until(lambda: len(arrived(broker)) > 20)
            before = len(arrived(broker))
            sender.publisher.keep(state("busy", "device/pad-1/status"))
            sender.publisher.send(Message(f"{BASE}/reply/a/b", b"x"))
            wait_until(lambda: arrived(broker, "reply") and arrived(broker, "device"))
            assert len(arrived(broker)) - before <= 6
            assert sender.publisher.brokered < 200
            sender.wait_brokered(200)


@pytest.mark.parametrize("limit", [2, 65_535])
def test_what_is_urgent_goes_out_while_the_window_is_full_of_events(tmp_path: Path, limit: int) -> None:
    """N13: the broker takes events and acknowledges none for a while."""
    with MqttBroker() as broker:
        broker.limit(receive_maximum=limit)
        broker.fault("hold", topic=f"{BASE}/event/#")
        with sending(tmp_path, broker.port, window=20) as sender:
            commit(sender, 50)
            wait_until(lambda: len(arrived(broker)) == min(20, limit - 1))
            began = time.monotonic()
            sender.publisher.keep(state("busy", "device/pad-1/status"))
            sender.publisher.send(Message(f"{BASE}/reply/a/b", b"x"))
            wait_until(lambda: arrived(broker, "reply") and arrived(broker, "device"))
            assert time.monotonic() - began < 0.5
            broker.release()
            sender.wait_brokered(50)
            assert_all_in_order(arrived(broker), 50)


def test_little_is_under_way_however_large_the_events_are(tmp_path: Path) -> None:
    """N13: 128 KiB in flight and not 200 times 30 KiB, so that a slow line has nothing in front of a state."""
    with MqttBroker(keep=False) as broker, sending(tmp_path, broker.port) as sender:
        sizes: list[int] = []
        broker.on_publish = lambda message: sizes.append(message.size)
        sender.wait_up()
        broker.fault("hold", topic=f"{BASE}/event/#")
        sender.commit(*("x" * 30_000 for _ in range(50)))
        wait_until(lambda: sum(sizes) > 120_000)
        sender.commit("more")
        for _ in range(5):  # the thread has turned to its connection several times
            moved = sender.publisher.moved
            sender.publisher.wake()
            wait_until(functools.partial(turned, sender, moved))
        assert sender.publisher.sent == 5
        assert sum(sizes) < 200_000
        broker.release()
        sender.wait_brokered(51)


def turned(sender: Sender, before: float | None) -> bool:
    return sender.publisher.moved != before
