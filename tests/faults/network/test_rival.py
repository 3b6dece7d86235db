"""A second client with our name (N11): recognised, told of, and not fought."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.delivery import breaks, connection
from edge.delivery.link_errors import taken_over
from simulators.mqtt_broker import MqttBroker
from tests.core.sender_rig import sending
from tests.faults.network.net_rig import CLIENT_ID, Ear, arrived, assert_all_in_order, commit, quick


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


def test_a_session_taken_over_is_named_and_not_taken_back_at_once(tmp_path: Path) -> None:
    """N11: DISCONNECT 0x8E; the next try is 15 to 30 s away, and the events wait."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        broker.take_over(CLIENT_ID)
        sender.wait_problem("MQT-112")
        commit(sender, 10)
        assert sender.publisher.link == "down"
        assert sender.publisher.brokered == 0
        with Ear(broker.port, "#"):  # somebody else connects meanwhile, and is served
            assert broker.count("connects") == 2
        pauses = [sender.publisher._pause_s(None) for _ in range(50)]  # noqa: SLF001
        assert min(pauses) >= 15
        assert max(pauses) <= 30


def test_the_alarm_stays_when_the_connection_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """N11, G9: two PCs with one name connect in turns; a status that is green in between would be a lie."""
    monkeypatch.setattr(connection, "_REFUSED_S", 0.1)
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        for turn in range(2, 5):
            broker.take_over(CLIENT_ID)
            sender.wait_up(turn)
            assert "MQT-112" in [trouble.code for trouble in sender.publisher.lasting()]
        commit(sender, 20)
        sender.wait_brokered(20)
        assert_all_in_order(arrived(broker), 20)


def test_every_further_takeover_makes_it_wait_longer() -> None:
    """N11: 30 s, one minute, two; and 30 s again once there was no rival for ten minutes."""
    now = 0.0
    counted = breaks.Breaks("mqtt", lambda: now)
    assert counted.patience() == 1
    for expected in (1, 2, 4, 4, 4):
        counted.down(taken_over(), was_up=True)
        assert counted.patience() == expected
        now += 60
    now += 700
    assert counted.patience() == 1
    assert not counted.lasting()
