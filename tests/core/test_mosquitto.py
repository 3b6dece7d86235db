"""The publisher on a real mosquitto: what it refuses, forgets, freezes, and whom it lets in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from edge import flights, publisher, transport
from edge.transport import Message
from tests.core.sender_rig import CLIENT_ID, Sender, sending, state
from tests.core.store_rig import PAD_TOPIC, TOPIC
from tests.support.broker import Broker
from tests.support.wait import wait_until
from tests.support.window import BASE, Wiretap

MakeBroker = Callable[..., Broker]
DENIED = f"user {CLIENT_ID}\ntopic readwrite #\ntopic deny {BASE}/event/{PAD_TOPIC}\n"


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[MakeBroker]:
    """Start brokers with more lines in their configuration, and end them."""
    with ExitStack() as brokers:

        def make(*extra: str, **files: str) -> Broker:
            folder = tmp_path / f"broker-{len(files)}{len(extra)}"
            folder.mkdir()
            for name, text in files.items():
                (folder / name).write_text(text, encoding="utf-8")
                (folder / name).chmod(0o600)
            return brokers.enter_context(Broker(folder, extra=[line.format(folder=folder) for line in extra]))

        yield make


@pytest.fixture
def tap(broker: Broker) -> Iterator[Wiretap]:
    tap = Wiretap(broker.port)
    yield tap
    tap.close()


def retained(port: int, topic: str) -> bytes:
    """Return what the broker keeps for *topic*."""
    fresh = Wiretap(port)
    try:
        return wait_until(lambda: next((body for at, body, kept in fresh.messages if at == topic and kept), b""))
    finally:
        fresh.close()


# --- refusals ------------------------------------------------------------------------------------


def test_a_wrong_password_is_named(tmp_path: Path, make_broker: MakeBroker) -> None:
    broker = make_broker("allow_anonymous false", "password_file {folder}/users", users="")
    with sending(tmp_path, broker.port, username="w01", password="wrong") as sender:
        sender.wait_problem("MQT-110")
        problem = sender.publisher.problem
        assert problem is not None
        assert problem.reason == 0x87
        assert "wrong" not in str(problem)
        assert "user, password" in problem.action


def test_a_topic_that_is_not_allowed_blocks_no_other(tmp_path: Path, make_broker: MakeBroker, monkeypatch: Any) -> None:
    monkeypatch.setattr(flights, "AGAIN_S", 0.05)
    rights = DENIED.removeprefix(f"user {CLIENT_ID}\n")
    broker = make_broker("acl_file {folder}/rights", rights=rights)
    tap = Wiretap(broker.port)
    with sending(tmp_path, broker.port) as sender:
        sender.commit("1", "pad:2", "3")
        sender.wait_brokered(3)
        assert sender.refused == [(2, 0x87)]
        wait_until(lambda: sender.outbox.depth == sender.outbox.refused == 1)
        wait_until(lambda: [body for at, body, _ in tap.messages if at == f"{BASE}/event/{TOPIC}"] == [b"1", b"3"])
    tap.close()


def test_sizes_are_refused_here_or_there_and_block_nothing(
    tmp_path: Path, make_broker: MakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flights, "AGAIN_S", 0.05)
    for line in ("max_packet_size 2000", "message_size_limit 1500"):
        folder = tmp_path / line.split()[0]
        folder.mkdir()
        broker = make_broker(line, **{line.split()[0]: ""})
        with sending(folder, broker.port) as sender:
            sender.commit("1", "x" * 3000, "3")
            sender.wait_brokered(3)
            # PUBACK knows no 0x95, so that paho takes it for a protocol error
            assert sender.refused == [(2, 0x95 if line.startswith("max") else 0x82)]
        broker.kill()
        (broker.folder).rename(tmp_path / f"done-{line.split()[0]}")


def test_a_receive_maximum_of_one_is_kept(tmp_path: Path, make_broker: MakeBroker) -> None:
    broker = make_broker("max_inflight_messages 1")
    with sending(tmp_path, broker.port) as sender:
        sender.commit(*("sealed:" for _ in range(50)))
        sender.wait_brokered(50)
        assert sender.publisher.connects == 1


def test_events_that_nobody_hears_are_counted(tmp_path: Path, broker: Broker) -> None:
    with sending(tmp_path, broker.port) as sender:
        sender.commit("1", "2", "3")
        sender.wait_brokered(3)
        assert sender.publisher.unheard == 3  # and not the states
        tap = Wiretap(broker.port)
        sender.commit("4")
        sender.wait_brokered(4)
        tap.close()
        assert sender.publisher.unheard == 3


# --- broker that goes away -----------------------------------------------------------------------


def test_a_frozen_broker_is_noticed_and_everything_arrives_once_it_thaws(
    tmp_path: Path, broker: Broker, tap: Wiretap
) -> None:
    with sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        broker.freeze()
        frozen = time.monotonic()
        sender.commit("1", "2")
        sender.wait_problem("MQT-104", 12)
        assert time.monotonic() - frozen < 12
        broker.thaw()
        sender.wait_brokered(2, 15)
        wait_until(lambda: {body for at, body, _ in tap.messages if at == f"{BASE}/event/{TOPIC}"} == {b"1", b"2"})


def test_a_broker_that_forgets_everything_is_told_the_states_again(tmp_path: Path, broker: Broker) -> None:
    with sending(tmp_path, broker.port) as sender:
        sender.publisher.keep(state("ready", "device/pad-1/status"))
        sender.wait_up()
        broker.kill()
        broker.start()
        sender.wait_up(2, 15)
        assert retained(broker.port, f"{BASE}/device/pad-1/status") == b"ready"
        assert retained(broker.port, f"{BASE}/status") == b"online"
    assert retained(broker.port, f"{BASE}/status") == b"offline"


def test_a_broker_that_comes_and_goes_loses_nothing(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "_BACKOFF_S", (0.02, 0.1))
    with sending(tmp_path, broker.port, subscribers=["office"]) as sender:
        for _ in range(5):
            sender.commit(*(str(number) for number in range(100)))
            broker.kill()
            sender.commit(*(str(number) for number in range(100)))
            broker.start()
        sender.wait_brokered(1000, 15)
        assert sender.outbox.depth == 1000  # the broker's word alone deletes nothing


# --- identity and last will ----------------------------------------------------------------------


def test_a_second_client_with_our_name_is_an_alarm_and_no_fight(tmp_path: Path, broker: Broker) -> None:
    with sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        other = paho.Client(paho.CallbackAPIVersion.VERSION2, CLIENT_ID, protocol=paho.MQTTv5)
        other.connect("127.0.0.1", broker.port)
        other.loop_start()
        sender.wait_problem("MQT-112")
        assert sender.publisher.problem is not None
        assert sender.publisher.problem.refused  # so the next try is 15 to 30 s away
        assert "another PC" in sender.publisher.problem.action
        wait_until(other.is_connected)
        other.disconnect()
        other.loop_stop()
        del other


def test_the_last_will_comes_after_its_delay(
    tmp_path: Path, broker: Broker, tap: Wiretap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_WILL_DELAY_S", 1)
    line = connected(broker, lambda _message: None)
    line.publish(state("online"))
    wait_until(lambda: statuses(tap) == [b"online"])
    line.drop()
    wait_until(lambda: statuses(tap) == [b"online", b"offline"], 5)


def test_a_session_outlives_a_break_and_requests_wait_in_it(
    tmp_path: Path, broker: Broker, tap: Wiretap, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []
    line = connected(broker, lambda message: heard.append(message.payload))
    line.drop()
    tap.publish("request/pad-1/evaluate", b"while it was away")
    line = connected(broker, lambda message: heard.append(message.payload))
    for _ in range(50):
        if heard:
            break
        line.pass_once(0.1)
    line.close()
    assert heard == [b"while it was away"]
    assert statuses(tap) == []  # the will was not published


def statuses(tap: Wiretap) -> list[bytes]:
    return [body for topic, body, _ in list(tap.messages) if topic == f"{BASE}/status"]


def connected(broker: Broker, heard: Callable[[Message], None]) -> Connection:
    return Connection(broker.port, heard)


class Connection(transport.Transport):
    """A transport with a wake handle of its own."""

    def __init__(self, port: int, heard: Callable[[Message], None]) -> None:
        import os

        self._own = os.eventfd(0, os.EFD_NONBLOCK)
        address = transport.BrokerAddress("127.0.0.1", port, CLIENT_ID)
        super().__init__(address, state("offline"), heard, self._own)
        self.connect([f"{BASE}/request/+/+"])

    def drop(self) -> None:
        import os

        super().drop()
        if self._own >= 0:
            os.close(self._own)
            self._own = -1


_ = Sender
