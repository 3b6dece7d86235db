"""A broker, or something between, that does not keep to MQTT 5: noise, broken packets, wrong acknowledgements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.mqtt_broker import MqttBroker
from simulators.mqtt_broker_packets import puback
from tests.core.sender_rig import sending
from tests.faults.network.net_rig import BASE, CLIENT_ID, arrived, assert_all_in_order, commit, quick
from tests.support.wait import wait_until


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


SPOILS: dict[str, Callable[[MqttBroker], object]] = {
    "noise": lambda broker: broker.garbage(CLIENT_ID, seed=1),
    "more noise": lambda broker: broker.garbage(CLIENT_ID, seed=2),
    "zeros": lambda broker: broker.say(CLIENT_ID, bytes(200)),
    "a malformed packet": lambda broker: broker.malformed(CLIENT_ID),
    "an endless length": lambda broker: broker.say(CLIENT_ID, b"\x30\xff\xff\xff\xff\xff"),
    "a PUBACK without an id": lambda broker: broker.say(CLIENT_ID, b"\x40\x01\x00"),
    "an unknown property": lambda broker: broker.say(CLIENT_ID, b"\x40\x05\x00\x01\x00\x01\x7e"),
    "a second CONNACK": lambda broker: broker.say(CLIENT_ID, b"\x20\x03\x00\x00\x00"),
    "a reserved packet": lambda broker: broker.say(CLIENT_ID, b"\x00\x00"),
    "HTTP": lambda broker: broker.say(CLIENT_ID, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_nonsense_ends_a_connection_at_most_and_parks_nothing(
    tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Five times in the middle of events: everything arrives, in order, and no event is blamed."""
    with MqttBroker() as broker, sending(tmp_path, broker.port, window=5) as sender:
        for turn in range(5):
            wait_until(lambda: CLIENT_ID in broker.clients() and sender.publisher.link == "up")
            SPOILS[spoil](broker)
            commit(sender, 20, turn * 20 + 1)
        sender.wait_brokered(100, 20)
        assert_all_in_order(arrived(broker), 100)
        assert not sender.refused
        assert "MQT-199" not in caplog.text


def test_acknowledgements_that_fit_nothing_count_for_nothing(tmp_path: Path) -> None:
    """Doubled PUBACKs, and some for messages never sent: no event counts as taken before its own has come."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        broker.fault("twice", topic=f"{BASE}/event/#", times=50)
        broker.fault("stray", topic=f"{BASE}/event/#", times=50)
        commit(sender, 150)
        sender.wait_brokered(150)
        assert_all_in_order(arrived(broker), 150)
        assert len(arrived(broker)) == 150
        assert sender.publisher.connects == 1
        broker.fault("hold", topic=f"{BASE}/event/#")
        sender.commit("151")
        wait_until(lambda: len(arrived(broker)) == 151)
        for mid in range(1, 60_000, 97):
            if mid != broker.published[-1].mid:
                broker.say(CLIENT_ID, puback(mid))
        sender.publisher.wake()
        assert sender.publisher.brokered == 150
        broker.release()
        sender.wait_brokered(151)


def test_acknowledgements_for_strangers_are_no_sign_of_life(tmp_path: Path) -> None:
    """N4: only a PUBACK for what we have sent resets the deadline."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        broker.fault("silent", topic=f"{BASE}/event/#")
        sender.commit("1")

        def left() -> bool:
            if sender.publisher.link == "up" and CLIENT_ID in broker.clients():
                broker.stray_puback(CLIENT_ID, 64_000)
            return sender.publisher.connects > 1

        wait_until(left, 5, "the deadline ends the connection in spite of strange PUBACKs")


@pytest.mark.parametrize("reason", [0x88, 0x89, 0x97, 0x9F])
def test_a_broker_that_is_busy_is_tried_again_soon(tmp_path: Path, reason: int) -> None:
    """A CONNACK that says "not now" is no refusal for good."""
    with MqttBroker() as broker:
        broker.turn_away(reason, times=3)
        with sending(tmp_path, broker.port) as sender:
            commit(sender, 5)
            sender.wait_brokered(5, 5)
            assert broker.count("connects") == 4


@pytest.mark.parametrize("limits", [{"retain_available": 0}, {"maximum_qos": 0}])
def test_a_broker_that_lacks_what_a_window_needs_is_named(tmp_path: Path, limits: dict[str, int]) -> None:
    with MqttBroker() as broker:
        broker.limit(**limits)
        with sending(tmp_path, broker.port) as sender:
            sender.wait_problem("MQT-116")
            commit(sender, 5)
            assert broker.count("connects") == 1
            assert not arrived(broker)
