"""The publisher against a broker that does as told: window, order, refusals, breaks, and who is to blame."""

from __future__ import annotations

import gc
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from edge.delivery import connection, flights
from edge.delivery.feed import Feed
from edge.delivery.transport import Message
from tests.core.puppet import HOLD, Disconnect, Puppet, maximum_packet_size, receive_maximum
from tests.core.sender_rig import Sender, sending, state
from tests.core.store_rig import busy, opened
from tests.support.wait import wait_until
from tests.support.window import BASE


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses before a reconnect and before a refused message goes out again."""
    monkeypatch.setattr(connection, "_BACKOFF_S", (0.01, 0.05))
    monkeypatch.setattr(flights, "AGAIN_S", 0.01)


def texts(count: int, first: int = 1) -> list[bytes]:
    return [str(number).encode() for number in range(first, first + count)]


def commit(sender: Sender, count: int, first: int = 1) -> None:
    for text in texts(count, first):
        sender.commit(text.decode())


# --- the window ----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3, 20])
def test_never_more_in_flight_than_the_broker_takes(tmp_path: Path, limit: int) -> None:
    def hold(_topic: str, _payload: bytes) -> int:
        return HOLD

    with Puppet(properties=receive_maximum(limit), answer=hold) as broker, sending(tmp_path, broker.port) as sender:
        sender.commit(*("sealed:" for _ in range(30)))  # two messages each
        for number in range(30):
            sender.publisher.keep(state("x", f"device/{number}/status"))
            sender.publisher.send(Message(f"{BASE}/reply/a/{number}", b"x"))
        wait_until(lambda: broker.most_in_flight == limit, what="the window is full")
        broker.release()
        sender.wait_brokered(30)
        wait_until(lambda: len(broker.payloads("reply")) == 30)
        assert len(broker.payloads("event")) == len(broker.payloads("sealed")) == 30
        assert broker.most_in_flight == limit


def test_our_own_window_counts_where_it_is_smaller(tmp_path: Path) -> None:
    with Puppet(answer=lambda *_: HOLD) as broker, sending(tmp_path, broker.port, window=5) as sender:
        commit(sender, 50)
        wait_until(lambda: broker.most_in_flight == 5)
        broker.release()
        sender.wait_brokered(50)
        assert broker.most_in_flight == 5
        assert broker.payloads("event") == texts(50)


# --- order and watermark -------------------------------------------------------------------------


def test_the_watermark_stops_before_what_the_broker_has_not_taken(tmp_path: Path) -> None:
    def answer(_topic: str, payload: bytes) -> int:
        return HOLD if payload == b"3" else 0

    with Puppet(answer=answer) as broker, sending(tmp_path, broker.port) as sender:
        commit(sender, 6)
        wait_until(lambda: sender.publisher.sent == 6 and sender.publisher.brokered == 2)
        broker.release()
        sender.wait_brokered(6)
        wait_until(lambda: sender.outbox.depth == 0, what="all is deleted: nobody else has to confirm")


def test_after_a_break_it_begins_where_the_broker_ended(tmp_path: Path) -> None:
    def answer(_topic: str, payload: bytes) -> int:
        return HOLD if payload.isdigit() and int(payload) > 5 else 0

    with Puppet(answer=answer) as broker, sending(tmp_path, broker.port, window=8) as sender:
        commit(sender, 40)
        sender.wait_brokered(5)
        wait_until(lambda: broker.most_in_flight == 8)
        broker.answer = lambda _topic, _payload: 0
        broker.drop()
        sender.wait_brokered(40)
        assert broker.payloads("event") == texts(13) + texts(35, 6)


def test_breaks_at_random_moments_lose_nothing_and_keep_the_order(tmp_path: Path) -> None:
    """Also while a page is being read from the outbox: one read for the connection before must not be used."""
    moments = random.Random(20261122)

    def answer(_topic: str, _payload: bytes) -> int:
        if moments.random() < 0.02:
            broker.drop()
        return HOLD if moments.random() < 0.1 else 0

    with Puppet(answer=answer) as broker, sending(tmp_path, broker.port, start=False, window=20) as sender:
        sender.commit(*(str(number) for number in range(1, 2501)))  # more than are kept in memory
        sender.start()
        wait_until(lambda: broker.connects > 20, 20)
        broker.release()
        broker.drop()
        commit(sender, 100, 2501)
        sender.wait_brokered(2600, 20)
        first = list(dict.fromkeys(broker.payloads("event")))
        assert first == texts(2600)


def test_a_page_of_the_connection_before_is_not_used(tmp_path: Path) -> None:
    """It begins behind what was in flight at the break: that was skipped, and counted as taken."""
    with opened(tmp_path / "outbox.db") as desk:
        desk.commit(*(str(number) for number in range(1, 301)))
        under_way = flights.Flights()
        feed = Feed(under_way, lambda: None)
        with busy(desk.outbox):
            under_way.begin(101, 1)
            under_way.begin(200, 1)
            assert feed.next_row(desk.outbox) is None  # asks for what follows 200
            under_way.restart()
            feed.restart()
        row = wait_until(lambda: [feed.next_row(desk.outbox)], what="a page")[0]
        row = row or wait_until(lambda: [found] if (found := feed.next_row(desk.outbox)) else [])[0]
        assert row.seq == 101


def test_a_backlog_goes_out_in_order_and_not_through_memory(tmp_path: Path) -> None:
    count, size = 20_000, 2000
    with Puppet() as broker, sending(tmp_path, broker.port, start=False) as sender:
        for first in range(1, count + 1, 500):
            sender.commit(*(f"{number:<{size}}" for number in range(first, first + 500)))
        broker.published = Order()
        before = resident()
        sender.start()
        sender.wait_brokered(count, 40)
        assert broker.published.seen == count
        assert not broker.published.wrong
        assert resident() - before < count * size // 4


class Order(list[tuple[str, bytes]]):
    """Keeps nothing but whether the numbers came in order."""

    seen = wrong = 0

    def append(self, message: tuple[str, bytes]) -> None:
        if "/event/" in message[0]:
            self.seen += 1
            self.wrong += int(message[1]) != self.seen


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


# --- refusals ------------------------------------------------------------------------------------


def test_what_is_refused_three_times_is_parked_and_the_queue_goes_on(tmp_path: Path) -> None:
    def answer(_topic: str, payload: bytes) -> int:
        return 0x87 if payload == b"3" else 0

    with Puppet(answer=answer) as broker, sending(tmp_path, broker.port) as sender:
        commit(sender, 6)
        wait_until(lambda: sender.refused)
        sender.wait_brokered(6)
        assert Counter(broker.payloads("event")) == Counter(texts(6)) + Counter({b"3": 2})
        assert sender.refused == [(3, 0x87)]
        wait_until(lambda: sender.outbox.refused == 1)
        wait_until(lambda: sender.outbox.depth == 1)
        assert sender.outbox.between(1, 9).result()[0].refused == 0x87


def test_an_event_with_both_views_refused_is_parked_once(tmp_path: Path) -> None:
    def answer(topic: str, _payload: bytes) -> int:
        return 0x87 if topic.split("/")[4] in ("event", "sealed") else 0

    with Puppet(answer=answer) as broker, sending(tmp_path, broker.port) as sender:
        sender.commit("sealed:1")
        sender.commit("sealed:2")
        sender.wait_brokered(2)
        assert sorted(sender.refused) == [(1, 0x87), (2, 0x87)]


def test_a_refusal_that_goes_away_costs_nothing(tmp_path: Path) -> None:
    tries: Counter[bytes] = Counter()

    def answer(_topic: str, payload: bytes) -> int:
        tries[payload] += 1
        return 0x97 if tries[payload] < 3 else 0

    with Puppet(answer=answer) as broker, sending(tmp_path, broker.port) as sender:
        commit(sender, 20)
        sender.wait_brokered(20)
        assert not sender.refused
        assert set(broker.payloads("event")) == set(texts(20))


def test_a_refused_state_is_not_sent_again_once_there_is_a_newer_one(tmp_path: Path) -> None:
    def answer(_topic: str, payload: bytes) -> int:
        if payload == b"old" and len(broker.payloads("device")) == 1:
            sender.publisher.keep(state("new", "device/pad-1/status"))
        return 0x97 if payload == b"old" else 0

    with Puppet(answer=answer) as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        sender.publisher.keep(state("old", "device/pad-1/status"))
        wait_until(lambda: b"new" in broker.payloads("device"))
        commit(sender, 200)
        sender.wait_brokered(200)
        assert broker.payloads("device")[-1] == b"new"


def test_what_is_larger_than_the_broker_takes_never_leaves(tmp_path: Path) -> None:
    with Puppet(properties=maximum_packet_size(1000)) as broker, sending(tmp_path, broker.port) as sender:
        sender.commit("1", "x" * 2000, "3")
        sender.publisher.send(Message(f"{BASE}/reply/a/b", b"y" * 2000))
        sender.wait_brokered(3)
        assert broker.payloads("event") == [b"1", b"3"]
        assert sender.refused == [(2, 0x95)]
        sender.commit("z" * 2000)  # also as the last one, with nothing behind it
        sender.wait_brokered(4)
        assert not broker.payloads("reply")


def test_a_message_the_broker_disconnects_for_is_found_and_parked(tmp_path: Path) -> None:
    def answer(_topic: str, payload: bytes) -> int:
        if payload in (b"poison", b"more poison"):
            raise Disconnect(0x99)
        return 0

    with Puppet(answer=answer) as broker, sending(tmp_path, broker.port, start=False) as sender:
        sender.commit(*"abc", "poison", *"def", "more poison", *"ghi")
        sender.publisher.send(Message(f"{BASE}/reply/a/b", b"an answer"))
        sender.start()
        sender.wait_brokered(11, 20)
        assert sorted(sender.refused) == [(4, 0x99), (8, 0x99)]
        assert set(broker.payloads("event")) == {b"poison", b"more poison"} | {bytes([char]) for char in b"abcdefghi"}
        assert b"an answer" in broker.payloads("reply")


def test_a_reply_the_broker_disconnects_for_is_dropped(tmp_path: Path) -> None:
    def answer(topic: str, _payload: bytes) -> int:
        if "/reply/" in topic:
            raise Disconnect(0x87)
        return 0

    with Puppet(answer=answer) as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        sender.publisher.send(Message(f"{BASE}/reply/a/b", b"x"))
        wait_until(lambda: broker.connects > 1)
        commit(sender, 3)
        sender.wait_brokered(3)
        assert not sender.refused
        assert len(broker.payloads("reply")) <= 2
