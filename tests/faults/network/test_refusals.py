"""What the broker does not take: refused with a reason (N8), or the connection ended over it (N9)."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from edge.delivery import flights
from edge.delivery.transport import Message
from simulators.mqtt_broker import MqttBroker
from tests.core.sender_rig import sending, state
from tests.core.store_rig import PAD_TOPIC
from tests.faults.network.net_rig import BASE, CLIENT_ID, arrived, commit, quick, warnings
from tests.support.wait import wait_until

PAD = f"{BASE}/event/{PAD_TOPIC}"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


def numbers(count: int) -> set[bytes]:
    return {str(number).encode() for number in range(1, count + 1)}


# --- PUBACK >= 0x80 -------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
def test_every_reason_parks_after_three_tries_and_the_queue_goes_on(tmp_path: Path, reason: int) -> None:
    """N8."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        broker.fault("refuse", reason=reason, topic=PAD)
        sender.commit("1", "pad:2", *(str(number) for number in range(3, 51)))
        sender.wait_brokered(50)
        assert sender.refused == [(2, reason)]
        wait_until(lambda: sender.outbox.refused == 1)
        got = Counter(arrived(broker))
        assert got == Counter(numbers(50) - {b"2"}) + Counter({b"pad:2": 3})
        assert sender.publisher.connects == 1


def test_a_refusal_that_ends_by_itself_parks_nothing(tmp_path: Path) -> None:
    """N8: two refusals of each event, and then it is taken."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        for topic in (f"{BASE}/event/#", PAD):
            broker.fault("refuse", reason=0x83, topic=topic, times=1)
        commit(sender, 20)
        sender.wait_brokered(20)
        assert not sender.refused


def test_a_quota_is_given_ten_times_the_time_to_have_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N8: 0x97 says that the broker is full, not that the event is bad."""
    monkeypatch.setattr(flights, "AGAIN_S", 0.1)
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        fault = broker.fault("refuse", reason=0x97, topic=f"{BASE}/event/#")
        sender.commit("1")
        wait_until(lambda: fault.done == 1)
        began = time.monotonic()
        wait_until(lambda: fault.done == 2)
        assert time.monotonic() - began > 0.8
        broker.clear()
        sender.wait_brokered(1)
        assert not sender.refused


def test_a_whole_branch_that_is_refused_stops_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """N8: 500 events of one device refused, 500 of another one through; and the log stays short."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        broker.fault("refuse", reason=0x87, topic=PAD)
        for number in range(1, 1001, 2):
            sender.commit(str(number), f"pad:{number + 1}")
        sender.wait_brokered(1000, 20)
        assert sorted(seq for seq, _ in sender.refused) == list(range(2, 1001, 2))
        assert {int(body) for body in arrived(broker) if body.isdigit()} == set(range(1, 1001, 2))
        wait_until(lambda: sender.outbox.refused == 500)
        assert len(warnings(caplog)) <= 12


def test_a_state_that_is_refused_is_told_of_and_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N8, G9: somebody mends the access list, and the state comes without a restart of the daemon."""
    monkeypatch.setattr(flights, "_PARDON_S", 0.3)
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        broker.fault("refuse", reason=0x87, topic=f"{BASE}/health")
        sender.publisher.keep(state("1", "health"))
        wait_until(lambda: [trouble.code for trouble in sender.publisher.lasting()] == ["MQT-120"])
        assert arrived(broker, "health") == [b"1"] * 3
        broker.clear()

        def told_again() -> bool:
            sender.publisher.keep(state(str(len(broker.published) % 7), "health"))
            sender.publisher.send(state("9", "health"))
            return broker.retained(f"{BASE}/health") is not None

        wait_until(told_again)
        wait_until(lambda: not sender.publisher.lasting())


# --- too large ------------------------------------------------------------------------------------


def test_what_is_larger_than_the_broker_takes_never_leaves(tmp_path: Path) -> None:
    """N9: Maximum Packet Size of 2 KiB, at every size around it; the broker would end the connection."""
    with MqttBroker() as broker:
        broker.limit(maximum_packet_size=2048)
        with sending(tmp_path, broker.port) as sender:
            sizes = [10, 1800, 1900, *range(1930, 2060, 3), 5000, 60_000, 10]
            sender.commit(*("x" * size for size in sizes))
            sender.publisher.send(Message(f"{BASE}/reply/a/b", b"y" * 3000))
            sender.wait_brokered(len(sizes))
            assert sender.publisher.connects == 1
            assert all(reason == 0x95 for _, reason in sender.refused)
            refused = {seq for seq, _ in sender.refused}
            assert {len(body) for body in arrived(broker)} == {
                size for seq, size in enumerate(sizes, 1) if seq not in refused
            }
            assert max(message.size for message in broker.published) > 2048 - 64  # and nothing is refused for nothing
            assert not arrived(broker, "reply")


