"""Status and health are right within 15 s in every fault of the network (G9): by name, and taken back afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from simulators.mqtt_broker import MqttBroker
from tests.faults.network.net_rig import BASE, CLIENT_ID
from tests.support.broker import Broker
from tests.support.tiers import evidence
from tests.support.truth import Told, expect, taken_back
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

HASTY = [sys.executable, "-m", "tests.faults.network.hasty"]


@pytest.fixture
def faulty() -> Iterator[MqttBroker]:
    with MqttBroker(keep=False) as broker:
        yield broker


@pytest.fixture
def strained(short_path: Path, faulty: MqttBroker) -> Iterator[WindowUnderTest]:
    """Lend a window on the faulty broker."""
    place = Broker(short_path)
    place.port = faulty.port
    window = WindowUnderTest(short_path, place)
    window.program = HASTY
    try:
        yield window
    finally:
        faulty.clear()
        window.close()


def reconnects(broker: MqttBroker) -> None:
    """Make everybody connect anew."""
    broker.down()
    broker.up()


def frozen(broker: MqttBroker) -> None:
    """Answer nobody who connects."""
    broker.freeze()
    reconnects(broker)


def named(broker: MqttBroker, **more: Any) -> None:
    """Refuse whoever connects, with a property or a reason."""
    if "reason" in more:
        broker.turn_away(more["reason"])
    else:
        broker.limit(**more)
    reconnects(broker)


FAULTS: dict[str, tuple[str, Callable[[MqttBroker], object], Callable[[MqttBroker], object]]] = {
    "down": ("MQT-101", MqttBroker.down, MqttBroker.up),
    "frozen": ("MQT-103", frozen, MqttBroker.thaw),
    "silent": ("MQT-104", MqttBroker.freeze, MqttBroker.thaw),
    "refuses": ("MQT-110", lambda broker: named(broker, reason=0x87), MqttBroker.clear),
    "busy": ("MQT-115", lambda broker: named(broker, reason=0x89), MqttBroker.clear),
    "keeps nothing": ("MQT-116", lambda broker: named(broker, retain_available=0), MqttBroker.clear),
}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_every_fault_of_the_link_has_its_name(strained: WindowUnderTest, faulty: MqttBroker) -> None:
    """One after the other; the window goes on accepting, and says so."""
    strained.device("gun-1", "code_serial", 'content = "public"')
    strained.start()
    slowest = 0.0
    for number, (name, (code, begin, end)) in enumerate(FAULTS.items()):
        begin(faulty)
        strained.bench.do(f"gun-1 scan A{number}")
        told = Told({"gun-1": ["ready"]}, [code], at_broker=False)
        slowest = max(slowest, expect(strained, told))
        assert strained.status()["health"]["link"]["state"] == "down", name
        wait_until(lambda: strained.status()["health"]["ladder"]["accepted"] == str(number + 1))  # noqa: B023
        end(faulty)
        faulty.clear()
        faulty.up()
        taken_back(strained, told)
        wait_until(lambda: strained.status()["health"]["ladder"]["brokered"] == str(number + 1), 10)  # noqa: B023
    evidence("g9-link", trials=len(FAULTS), failures=0, slowest_s=round(slowest, 2))


@pytest.mark.slow
def test_what_outlasts_a_break_is_told_while_the_link_is_up(strained: WindowUnderTest, faulty: MqttBroker) -> None:
    """A take-over (N11), breaks again and again (N3), a state that is refused (N8): up is not the same as good."""
    strained.device("gun-1", "code_serial", 'content = "public"')
    strained.start()
    expect(strained, Told({"gun-1": ["ready"]}))  # all is said: a line that is closed on unread bytes is reset
    faulty.take_over(CLIENT_ID)
    expect(strained, Told({"gun-1": ["ready"]}, ["MQT-112"]))
    faulty.fault("refuse", reason=0x87, topic=f"{BASE}/device/gun-1/about")
    for _ in range(6):
        wait_until(lambda: strained.status()["health"]["link"]["state"] == "up", 10)
        reconnects(faulty)
        wait_until(lambda: CLIENT_ID in faulty.clients(), 10)
    expect(strained, Told({"gun-1": ["ready"]}, ["MQT-112", "MQT-119", "MQT-120"]))
    assert strained.status()["health"]["link"]["state"] == "up"
