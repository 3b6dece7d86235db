"""The broker that the other tests stand on."""

from __future__ import annotations

import socket
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.support.broker import HOST, Broker
from tests.support.wait import wait_until


def connect(port: int) -> tuple[mqtt.Client, list[bool]]:
    """Open a session that outlives its connection; return what each CONNACK said about a kept one."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="probe", protocol=mqtt.MQTTv5)
    kept: list[bool] = []
    client.on_connect = lambda _client, _data, flags, _reason, _properties: kept.append(flags.session_present)
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 600
    client.connect(HOST, port, clean_start=False, properties=properties)
    client.loop_start()
    wait_until(lambda: kept, what="CONNACK")
    return client, kept


def close(client: mqtt.Client) -> None:
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("persistent", [True, False])
def test_a_persistent_broker_keeps_sessions_over_a_restart(tmp_path: Path, persistent: bool) -> None:
    with Broker(tmp_path, persistent=persistent) as broker:
        port = broker.port
        close(connect(port)[0])
        broker.restart()
        client, kept = connect(port)
        close(client)
    assert kept == [persistent]


def test_a_killed_broker_is_gone_and_comes_back_on_its_port(broker: Broker) -> None:
    port = broker.port
    broker.kill()
    assert not broker.running
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=1)
    broker.start()
    assert broker.port == port
    close(connect(port)[0])


def test_a_frozen_broker_says_nothing_until_it_is_thawed(broker: Broker) -> None:
    broker.freeze()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    connected: list[bool] = []
    client.on_connect = lambda *_: connected.append(True)
    client.connect(HOST, broker.port)  # the kernel accepts in its place
    client.loop(timeout=0.1)
    assert not connected
    broker.thaw()
    while not connected:
        client.loop(timeout=1)


def test_extra_lines_reach_the_configuration(tmp_path: Path) -> None:
    with Broker(tmp_path, extra=["allow_anonymous false"]) as broker:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        reasons: list[str] = []
        client.on_connect = lambda _client, _data, _flags, reason, _properties: reasons.append(str(reason))
        client.connect(HOST, broker.port)
        while not reasons:
            client.loop(timeout=1)
    assert reasons == ["Not authorized"]


def test_the_shared_broker_is_up(shared_broker: Broker) -> None:
    assert shared_broker.running
    assert "running" in shared_broker.log_text()
