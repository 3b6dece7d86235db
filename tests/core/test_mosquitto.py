"""The publisher on a real mosquitto: what it refuses, forgets, freezes, and whom it lets in."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.delivery import connection, transport
from edge.delivery.transport import Message
from tests.core.sender_rig import CLIENT_ID, sending, state
from tests.core.store_rig import PAD_TOPIC, TOPIC
from tests.support.broker import Broker
from tests.support.wait import wait_until
from tests.support.window import BASE, Wiretap

WRONG = "not-this-one"
MakeBroker = Callable[..., Broker]
RIGHTS = f"topic readwrite #\ntopic deny {BASE}/event/{PAD_TOPIC}\ntopic deny {BASE}/health\n"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses before a reconnect."""
    monkeypatch.setattr(connection, "_BACKOFF_S", (0.02, 0.1))


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
    with sending(tmp_path, broker.port, username="w01", password=WRONG) as sender:
        sender.wait_problem("MQT-110")
        problem = sender.publisher.problem
        assert problem is not None
        assert problem.reason == 0x87
        assert WRONG not in str(problem)
        assert "user, password" in problem.action


def test_topics_that_are_not_allowed_block_no_others(tmp_path: Path, make_broker: MakeBroker) -> None:
    """mosquitto 2.0.11 sends PUBACK 0x87 and ends the connection, every time."""
    broker = make_broker("acl_file {folder}/rights", rights=RIGHTS)
    tap = Wiretap(broker.port)
    with sending(tmp_path, broker.port) as sender:
        sender.publisher.keep(state("{}", "health"))
        sender.commit("1", "pad:2", "3")
        sender.publisher.send(Message(f"{BASE}/health", b"as a reply"))
        sender.wait_brokered(3, 20)
        assert sender.refused == [(2, 0x87)]
        wait_until(lambda: sender.outbox.depth == sender.outbox.refused == 1)
        wait_until(lambda: {body for at, body, _ in tap.messages if at == f"{BASE}/event/{TOPIC}"} == {b"1", b"3"})
        connects = sender.publisher.connects
        sender.commit(*(str(number) for number in range(4, 100)))
        sender.wait_brokered(99)
        assert sender.publisher.connects == connects  # what is refused for good is not sent any more
    tap.close()


@pytest.mark.parametrize(("line", "reason"), [("max_packet_size 2000", 0x95), ("message_size_limit 1500", 0x82)])
def test_what_is_too_large_blocks_nothing(tmp_path: Path, make_broker: MakeBroker, line: str, reason: int) -> None:
    """The one limit is told in CONNACK, the other by a PUBACK with 0x95, which MQTT does not know there."""
    broker = make_broker(line)
    with sending(tmp_path, broker.port) as sender:
        sender.commit("1", "x" * 3000, "3")
        sender.wait_brokered(3, 20)
        assert sender.refused == [(2, reason)]
        assert (sender.publisher.connects == 1) == (reason == 0x95)


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
        wait_until(lambda: sender.publisher.unheard == 3)  # and not the states; counted behind the PUBACK
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


def test_a_broker_that_comes_and_goes_loses_nothing(tmp_path: Path, broker: Broker) -> None:
    with sending(tmp_path, broker.port, subscribers=["office"]) as sender:
        for _ in range(5):
            sender.commit(*(str(number) for number in range(100)))
            broker.kill()
            sender.commit(*(str(number) for number in range(100)))
            broker.start()
        sender.wait_brokered(1000, 15)
        assert sender.outbox.depth == 1000  # the broker's word alone deletes nothing


# --- session and last will -----------------------------------------------------------------------


def test_the_last_will_comes_after_its_delay(broker: Broker, tap: Wiretap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_WILL_DELAY_S", 1)
    line = Connection(broker.port, lambda _message: None)
    line.publish(state("online"))
    wait_until(lambda: statuses(tap) == [b"online"])
    line.drop()
    wait_until(lambda: statuses(tap) == [b"online", b"offline"], 5)


def test_a_session_outlives_a_break_and_requests_wait_in_it(broker: Broker, tap: Wiretap) -> None:
    heard: list[bytes] = []
    line = Connection(broker.port, lambda message: heard.append(message.payload))
    line.drop()
    tap.publish("request/pad-1/evaluate", b"while it was away")
    line = Connection(broker.port, lambda message: heard.append(message.payload))
    for _ in range(50):
        if heard:
            break
        line.pass_once(0.1)
    line.close()
    assert heard == [b"while it was away"]
    assert statuses(tap) == []  # the will was not published


def statuses(tap: Wiretap) -> list[bytes]:
    return [body for topic, body, _ in list(tap.messages) if topic == f"{BASE}/status"]


class Connection(transport.Transport):
    """A transport with a wake handle of its own."""

    def __init__(self, port: int, heard: Callable[[Message], None]) -> None:
        self._own = os.eventfd(0, os.EFD_NONBLOCK)
        address = transport.BrokerAddress("127.0.0.1", port, CLIENT_ID)
        super().__init__(address, state("offline"), heard, self._own)
        self.connect([f"{BASE}/request/+/+"])

    def drop(self) -> None:
        super().drop()
        if self._own >= 0:
            os.close(self._own)
            self._own = -1
