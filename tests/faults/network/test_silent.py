"""A broker that says nothing: frozen or gone without a word (N4), swallowed by the network (N5), half a packet."""

from __future__ import annotations

import gc
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.delivery import flights
from simulators.mqtt_broker import MqttBroker
from tests.core.sender_rig import Sender, sending, state
from tests.faults.network.net_rig import BASE, CLIENT_ID, arrived, assert_all_in_order, commit, quick, warnings
from tests.support.broker import Broker
from tests.support.proxy import Proxy
from tests.support.wait import wait_until
from tests.support.window import Wiretap

NOTICED_S = 12.0


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)


def wait_noticed(sender: Sender, since: float) -> float:
    """Wait until the silence is noticed and named; return how long it took."""
    wait_until(lambda: sender.publisher.link == "down", NOTICED_S + 3, "the silence is noticed")
    took_s = time.monotonic() - since
    assert sender.publisher.problem is not None
    assert sender.publisher.problem.code in ("MQT-104", "MQT-103")
    return took_s


# --- the real figures: nothing is shortened -------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("how", "busy"), [("frozen", False), ("vanished", False), ("vanished", True)])
def test_a_half_open_connection_is_noticed_within_12_s(tmp_path: Path, broker: Broker, how: str, busy: bool) -> None:
    """N4, G8: mosquitto stopped by SIGSTOP, and one that has gone without a FIN; with events waiting, and without."""
    with Proxy(broker.port) as proxy, sending(tmp_path, proxy.port) as sender:
        sender.wait_up()
        sender.commit("1")
        sender.wait_brokered(1)
        broker.freeze() if how == "frozen" else proxy.vanish()
        began = time.monotonic()
        if busy:
            sender.commit("2")
        assert wait_noticed(sender, began) <= NOTICED_S
        broker.thaw()
        proxy.allow()
        sender.commit("3")
        sender.wait_brokered(3 if busy else 2, 15)


@pytest.mark.slow
def test_a_kernel_that_does_not_answer_ends_the_connection_too(tmp_path: Path) -> None:
    """N5: TCP_USER_TIMEOUT stands on the socket, so that even bytes nobody takes end it."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        ours = [found for found in _sockets() if _option(found, socket.TCP_USER_TIMEOUT) == 10_000]
        assert len(ours) == 1
        assert _option(ours[0], socket.TCP_NODELAY) == 1


def _sockets() -> list[int]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue
        if target.startswith("socket:"):
            found.append(int(entry.name))
    return found


def _option(fd: int, option: int) -> int:
    sock = socket.socket(fileno=os.dup(fd))
    with sock:
        try:
            return sock.getsockopt(socket.IPPROTO_TCP, option)
        except OSError:
            return 0


# --- with short deadlines -------------------------------------------------------------------------


@pytest.mark.usefixtures("_quick")
def test_a_frozen_broker_gets_again_what_it_had_not_acknowledged(tmp_path: Path) -> None:
    """N4: what was in flight when it froze comes again, in order, and nothing is lost."""
    with MqttBroker() as broker, sending(tmp_path, broker.port, window=10) as sender:
        commit(sender, 20)
        sender.wait_brokered(20)
        broker.freeze()
        commit(sender, 40, 21)
        wait_until(lambda: sender.publisher.link == "down")
        assert sender.publisher.brokered == 20
        broker.thaw()
        sender.wait_brokered(60)
        assert_all_in_order(arrived(broker), 60)


@pytest.mark.slow
@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("silence", ["black hole", "frozen", "deaf"])
def test_silence_fills_no_memory(tmp_path: Path, silence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """N5: no queue in memory grows while nobody answers, whatever is accepted meanwhile."""
    monkeypatch.setattr(flights, "ACK_LIMIT_S", 30.0)  # it stays connected to the silence
    with MqttBroker(keep=False) as broker, Proxy(broker.port) as proxy, sending(tmp_path, proxy.port) as sender:
        sender.wait_up()
        sender.commit("first")
        sender.wait_brokered(1)
        if silence == "black hole":
            proxy.black_hole = True
        else:
            broker.switch(**{"frozen" if silence == "frozen" else "deaf": True})
        before = resident()
        for number in range(60):
            sender.commit(*("x" * 20_000 for _ in range(25)))  # 30 MB
            sender.publisher.keep(state(f"{number}" * 100, "device/pad-1/status"))
        assert sender.outbox.depth >= 1500
        assert sender.publisher.brokered == 1
        assert resident() - before < 20_000_000  # 4 MiB of rows at most wait in memory, and a window of 128 KiB
        assert sender.publisher._flights.bytes < 200_000  # noqa: SLF001
        broker.clear()
        proxy.reset()
        proxy.allow()
        sender.wait_brokered(1501, 30)


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


SILENCES: dict[str, Callable[[MqttBroker], object]] = {
    "half a packet": lambda broker: broker.half(CLIENT_ID),
    "no PUBACK any more": lambda broker: broker.fault("silent"),
    "neither PUBACK nor delivery": lambda broker: broker.fault("drop"),
}


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("silence", SILENCES)
def test_silence_of_other_kinds_is_left_by_our_own_deadline(
    tmp_path: Path, silence: str, caplog: pytest.LogCaptureFixture
) -> None:
    """N4: the connection lives, pings are answered, and still events do not get through."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        SILENCES[silence](broker)
        commit(sender, 10)
        wait_until(lambda: [line for line in warnings(caplog) if line.startswith("MQT-104")], 10, "MQT-104")
        broker.clear()
        sender.wait_brokered(10)
        assert_all_in_order(arrived(broker), 10)


