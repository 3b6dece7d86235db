"""Names and addresses of the broker (N12): a name server that is slow, wrong or silent, and a family that is broken."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.delivery import dialing
from edge.delivery.dialing import Address, Cancelled, Dialer, NotResolved
from edge.delivery.transport import BrokerAddress
from simulators.mqtt_broker import MqttBroker
from tests.core.sender_rig import CLIENT_ID, Sender, sending
from tests.faults.network.net_rig import arrived, assert_all_in_order, commit, free_port, quick
from tests.support.wait import wait_until

NAME = "broker.hall.example"
V4, V6 = socket.AF_INET, socket.AF_INET6


class Names:
    """A name server that answers as a test says: addresses, an error, or not before it may."""

    def __init__(self, *addresses: Address, error: OSError | None = None) -> None:
        self.addresses, self.error = list(addresses), error
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = 0

    def __call__(self, _host: str, _port: int) -> Sequence[Address]:
        self.asked += 1
        self.may_answer.wait(20)
        if self.error:
            raise self.error
        return self.addresses


@contextmanager
def listening(family: socket.AddressFamily = V4) -> Iterator[int]:
    with socket.create_server(("::1" if family == V6 else "127.0.0.1", 0), family=family) as server:
        yield server.getsockname()[1]


@contextmanager
def full() -> Iterator[int]:
    """Lend a port that answers no SYN: its queue is full, as behind a firewall that drops."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        crowd = [socket.socket() for _ in range(4)]
        for sock in crowd:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        yield port
        for sock in crowd:
            sock.close()


def dialled(*addresses: Address, limit_s: float = 5.0) -> tuple[int, float]:
    """Return the port that was reached, and how long it took."""
    began = time.monotonic()
    with Dialer(NAME, 1, Names(*addresses)).dial(limit_s) as sock:
        return sock.getpeername()[1], time.monotonic() - began


# --- addresses ------------------------------------------------------------------------------------


def test_an_address_that_does_not_answer_costs_a_quarter_of_a_second() -> None:
    with full() as dead, listening() as port:
        reached, took_s = dialled((V4, ("127.0.0.1", dead)), (V4, ("127.0.0.1", port)))
        assert reached == port
        assert took_s < 2.0


def test_a_family_without_a_way_is_passed_over_at_once() -> None:
    """The name has an IPv6 address, and this PC has no IPv6: most halls."""
    with listening() as port:
        reached, took_s = dialled((V6, ("2001:db8::1", port, 0, 0)), (V4, ("127.0.0.1", port)), limit_s=3.0)
        assert reached == port
        assert took_s < 2.0


def test_the_other_family_is_taken_where_the_first_one_refuses() -> None:
    with listening(V6) as port:
        reached, _ = dialled((V4, ("127.0.0.1", free_port())), (V6, ("::1", port, 0, 0)))
        assert reached == port


def test_families_take_turns() -> None:
    four, six = [(V4, (str(number), 1)) for number in range(3)], [(V6, (str(number), 1)) for number in range(2)]
    assert dialing._interleaved([*six, *four]) == [six[0], four[0], six[1], four[1], four[2]]  # noqa: SLF001


def test_an_address_that_refuses_costs_nothing_and_the_last_error_is_told() -> None:
    began = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        dialled(*((V4, ("127.0.0.1", free_port())) for _ in range(8)))
    assert time.monotonic() - began < 1.0


def test_addresses_that_do_not_answer_end_at_the_limit() -> None:
    began = time.monotonic()
    with full() as dead, pytest.raises(TimeoutError):
        dialled((V4, ("127.0.0.1", dead)), (V4, ("127.0.0.1", dead)), limit_s=0.6)
    assert 0.5 < time.monotonic() - began < 2.0


# --- names ----------------------------------------------------------------------------------------


def test_a_name_server_that_does_not_answer_ends_at_the_limit_and_is_asked_once() -> None:
    names = Names()
    names.may_answer.clear()
    dialer = Dialer(NAME, 1, names)
    for _ in range(3):
        with pytest.raises(NotResolved):
            dialer.dial(0.1)
    assert names.asked == 1  # not a thread more for every try
    assert len([thread for thread in threading.enumerate() if thread.name == "resolver"]) == 1
    with listening() as port:
        names.addresses = [(V4, ("127.0.0.1", port))]
        names.may_answer.set()
        dialer.dial(5.0).close()


def test_the_addresses_of_last_time_count_while_the_name_server_is_down() -> None:
    with listening() as port:
        names = Names((V4, ("127.0.0.1", port)))
        dialer = Dialer(NAME, 1, names)
        dialer.dial(5.0).close()
        names.error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        dialer.dial(5.0).close()
        names.may_answer.clear()
        dialer.dial(0.2).close()
        names.may_answer.set()


def test_a_new_address_is_taken_at_the_next_try() -> None:
    with listening() as first, listening() as second:
        names = Names((V4, ("127.0.0.1", first)))
        dialer = Dialer(NAME, 1, names)
        dialer.dial(5.0).close()
        names.addresses = [(V4, ("127.0.0.1", second))]
        with dialer.dial(5.0) as sock:
            assert sock.getpeername()[1] == second


@pytest.mark.parametrize(
    "error", [socket.gaierror(socket.EAI_NONAME, "Name or service not known"), UnicodeError("label too long")]
)
def test_a_name_that_is_wrong_is_an_error_of_ours(error: OSError) -> None:
    with pytest.raises(NotResolved):
        Dialer(NAME, 1, Names(error=error)).dial(1.0)


def test_an_end_does_not_wait_for_a_name_server() -> None:
    names = Names()
    names.may_answer.clear()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        Dialer(NAME, 1, names).dial(10.0, lambda: True)
    assert time.monotonic() - began < 1.0
    names.may_answer.set()


# --- the publisher --------------------------------------------------------------------------------


def renamed(sender: Sender, names: Names, port: int) -> None:
    """Give the publisher a name in place of its address."""
    address = BrokerAddress(NAME, port, CLIENT_ID)
    sender.publisher._address = address  # noqa: SLF001
    sender.publisher._dialer = Dialer(NAME, port, names)  # noqa: SLF001


def test_nothing_else_waits_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """N12: while the name server is silent, events are accepted as fast as ever; and it is named."""
    quick(monkeypatch)
    monkeypatch.setattr("edge.delivery.transport._CONNECT_S", 0.3)
    with MqttBroker() as broker, sending(tmp_path, broker.port, start=False) as sender:
        names = Names((V4, ("127.0.0.1", broker.port)))
        names.may_answer.clear()
        renamed(sender, names, broker.port)
        sender.start()
        sender.wait_problem("MQT-118")
        began = time.monotonic()
        commit(sender, 50)
        assert time.monotonic() - began < 2.0
        assert sender.publisher.problem is not None
        assert NAME in sender.publisher.problem.message
        names.may_answer.set()
        sender.wait_brokered(50)
        assert_all_in_order(arrived(broker), 50)


@pytest.mark.slow
def test_a_daemon_ends_in_time_while_a_name_is_asked_for(tmp_path: Path) -> None:
    """N12."""
    names = Names()
    names.may_answer.clear()
    sender = Sender(tmp_path, free_port())
    renamed(sender, names, 1)
    sender.start()
    wait_until(lambda: names.asked)
    began = time.monotonic()
    sender.close()
    assert time.monotonic() - began < 5.5
    assert not sender.publisher._thread.is_alive()  # noqa: SLF001
    names.may_answer.set()
