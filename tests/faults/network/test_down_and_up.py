"""A broker that is not there: at the start (N1), for days (N2), and again and again (N3)."""

from __future__ import annotations

import functools
import logging
import time
from pathlib import Path

import pytest

from edge.delivery.transport import Message
from simulators.mqtt_broker import MqttBroker
from tests.core.sender_rig import Sender, sending, state
from tests.faults.network.net_rig import (
    BASE,
    CLIENT_ID,
    Ear,
    arrived,
    assert_all_in_order,
    commit,
    free_port,
    quick,
)
from tests.support.broker import Broker
from tests.support.tiers import evidence, tiers
from tests.support.wait import wait_until

LIVE_S = 0.5
"""A reply and a change of state must not wait longer while a backlog goes out."""
DRAIN = 3000
"""Events a second; taken on an idle machine with two cores. A busy one may be this much slower:"""
BUSY = 6


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


def test_without_a_broker_at_the_start_events_are_accepted_and_kept(tmp_path: Path) -> None:
    """N1."""
    port = free_port()
    with sending(tmp_path, port) as sender:
        commit(sender, 50)
        sender.wait_problem("MQT-101")
        assert sender.publisher.link == "down"
        assert sender.outbox.depth == 50
        assert sender.publisher.sent == sender.publisher.brokered == 0
        with MqttBroker(port) as broker:
            sender.wait_brokered(50)
            assert_all_in_order(arrived(broker), 50)
            wait_until(lambda: broker.retained(f"{BASE}/status") == b"online")


@pytest.mark.parametrize("count", tiers(short=10_000, long=100_000))
def test_a_long_outage_is_made_up_for_and_what_is_urgent_does_not_wait(tmp_path: Path, count: int) -> None:
    """N2, against mosquitto: everything in order, fast, and a reply and a state go out at once meanwhile."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with Broker(folder, persistent=True) as broker:
        drain(tmp_path, broker, count)


def drain(tmp_path: Path, broker: Broker, count: int) -> None:
    port = broker.port
    archive = Ear(port, f"{BASE}/event/#", kept=True)
    with archive:  # it is away while the backlog goes out: what is measured is the window, not who listens
        pass
    broker.terminate()
    with sending(tmp_path, port, start=False, subscribers=["office"]) as sender:
        sender.start()
        for first in range(1, count + 1, 500):
            sender.commit(*(f"{number:<600}" for number in range(first, first + 500)))
        broker.start()
        with Ear(port, f"{BASE}/reply/#", f"{BASE}/device/#") as ear:
            sender.wait_up(deadline_s=20)
            began = time.monotonic()
            waits = [urgent_s(sender, ear, number) for number in range(10)]
            left = count - sender.publisher.brokered
            sender.wait_brokered(count, 60 + count / 300)
            took_s = time.monotonic() - began
        speed, worst_s = count / took_s, max(waits)
        assert left > 0, "the backlog went out before anything urgent was tried"
        assert worst_s < LIVE_S
        assert speed > DRAIN / BUSY, f"{speed:.0f} events/s"
        with archive:
            wait_until(lambda: len(archive.heard) >= count, 60 + count / 300, "all of it was heard")
        assert [int(body) for body in dict.fromkeys(archive.bodies())] == list(range(1, count + 1))
        evidence("n2-drain", trials=count, failures=0, events_per_s=round(speed), urgent_worst_s=round(worst_s, 3))


def urgent_s(sender: Sender, ear: Ear, number: int) -> float:
    """Return how long a reply and a change of state take to whoever waits for them."""
    reply, change = Message(f"{BASE}/reply/a/{number}", b"x"), state("x", f"device/{number}/status")
    began = time.monotonic()
    sender.publisher.send(reply)
    sender.publisher.keep(change)
    wait_until(lambda: {reply.topic, change.topic} <= ear.topics(), 10, "it is heard")
    return time.monotonic() - began


@pytest.mark.slow
def test_a_broker_that_flaps_gets_everything_without_a_storm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N3: with the real back-off against 1 s up and 1 s down: few tries, few repeats, few lines."""
    monkeypatch.undo()
    caplog.set_level(logging.INFO, "hall-edge")
    with MqttBroker() as broker, sending(tmp_path, broker.port, window=20) as sender:
        sender.wait_up()
        broker.flap(1.0, 1.0)
        end = time.monotonic() + 8.0
        count = 0
        while time.monotonic() < end:
            commit(sender, 5, count + 1)
            count += 5
            wait_until(functools.partial(caught_up, sender, count))
        connects = broker.count("connects")
        broker.steady()
        sender.wait_brokered(count, 15)
        got = arrived(broker)
        assert_all_in_order(got, count)
        assert 2 <= connects <= 7
        assert len(got) - count <= connects * 20
        assert len(caplog.records) <= 16


def caught_up(sender: Sender, count: int) -> bool:
    return sender.publisher.link == "down" or sender.publisher.brokered >= count - 100


@pytest.mark.slow
def test_a_flapping_broker_gets_each_window_at_most_once_more_a_break(tmp_path: Path) -> None:
    """N3, with short pauses: 30 breaks, and never more repeats than what was in flight."""
    with MqttBroker() as broker, sending(tmp_path, broker.port, window=10, subscribers=["office"]) as sender:
        ladder = (0, 0, 0)
        for turn in range(30):
            commit(sender, 20, turn * 20 + 1)
            wait_until(lambda: sender.publisher.link == "up")
            broker.down()
            broker.up()
            before, ladder = ladder, (sender.publisher.brokered, sender.publisher.sent, sender.outbox.head)
            assert ladder[0] <= ladder[1] <= ladder[2]
            assert all(then <= now for then, now in zip(before, ladder, strict=True))  # no rung ever goes back
            assert len(set(arrived(broker))) >= ladder[0]  # what counts as brokered has arrived
        sender.wait_brokered(600)
        got = arrived(broker)
        assert_all_in_order(got, 600)
        assert len(got) - 600 <= broker.count("connects") * 10
        wait_until(lambda: CLIENT_ID in broker.clients())
