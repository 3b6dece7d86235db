"""What the tests of the network share: what arrived at a broker, and whether it is everything, in order, once."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.delivery import connection, flights
from simulators.mqtt_broker import MqttBroker
from tests.core.sender_rig import CLIENT_ID, Sender
from tests.support.broker import free_port
from tests.support.wait import wait_until
from tests.support.window import BASE

__all__ = [
    "BASE",
    "CLIENT_ID",
    "Ear",
    "Sender",
    "arrived",
    "assert_all_in_order",
    "commit",
    "free_port",
    "quick",
    "warnings",
]


def quick(monkeypatch: pytest.MonkeyPatch, *, ack_s: float = 1.0) -> None:
    """Make back-offs and deadlines so short that a test need not wait for the real ones."""
    monkeypatch.setattr(connection, "_BACKOFF_S", (0.02, 0.1))
    monkeypatch.setattr(connection, "_STEADY_S", 0.5)
    monkeypatch.setattr(flights, "AGAIN_S", 0.02)
    monkeypatch.setattr(flights, "ACK_LIMIT_S", ack_s)


def arrived(broker: MqttBroker, branch: str = "event") -> list[bytes]:
    """Return what was published below one branch of the window, in order of arrival, repeats included."""
    prefix = f"{BASE}/{branch}"
    return [message.payload for message in list(broker.published) if message.topic.startswith(prefix)]


def commit(sender: Sender, count: int, first: int = 1) -> None:
    """Accept events whose bodies are numbers, one transaction each."""
    for number in range(first, first + count):
        sender.commit(str(number))


def assert_all_in_order(got: list[bytes], count: int, first: int = 1) -> None:
    """Everything arrived, nothing else did, and the first arrivals are in the order of acceptance."""
    wanted, came = [str(number).encode() for number in range(first, first + count)], list(dict.fromkeys(got))
    assert not set(wanted).symmetric_difference(came), "missing, or of nobody"
    assert not [pair for pair in pairwise(map(int, came)) if pair[0] > pair[1]], "out of order"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines of the connection's log, from WARNING on."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


class Ear:
    """Hears a few topics, as a client of its own; with *kept* its session goes on while it is away."""

    def __init__(self, port: int, *filters: str, kept: bool = False) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._port, self._filters, self._kept = port, filters, kept
        self._client: paho.Client | None = None

    def __enter__(self) -> Self:
        client = paho.Client(CallbackAPIVersion.VERSION2, f"ear-{id(self)}", protocol=paho.MQTTv5)
        wanted = Properties(PacketTypes.CONNECT)
        wanted.SessionExpiryInterval = 600 if self._kept else 0
        listening: list[int] = []
        client.on_connect = lambda own, _, flags, *_more: (
            listening.append(1)  # it goes on as it was
            if flags.session_present
            else own.subscribe([(one, SubscribeOptions(qos=1)) for one in self._filters])
        )
        client.on_subscribe = lambda *_: listening.append(1)
        client.on_message = lambda _c, _d, message: self.heard.append((message.topic, bytes(message.payload)))
        client.connect("127.0.0.1", self._port, clean_start=False, properties=wanted)
        client.loop_start()
        self._client = client
        wait_until(lambda: listening, 10, "the ear hears")
        return self

    def __exit__(self, *_: object) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()
            client.on_message = client.on_connect = client.on_subscribe = None

    def topics(self) -> set[str]:
        return {topic for topic, _ in list(self.heard)}

    def bodies(self) -> list[bytes]:
        return [body for _, body in list(self.heard)]