def test_a_smaller_limit_after_a_reconnect_counts_from_then_on(tmp_path: Path) -> None:
    """N9."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        sender.commit("x" * 5000)
        sender.wait_brokered(1)
        broker.limit(maximum_packet_size=2048)
        broker.down()
        sender.commit("y" * 5000, "3")
        broker.up()
        sender.wait_brokered(3)
        assert sender.refused == [(2, 0x95)]


# --- the connection ends over a message -----------------------------------------------------------


@pytest.mark.parametrize("reason", [0x81, 0x82, 0x83, 0x87, 0x90, 0x95, 0x99])
def test_a_message_the_broker_disconnects_over_is_found_and_parked(tmp_path: Path, reason: int) -> None:
    """N9: three breaks alone in flight, and the queue goes on."""
    with MqttBroker() as broker, sending(tmp_path, broker.port, start=False) as sender:
        broker.fault("disconnect", reason=reason, topic=PAD)
        sender.commit(*"abcdefgh", "pad:poison", *"ijklmnop")
        sender.start()
        sender.wait_brokered(17, 20)
        assert sender.refused == [(9, reason)]
        assert {body.decode() for body in arrived(broker)} == {*"abcdefghijklmnop", "pad:poison"}


def test_a_message_over_which_the_broker_just_hangs_up_is_found_too(tmp_path: Path) -> None:
    """N9: no DISCONNECT and no reason; it takes more breaks, because a network can do the same."""
    with MqttBroker() as broker, sending(tmp_path, broker.port, start=False) as sender:
        fault = broker.fault("cut", topic=PAD)
        sender.commit(*"abcdefgh", "pad:poison", *"ijklmnop")
        sender.start()
        sender.wait_brokered(17, 20)
        assert sender.refused == [(9, 0x80)]
        assert 5 <= fault.done <= 14
        assert {body.decode() for body in arrived(broker)} == {*"abcdefghijklmnop", "pad:poison"}


@pytest.mark.slow
def test_a_message_that_is_never_acknowledged_is_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """N8: the broker answers everything else; without a verdict all behind it would come again for ever."""
    quick(monkeypatch, ack_s=0.3)
    monkeypatch.setattr(flights, "_LOST_S", 0.5)
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        broker.fault("drop", topic=PAD)
        sender.commit(*"abcdefgh", "pad:poison", *"ijklmnop")
        sender.wait_brokered(17, 30)
        assert sender.refused == [(9, 0x80)]
        assert {body.decode() for body in arrived(broker)} == {*"abcdefghijklmnop", "pad:poison"}


@pytest.mark.slow
def test_a_broker_that_acknowledges_nothing_gets_no_event_parked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N4: it accepts connections and subscriptions, and is silent about all that is published."""
    quick(monkeypatch, ack_s=0.2)
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        broker.fault("silent")
        commit(sender, 5)
        sender.wait_up(12, 30)
        assert not sender.publisher.lasting() or sender.publisher.lasting()[0].code == "MQT-119"
        broker.clear()
        sender.wait_brokered(5)
        assert not sender.refused
        assert set(arrived(broker)) == numbers(5)


@pytest.mark.slow
def test_a_broker_that_hangs_up_at_random_gets_no_event_parked(tmp_path: Path) -> None:
    """N3, N9: 40 resets in the middle of things are no poison."""
    with MqttBroker() as broker, sending(tmp_path, broker.port, window=10) as sender:
        for place in range(5, 900, 15):
            broker.fault("cut", topic=f"{BASE}/event/#", nth=place)
        commit(sender, 600)
        sender.wait_brokered(600, 30)
        assert broker.count("cut") >= 30
        assert not sender.refused
        assert set(arrived(broker)) == numbers(600)


@pytest.mark.slow
def test_a_broker_that_ends_the_connection_over_everything_gets_few_events_parked(tmp_path: Path) -> None:
    """N9: it is the broker that is broken: each verdict that does not help takes longer, and nothing is lost."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        fault = broker.fault("disconnect", reason=0x83, topic=f"{BASE}/event/#")
        commit(sender, 20)
        wait_until(lambda: fault.done >= 60, 30)
        assert len(sender.refused) <= 5
        broker.clear()
        sender.wait_brokered(20)
        kept = {row.seq for row in sender.outbox.between(1, 20).result() if row.refused is not None}
        assert kept == {seq for seq, _ in sender.refused}
        assert numbers(20) - {str(seq).encode() for seq in kept} <= set(arrived(broker))


def test_a_state_the_broker_disconnects_over_is_given_up_and_events_go_on(tmp_path: Path) -> None:
    """N9: states come first after every connect, so one of them could block everything."""
    with MqttBroker() as broker, sending(tmp_path, broker.port, start=False) as sender:
        broker.fault("disconnect", reason=0x99, topic=f"{BASE}/device/pad-3/about")
        for number in range(6):
            sender.publisher.keep(state("{}", f"device/pad-{number}/about"))
        commit(sender, 5)
        sender.start()
        sender.wait_brokered(5, 20)
        assert not sender.refused
        assert "MQT-120" in [trouble.code for trouble in sender.publisher.lasting()]
        wait_until(lambda: broker.retained(f"{BASE}/device/pad-5/about") == b"{}")


def test_a_reply_the_broker_disconnects_over_is_given_up(tmp_path: Path) -> None:
    """N9."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        broker.fault("disconnect", reason=0x99, topic=f"{BASE}/reply/#")
        sender.publisher.send(Message(f"{BASE}/reply/a/b", b"x"))
        commit(sender, 5)
        sender.wait_brokered(5, 20)
        wait_until(lambda: CLIENT_ID in broker.clients())
        assert not sender.refused
        assert len(arrived(broker, "reply")) <= 4


# --- nobody listens -------------------------------------------------------------------------------


def test_pubacks_that_say_nobody_listens_are_counted_and_named(tmp_path: Path) -> None:
    """N8: 0x10 is a success of the broker's and no delivery."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        commit(sender, 7)
        sender.wait_brokered(7)
        assert sender.publisher.unheard == 7
        assert set(sender.publisher.deaf) == {"event"}
