"""What the faulty broker does wrong, it does exactly: each deed, switch and limit, by a client's eyes."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from simulators.mqtt_broker import MqttBroker
from simulators.mqtt_broker_words import HELP, order
from simulators.words import ScenarioError
from tests.simulators.test_mqtt_broker import Client, client
from tests.support.project import ROOT
from tests.support.wait import wait_until


@pytest.fixture
def broker() -> Iterator[MqttBroker]:
    with MqttBroker() as own:
        yield own


@contextmanager
def pair(broker: MqttBroker) -> Iterator[tuple[Client, Client]]:
    """Lend who publishes and who listens to everything."""
    with client(broker.port, "writer") as writer, client(broker.port, "reader") as reader:
        reader.subscribe("#")
        yield writer, reader


def send(writer: Client, *bodies: str, topic: str = "t") -> None:
    for body in bodies:
        writer.paho.publish(topic, body, 1)


def settled(writer: Client, reader: Client) -> None:
    """Wait until everything sent before is over: a message that no fault strikes has come through."""
    writer.paho.publish("end", b"end", 1)
    wait_until(lambda: b"end" in reader.bodies())


@pytest.mark.parametrize(
    ("deed", "acked", "heard"),
    [
        ("forget", [0, 0, 0], "13"), ("refuse", [0, 0x97, 0], "13"), ("drop", [0, 0], "13"),
        ("silent", [0, 0], "123"), ("twice", [0, 0, 0], "123"), ("stray", [0, 0, 0], "123"),
    ],
)  # fmt: skip
def test_a_deed_strikes_the_nth_message_and_no_other(
    broker: MqttBroker, deed: str, acked: list[int], heard: str
) -> None:
    with pair(broker) as (writer, reader):
        order_now(broker, f"{deed} 0x97 topic=t nth=2")
        send(writer, "1", "2", "3")
        settled(writer, reader)
        assert b"".join(reader.bodies()[:-1]).decode() == heard
        wait_until(lambda: len(writer.acked) == len(acked) + 1)
        assert writer.acked[:-1] == acked
        assert broker.count(deed) == 1


def order_now(broker: MqttBroker, line: str) -> None:
    deed = order(broker, line)
    assert deed is not None
    deed()


def test_a_held_puback_comes_when_told(broker: MqttBroker) -> None:
    with pair(broker) as (writer, reader):
        broker.fault("hold", topic="t")
        send(writer, "1", "2")
        settled(writer, reader)
        wait_until(lambda: writer.acked)
        assert len(writer.acked) == 1
        assert broker.most_in_flight("writer") == 3
        broker.release()
        wait_until(lambda: len(writer.acked) == 3)


def test_a_late_puback_is_late(broker: MqttBroker) -> None:
    with pair(broker) as (writer, _):
        broker.fault("late", after_s=0.2)
        began = time.monotonic()
        assert writer.publish("t", b"1") == 0
        assert 0.2 <= time.monotonic() - began < 2


@pytest.mark.parametrize(("line", "reason"), [("disconnect 0x99", 0x99), ("cut", 0x80)])
def test_a_connection_ends_over_a_large_message(broker: MqttBroker, line: str, reason: int) -> None:
    with pair(broker) as (writer, _):
        order_now(broker, f"{line} over=500 client=writer")
        assert writer.publish("t", b"small") == 0
        send(writer, "x" * 600)
        assert wait_until(lambda: writer.ended)[0] == reason


def test_limits_are_stated_and_kept(broker: MqttBroker) -> None:
    order_now(broker, "limit receive-maximum=3 maximum-packet-size=2048 server-keep-alive=77")
    with client(broker.port, "writer") as writer:
        told = writer.connack[0][2]
        assert (told.ReceiveMaximum, told.MaximumPacketSize, told.ServerKeepAlive) == (3, 2048, 77)
        send(writer, "x" * 3000)
        assert wait_until(lambda: writer.ended)[0] == 0x95
    with pytest.raises(ScenarioError, match="did you mean"):
        broker.limit(receive_maximun=1)


def test_who_sends_more_than_the_receive_maximum_is_sent_away(broker: MqttBroker) -> None:
    broker.limit(receive_maximum=2)
    broker.fault("silent")
    with socket.create_connection(("127.0.0.1", broker.port)) as raw:
        raw.sendall(b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x02me")
        for mid in range(1, 4):
            raw.sendall(b"\x32\x06\x00\x01t\x00" + bytes([mid, 0]))
        raw.settimeout(5)
        got = b""
        while chunk := raw.recv(100):
            got += chunk
        assert got.endswith(b"\xe0\x01\x93")


def test_freezing_answers_nothing_and_thawing_answers_all(broker: MqttBroker) -> None:
    with pair(broker) as (writer, reader):
        broker.freeze()
        send(writer, "1", "2")
        with socket.create_connection(("127.0.0.1", broker.port)) as newcomer:
            newcomer.sendall(b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x02me")
            newcomer.settimeout(0.3)
            with pytest.raises(TimeoutError):
                newcomer.recv(1)
            assert not writer.acked
            broker.thaw()
            newcomer.settimeout(5)
            assert newcomer.recv(1) == b"\x20"
        wait_until(lambda: reader.bodies() == [b"1", b"2"])


def test_slow_reading_takes_its_time(broker: MqttBroker) -> None:
    with pair(broker) as (writer, reader):
        broker.switch(bytes_per_s=20_000)
        began = time.monotonic()
        send(writer, *("x" * 1000 for _ in range(20)))
        wait_until(lambda: len(reader.heard) == 20, 10)
        assert 0.5 < time.monotonic() - began < 5


def test_a_take_over_says_so_or_not(broker: MqttBroker) -> None:
    with client(broker.port, "a") as told, client(broker.port, "b") as untold:
        order_now(broker, "take-over a")
        order_now(broker, "take-over b told=0")
        assert wait_until(lambda: told.ended)[0] == 0x8E
        assert wait_until(lambda: untold.ended)[0] == 0x80


def test_who_is_turned_away_hears_why(broker: MqttBroker) -> None:
    broker.turn_away(0x89, times=1)
    away, later = Client("a"), Client("b")
    away.connect(broker.port)
    away.leave()
    later.connect(broker.port)
    later.leave()
    assert (away.connack[0][1], later.connack[0][1]) == (0x89, 0)


def test_down_keeps_what_a_kill_loses(broker: MqttBroker) -> None:
    with client(broker.port, "a") as writer:
        writer.publish("t", b"kept", retain=True)
    broker.down()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", broker.port), 1)
    broker.up()
    assert broker.retained("t") == b"kept"
    broker.kill()
    assert broker.retained("t") is None


def test_a_silent_client_is_ended_after_its_keep_alive(broker: MqttBroker) -> None:
    with socket.create_connection(("127.0.0.1", broker.port)) as raw:
        raw.sendall(b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x01\x00\x00\x02me")
        raw.settimeout(5)
        got = b""
        while chunk := raw.recv(100):
            got += chunk
        assert got.endswith(b"\xe0\x01\x8d")


@pytest.mark.parametrize("noise", [b"\x30", b"GET / HTTP/1.1\r\n\r\n", bytes(50), b"\xff" * 50, b"\x10\x02\x00\x04"])
def test_nonsense_from_a_client_ends_its_connection_and_nothing_else(broker: MqttBroker, noise: bytes) -> None:
    with pair(broker) as (writer, reader):
        with socket.create_connection(("127.0.0.1", broker.port)) as raw:
            raw.sendall(noise)
        settled(writer, reader)


def test_the_command_line_obeys_words_and_tells_what_is_wrong() -> None:
    command = [sys.executable, "-W", "error", "-m", "simulators.mqtt_broker"]
    lines = "limit receive-maximum=7\n\nfreez\nrefuse 0x87 nth=x\ntake-over nobody\nclear\n"
    done = subprocess.run(command, cwd=ROOT, input=lines, capture_output=True, text=True, timeout=20, check=True)
    said = done.stdout.splitlines()
    assert said[0].startswith("ready ")
    assert said[1:] == ["done limit receive-maximum=7", "done clear"]
    assert [line.split(";")[0] for line in done.stderr.splitlines()] == [
        "stdin:3: unknown word 'freez'",
        "stdin:4: nth must be a whole number from 0 to 268435456, not 'x'",
        "stdin:5: no client 'nobody' is connected",
    ]


def test_the_help_names_every_word(broker: MqttBroker) -> None:
    with pytest.raises(ScenarioError) as told:
        order(broker, "xyzzy")
    known = str(told.value).split("known: ")[1].split(", ")
    assert len(known) > 25
    assert [word for word in known if word not in HELP] == []
