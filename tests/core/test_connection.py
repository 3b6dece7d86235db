"""What must survive a break of the connection, and what each kind of break is called."""

from __future__ import annotations

import gc
import logging
import time
from pathlib import Path

import pytest

from edge.delivery import connection, flights, transport
from edge.delivery.transport import Message
from tests.core.puppet import HOLD, SILENT, Disconnect, Puppet, publish_packet
from tests.core.sender_rig import Sender, sending, state
from tests.support.wait import wait_until
from tests.support.window import BASE


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses before a reconnect."""
    monkeypatch.setattr(connection, "_BACKOFF_S", (0.01, 0.05))


def reply(number: int, text: str) -> Message:
    return Message(f"{BASE}/reply/a/{number}", text.encode())


# --- replies and states --------------------------------------------------------------------------


def test_a_reply_given_while_the_connection_is_made_is_not_lost(tmp_path: Path) -> None:
    """A resumed session delivers requests before our SUBACK: what answers them must wait for the link."""
    first = publish_packet(f"{BASE}/request/pad-1/evaluate", b"{}", f"{BASE}/reply/a/b")
    with Puppet(first=first) as broker, sending(tmp_path, broker.port, start=False) as sender:
        sender.on_message = lambda message: sender.publisher.send(Message(message.response_topic or "", b"ack"))
        sender.start()
        wait_until(lambda: broker.payloads("reply") == [b"ack"])


def test_replies_come_after_a_break_and_states_with_their_last_value(tmp_path: Path) -> None:
    def answer(topic: str, _payload: bytes) -> int:
        return HOLD if "/reply/" in topic else 0

    with Puppet(answer=answer) as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        sender.publisher.send(reply(1, "in flight"))
        wait_until(lambda: broker.payloads("reply") == [b"in flight"])
        broker.answer = lambda _topic, _payload: 0
        broker.drop()
        wait_until(lambda: sender.publisher.link == "down" or sender.publisher.connects > 1)
        sender.publisher.send(reply(2, "while it was down"))
        for text in ("busy", "ready"):
            sender.publisher.keep(state(text, "device/pad-1/status"))
        sender.wait_up(2)
        wait_until(lambda: broker.payloads("reply") == [b"in flight", b"in flight", b"while it was down"])
        wait_until(lambda: broker.payloads("device")[-1:] == [b"ready"])


def test_replies_without_a_broker_do_not_fill_the_memory(tmp_path: Path) -> None:
    with Puppet() as broker, sending(tmp_path, broker.port, start=False) as sender:
        for number in range(5000):
            sender.publisher.send(reply(number, "x"))
        sender.start()
        sender.publisher.keep(state("last", "device/pad-1/status"))
        wait_until(lambda: len(broker.payloads("reply")) == 1000)
        sender.commit("a")
        sender.wait_brokered(1)
        assert len(broker.payloads("reply")) == 1000


def test_no_state_is_lost_at_the_moment_of_connecting(tmp_path: Path) -> None:
    with Puppet() as broker, sending(tmp_path, broker.port) as sender:
        for number in range(30):
            broker.drop()
            for step in range(50):
                sender.publisher.keep(state(f"{number}.{step}", "device/pad-1/status"))
        sender.wait_up()
        wait_until(lambda: broker.payloads("device")[-1:] == [b"29.49"], what="the last state arrives")


def test_the_last_state_goes_out_even_when_the_end_meets_a_connect(tmp_path: Path) -> None:
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Puppet() as broker:
            with sending(folder, broker.port):
                wait_until(lambda: broker.connects)
            assert [payload for topic, payload in broker.published if topic == f"{BASE}/status"][-1] == b"offline"


# --- breaks and their names ----------------------------------------------------------------------


@pytest.mark.parametrize(("how", "code"), [({"refuses": 0x87}, "MQT-110"), ({"suback": 0x87}, "MQT-113")])
def test_a_broker_that_does_not_want_us_is_named_and_left_alone(tmp_path: Path, how: dict[str, int], code: str) -> None:
    refuses, suback = how.get("refuses", 0), how.get("suback", 1)
    with Puppet(refuses=refuses, suback=suback) as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_problem(code)
        assert sender.publisher.problem is not None
        assert sender.publisher.problem.reason == 0x87
        assert sender.publisher.problem.refused
        sender.commit("a")
        assert sender.outbox.depth == 1
        assert broker.connects == 1  # the next try is 15 to 30 s away


def test_a_client_that_takes_our_place_is_an_alarm_and_no_fight(tmp_path: Path) -> None:
    with Puppet() as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()

        def answer(_topic: str, _payload: bytes) -> int:
            raise Disconnect(0x8E)

        broker.answer = answer
        sender.commit("a")
        sender.wait_problem("MQT-112")
        assert sender.publisher.problem is not None
        assert sender.publisher.problem.refused  # the next try is 15 to 30 s away
        assert "the PC" in sender.publisher.problem.action


def test_a_broker_that_is_not_there(tmp_path: Path) -> None:
    with sending(tmp_path, 1) as sender:
        sender.wait_problem("MQT-101")
        assert sender.publisher.link == "down"


def test_a_broker_that_never_acknowledges_is_left_by_our_own_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flights, "ACK_LIMIT_S", 0.2)

    def answer(_topic: str, payload: bytes) -> int:
        return SILENT if payload == b"1" else 0

    with Puppet(answer=answer) as broker, sending(tmp_path, broker.port) as sender:
        sender.commit("1")
        sender.wait_problem("MQT-104")
        broker.answer = lambda _topic, _payload: 0
        sender.wait_brokered(1)
        assert broker.payloads("event").count(b"1") >= 2


def test_a_slow_broker_that_acknowledges_is_not_left() -> None:
    clock = Clock()
    own = flights.Flights(clock)
    for mid in range(1, 21):
        own.begin(mid, 1)
        own.took_off(mid, flights.Flight(state("x"), mid))
    for mid in range(1, 21):  # the last PUBACK comes 40 s after it was sent
        clock.now += 2.0
        assert not own.overdue()
        own.acknowledged(mid, 0)
    own.begin(21, 1)
    own.took_off(21, flights.Flight(state("x"), 21))
    clock.now += 5.1
    assert own.overdue()


def test_one_puback_that_the_broker_forgot_is_noticed() -> None:
    clock = Clock()
    own = flights.Flights(clock)
    own.begin(1, 1)
    own.took_off(1, flights.Flight(state("x"), 1))
    for mid in range(2, 40):
        clock.now += 2.0
        own.begin(mid, 1)
        own.took_off(mid, flights.Flight(state("x"), mid))
        own.acknowledged(mid, 0)
        if clock.now > 60:
            break
    assert own.overdue()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


# --- bugs and leaks ------------------------------------------------------------------------------


def test_a_bug_ends_the_connection_and_not_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Puppet() as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        with monkeypatch.context() as patch:
            patch.setattr(sender.replays, "next_message", lambda: 1 // 0)
            sender.commit("a")
            sender.wait_problem("MQT-199")
        sender.commit("b")
        sender.wait_brokered(2)
        assert "ZeroDivisionError" not in "".join(record.getMessage() for record in caplog.records)


def test_a_message_that_cannot_be_handled_does_not_end_the_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[bytes] = []

    def hear(message: Message) -> None:
        heard.append(message.payload)
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "secret")

    first = publish_packet(f"{BASE}/ack/office", b"\xff") * 3
    with Puppet(first=first) as broker, sending(tmp_path, broker.port, start=False) as sender:
        sender.on_message = hear
        sender.start()
        sender.commit("a")
        sender.wait_brokered(1)
        assert len(heard) == 3
        assert broker.connects == 1
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 3
    assert "secret" not in "".join(record.getMessage() for record in errors)


def test_being_woken_all_the_time_does_not_keep_it_from_connecting(tmp_path: Path) -> None:
    """Every commit wakes the thread; the wait for SUBACK once counted wake-ups instead of time."""
    with Puppet(suback=-1) as broker, sending(tmp_path, broker.port) as sender:
        wait_until(lambda: broker.subscribed)
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            sender.publisher.wake()
        broker.suback()
        sender.wait_up()
        assert broker.connects == 1


def test_reconnecting_leaves_no_handles_even_without_the_collector(tmp_path: Path) -> None:
    def handles() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    with Puppet() as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        gc.collect()
        gc.disable()
        try:
            before = handles()
            for number in range(2, 20):
                broker.drop()
                sender.wait_up(number)
            wait_until(lambda: handles() <= before + 2, what=f"{before} handles again")
        finally:
            gc.enable()


def test_it_ends_quickly_whatever_the_broker_does(tmp_path: Path) -> None:
    with Puppet(answer=lambda *_: HOLD) as broker:
        sender = Sender(tmp_path, broker.port)
        sender.start()
        sender.wait_up()
        sender.commit("a")
        began = time.monotonic()
        sender.publisher.stop(state("offline"), 0.3)
        assert time.monotonic() - began < 0.6
        broker.release()
        sender.close()


def test_the_size_of_a_packet_is_never_guessed_too_small() -> None:
    message = Message("t" * 100, b"p" * 500, content_type="a/b", correlation=b"c" * 30, user=(("replayed", "true"),))
    exact = 1 + 3 + 2 + 100 + 2 + 2 + (3 + 3) + (3 + 30) + (5 + 8 + 4) + 500
    assert exact <= message.packet_bytes <= exact + 32
    assert transport.Message("t", b"").packet_bytes >= 8
