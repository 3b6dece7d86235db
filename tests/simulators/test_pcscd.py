"""The simulated PC/SC service by its own bytes: every version of the protocol, several clients, other programs."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.bench import Bench
from simulators.pcscd_wire import Command, Result
from simulators.words import ScenarioError
from tests.simulators.pcsc_client import GET_UID, READER, Client


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        bench.add("card", "card_pcsc")
        yield bench


@pytest.fixture
def path(bench: Bench) -> Path:
    return bench.path("card")


versions = pytest.mark.parametrize("minor", [4, 5, 6])


@versions
def test_a_session_of_every_version(bench: Bench, path: Path, minor: int) -> None:
    with Client(path, minor) as client:
        assert client.version == (4, minor, Result.OK)
        assert client.states() == [(READER, 0, 0x02, 0, b"")]
        client.wait()
        bench.do("card insert storage seed=1")
        assert client.pushed() == Result.OK
        (_, events, state, sharing, atr) = client.states()[0]
        assert (events, state, sharing) == (1, 0x34, 0)
        assert atr.hex().upper() == "3B8F8001804F0CA000000306030001000000006A"
        handle, protocol, result = client.connect()
        assert (protocol, result) == (2, Result.OK)
        assert client.states()[0][3] == 1
        assert client.transmit(handle, GET_UID) == (bytes.fromhex("000000019000"), Result.OK)
        assert client.result(Command.STATUS, "<iI", handle) == Result.OK
        assert client.result(Command.BEGIN, "<iI", handle) == Result.OK
        assert client.result(Command.END, "<iII", handle, 0) == Result.OK
        assert client.result(Command.DISCONNECT, "<iII", handle, 0) == Result.OK
        assert client.result(Command.DISCONNECT, "<iII", handle, 0) == Result.INVALID_HANDLE
        assert client.result(Command.RELEASE, "<II", client.context) == Result.OK


@pytest.mark.parametrize("version", [(4, 3), (4, 7), (3, 4)])
def test_other_versions_are_refused_with_ours(path: Path, version: tuple[int, int]) -> None:
    with Client(path) as client:
        body = struct.pack("<iiI", *version, 0)
        assert struct.unpack("<iiI", client.ask(Command.VERSION, body)) == (4, 6, Result.SERVICE_STOPPED)


@versions
def test_who_stops_waiting_gets_exactly_one_answer(bench: Bench, path: Path, minor: int) -> None:
    with Client(path, minor) as client:
        client.wait()
        client.send(Command.STOP_WAITING)
        assert client.pushed() == Result.OK
        bench.do("card insert storage")
        assert len(client.states()) == 1, "nothing was pushed to who does not wait"


def test_a_wait_is_cancelled_on_another_connection(path: Path) -> None:
    with Client(path) as waiting, Client(path) as other:
        assert other.result(Command.CANCEL, "<II", waiting.context) == Result.INVALID_HANDLE
        waiting.wait()
        assert other.result(Command.CANCEL, "<II", waiting.context) == Result.OK
        assert waiting.pushed() == Result.CANCELLED


def test_numbers_are_never_given_twice(bench: Bench, path: Path) -> None:
    bench.do("card insert storage")
    with Client(path) as one, Client(path) as other:
        numbers = [one.context, other.context, *(client.connect()[0] for client in (one, other, one))]
        assert len(set(numbers)) == len(numbers)


@versions
def test_readers_come_and_go(bench: Bench, path: Path, minor: int) -> None:
    with Client(path, minor) as client:
        handle_of_gone = None
        bench.do("card insert storage")
        handle_of_gone, *_ = client.connect()
        client.wait()
        bench.do("card reader unplug")
        assert client.pushed() == Result.OK
        assert client.states() == []
        assert client.transmit(handle_of_gone, GET_UID)[1] == Result.READER_UNAVAILABLE
        assert client.connect()[2] == Result.UNKNOWN_READER
        client.wait()
        bench.do("card reader plug")
        assert client.pushed() == Result.OK
        if minor >= 5:
            assert struct.unpack("<II", client.ask(Command.EVENTS, size=8))[0] == 2
        assert client.connect()[2] == Result.NO_CARD


def test_sharing(bench: Bench, path: Path) -> None:
    bench.do("card insert storage")
    with Client(path) as one, Client(path) as other:
        first, _, _ = one.connect()
        assert other.connect(share=1)[2] == Result.SHARING_VIOLATION
        assert other.connect()[2] == Result.OK
        one.result(Command.DISCONNECT, "<iII", first, 0)
    with Client(path) as one, Client(path) as other:
        assert one.connect(share=1)[2] == Result.OK
        assert one.states()[0][3] == -1
        assert other.connect()[2] == Result.SHARING_VIOLATION


def test_a_transaction_keeps_the_others_out(bench: Bench, path: Path) -> None:
    bench.do("card insert storage")
    with Client(path) as one, Client(path) as other:
        (first, *_), (second, *_) = one.connect(), other.connect()
        assert one.result(Command.BEGIN, "<iI", first) == Result.OK
        assert other.result(Command.BEGIN, "<iI", second) == Result.SHARING_VIOLATION
        assert other.transmit(second, GET_UID)[1] == Result.SHARING_VIOLATION
        one.result(Command.END, "<iII", first, 0)
        assert other.result(Command.BEGIN, "<iI", second) == Result.OK


def test_what_a_client_held_is_free_when_it_goes(bench: Bench, path: Path) -> None:
    bench.do("card insert storage")
    with Client(path) as one:
        handle, *_ = one.connect(share=1)
        one.result(Command.BEGIN, "<iI", handle)
    with Client(path) as other:
        for _ in range(100):
            if not other.states()[0][3]:
                break
        assert other.connect()[2] == Result.OK


def test_old_handles_hear_what_has_become_of_their_card(bench: Bench, path: Path) -> None:
    bench.do("card insert storage seed=1")
    with Client(path) as client:
        handle, *_ = client.connect()
        bench.do("card remove")
        assert client.transmit(handle, GET_UID)[1] == Result.REMOVED
        bench.do("card insert storage seed=2")
        assert client.transmit(handle, GET_UID)[1] == Result.RESET
        assert client.result(Command.RECONNECT, "<iIIIII", handle, 2, 3, 0, 0) == Result.OK
        assert client.transmit(handle, GET_UID)[0].hex() == "000000029000"
        assert client.result(Command.DISCONNECT, "<iII", handle, 1) == Result.OK


def test_a_card_is_torn_out_at_a_byte(bench: Bench, path: Path) -> None:
    for at, passes in ((4, False), (5, False), (10, False), (11, True)):
        bench.do(f"card tear at={at}")
        bench.do("card insert storage")
        with Client(path) as client:
            handle, *_ = client.connect()
            assert (client.transmit(handle, GET_UID)[1] == Result.OK) is passes, at
            assert (client.states()[0][2] == 0x34) is passes
        bench.do("card remove")


def test_mute_wrong_protocol_and_small_buffer(bench: Bench, path: Path) -> None:
    with Client(path) as client:
        bench.do("card insert mute")
        assert client.states()[0][2] == 0x0C
        assert client.connect()[2] == Result.UNRESPONSIVE
        bench.do("card insert storage")
        assert client.connect(protocols=1)[2] == Result.PROTOCOL_MISMATCH
        handle, *_ = client.connect()
        assert client.transmit(handle, GET_UID, room=3)[1] == Result.INSUFFICIENT_BUFFER
        assert client.connect(share=3)[1:] == (0, Result.OK)


def test_control_and_attributes(bench: Bench, path: Path) -> None:
    bench.do("card insert storage")
    with Client(path) as client:
        handle, *_ = client.connect()
        features = client.ask(Command.CONTROL, struct.pack("<iIIIII", handle, 0x42000000 + 3400, 0, 256, 0, 0))
        assert struct.unpack("<iIIIII", features)[4:] == (0, Result.OK)
        other = client.ask(Command.CONTROL, struct.pack("<iIIIII", handle, 0x42000000 + 1, 0, 256, 0, 0))
        assert struct.unpack("<iIIIII", other)[5] == Result.UNSUPPORTED
        asked = struct.pack("<iI264sII", handle, 0x90303, b"", 0, 0)
        *_, atr, size, result = struct.unpack("<iI264sII", client.ask(Command.GET_ATTRIBUTE, asked))
        assert (atr[:size][:2], result) == (b"\x3b\x8f", Result.OK)
        set_it = struct.unpack("<iI264sII", client.ask(Command.SET_ATTRIBUTE, asked))
        assert set_it[-1] == Result.UNSUPPORTED


@pytest.mark.parametrize("body", [b"\xff" * 8, struct.pack("<II", 0, 0x77), struct.pack("<II", 70000, 1), b"\x0c"])
def test_nonsense_costs_the_connection_and_nothing_else(path: Path, body: bytes) -> None:
    with Client(path) as client, Client(path) as other:
        client.socket.sendall(body)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.socket.recv(1) == b""
        assert len(other.states()) == 1


def test_pins_are_counted_and_refused(bench: Bench, path: Path, tmp_path: Path) -> None:
    bench.do("card insert social-security")
    with Client(path) as client:
        handle, *_ = client.connect()
        assert client.transmit(handle, bytes.fromhex("0020000003888888"))[0] == b"\x69\x83"
    bench.do("card counters")
    assert json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))["pin_commands"] == 1
    assert bench.counters("card")["pin_commands"] == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("insert bankcard", "unknown card"),
        ("insert storage product=16k", "unknown value of product"),
        ("insert social-security interface=contactless protocol=t0", "a contactless card speaks T=1"),
        ("insert storage slot=1", "slot must be"),
        ("insert script answers=xx", "hexadecimal"),
        ("reader eject", "plugged or unplugged"),
        ("hold forever", "exclusive or transaction"),
        ("deny me", "deny knows only card"),
        ("insert", "CARD is missing"),
        ("tear at=-1", "at must be"),
    ],
)
def test_mistakes_are_told(bench: Bench, line: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        bench.do(f"card {line}")


def test_it_starts_and_stops(bench: Bench, path: Path) -> None:
    for line, exists in (("stop", False), ("stop", False), ("start", True), ("start", True), ("stop stale=1", True)):
        bench.do(f"card {line}")
        assert path.exists() is exists
    with pytest.raises(ConnectionRefusedError):
        Client(path)
    bench.do("card start")
    with Client(path) as client:
        assert len(client.states()) == 1
        bench.do("card restart")
        assert client.socket.recv(1) == b""
    with Client(path) as client:
        assert len(client.states()) == 1