@pytest.mark.usefixtures("_quick")
def test_one_message_that_gets_no_puback_holds_up_no_other(tmp_path: Path) -> None:
    """N4: the watermark waits for it; it comes again when the connection does."""
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        broker.fault("silent", topic=f"{BASE}/event/#", nth=3)
        commit(sender, 50)
        wait_until(lambda: sender.publisher.sent == 50)
        wait_until(lambda: len(arrived(broker)) >= 50)
        assert sender.publisher.brokered in (0, 1, 2, 50)
        broker.clear()
        sender.wait_brokered(50)
        got = arrived(broker)
        assert_all_in_order(got, 50)


@pytest.mark.usefixtures("_quick")
def test_a_broker_that_never_answers_a_connect_is_left_alone_between_tries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N5: a black hole that takes connections; and the last state is kept for when it ends."""
    monkeypatch.setattr("edge.delivery.transport._CONNECT_S", 0.3)
    with MqttBroker() as broker, Proxy(broker.port) as proxy:
        proxy.black_hole = True
        with sending(tmp_path, proxy.port) as sender:
            sender.wait_problem("MQT-103")
            commit(sender, 5)
            wait_until(lambda: proxy.accepted >= 3)
            proxy.reset()
            proxy.allow()
            sender.wait_brokered(5)
            assert_all_in_order(arrived(broker), 5)


def test_an_end_does_not_wait_for_a_broker_that_never_answers(tmp_path: Path) -> None:
    """N5: the thread has ended soon after it was told to, with the real limits."""
    with MqttBroker() as broker:
        broker.freeze()
        with sending(tmp_path, broker.port) as sender:
            wait_until(sender.publisher._thread.is_alive)  # noqa: SLF001
            sender.publisher.stop(state("offline"), 0.5)
            wait_until(lambda: not sender.publisher._thread.is_alive(), 1.0, "the thread has ended")  # noqa: SLF001


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("asked", [0, 600], ids=["never", "every 600 s"])
def test_a_broker_that_wants_to_be_pinged_rarely_is_pinged_as_we_like(tmp_path: Path, asked: int) -> None:
    """N4: Server Keep Alive of 0 or of minutes would leave a half-open connection unnoticed."""
    with MqttBroker() as broker:
        broker.limit(server_keep_alive=asked)
        with sending(tmp_path, broker.port, keepalive_s=1) as sender:
            sender.wait_up()
            broker.freeze()
            sender.wait_problem("MQT-104", 6)


@pytest.mark.slow
def test_slow_reading_is_no_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """N5: a broker that takes 100 kB/s gets everything, without a single reconnect."""
    quick(monkeypatch, ack_s=2.0)
    with MqttBroker() as broker, sending(tmp_path, broker.port) as sender:
        sender.wait_up()
        broker.switch(bytes_per_s=100_000)
        sender.commit(*(f"{number:<1000}" for number in range(1, 201)))
        sender.wait_brokered(200, 20)
        assert sender.publisher.connects == 1
        assert [int(body) for body in arrived(broker)] == list(range(1, 201))


@pytest.mark.slow
def test_a_slow_network_is_no_silence(tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """N5: 300 ms there and back, 60 kB/s."""
    quick(monkeypatch, ack_s=5.0)
    tap = Wiretap(broker.port)
    with Proxy(broker.port) as proxy, sending(tmp_path, proxy.port) as sender:
        proxy.delay_s, proxy.bytes_per_s = 0.15, 60_000
        sender.wait_up()
        sender.commit(*(f"{number:<1000}" for number in range(1, 101)))
        sender.wait_brokered(100, 20)
        assert sender.publisher.connects == 1
        wait_until(lambda: len([1 for topic, *_ in tap.messages if "/event/" in topic]) == 100)
    tap.close()
