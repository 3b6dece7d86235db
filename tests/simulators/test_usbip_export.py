"""What a simulated USB device says to whoever imports it: USB/IP by hand, byte for byte."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.bench import Bench
from simulators.words import ScenarioError
from tests.support.wait import wait_until

STATUS = bytes.fromhex("AAAAAA9669000311FFED")
STATUS_OK = bytes.fromhex("AAAAAA966900040000") + b"\x90\x94"
GET_DEVICE, GET_SERIAL = bytes.fromhex("8006000100001200"), bytes.fromhex("8006030309040001")
EPIPE, ECONNRESET = 32, 104


class Host:
    """A host that imports, as the kernel's does."""

    def __init__(self, address: str) -> None:
        place, _, self.busid = address.removeprefix("usbip://").partition("/")
        name, _, number = place.rpartition(":")
        self.socket = socket.create_connection((name, int(number)), timeout=3)
        self.number = 0

    def got(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            assert piece, "the device has hung up"
            data += piece
        return data

    def attach(self) -> bytes:
        self.socket.sendall(struct.pack(">HHI", 0x0111, 0x8003, 0) + self.busid.encode().ljust(32, b"\0"))
        assert self.got(8) == struct.pack(">HHI", 0x0111, 3, 0)
        return self.got(312)

    def submit(self, endpoint: int, size: int, data: bytes = b"", setup: bytes = bytes(8)) -> int:
        self.number += 1
        direction = endpoint >> 7
        self.socket.sendall(
            struct.pack(">IIIII", 1, self.number, 0x10002, direction, endpoint & 0x7F)
            + struct.pack(">IIIII8s", 0, size, 0, 0, 0, setup) + data
        )  # fmt: skip
        return self.number

    def result(self, *, data: bool = False) -> tuple[int, int, int, bytes]:
        """Return command, number, status and the data or its count."""
        command, number, _, _, _, status, moved = struct.unpack(">IIIIIiI", self.got(48)[:28])
        return command, number, status, self.got(moved) if data else bytes(0)


@pytest.fixture(params=["two-pair", "one-pair"])
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(tmp_path: Path, layout: str) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        bench.add("id-1", "idcard_usb", layout=layout, serial="A1")
        yield bench


@pytest.fixture
def host(bench: Bench) -> Iterator[Host]:
    host = Host(bench.address("id-1"))
    with host.socket:
        yield host


def test_the_list_names_the_device(bench: Bench) -> None:
    host = Host(bench.address("id-1"))
    with host.socket:
        host.socket.sendall(struct.pack(">HHI", 0x0111, 0x8005, 0))
        assert host.got(12) == struct.pack(">HHII", 0x0111, 5, 0, 1)
        device = host.got(312)
        assert device[256:288].rstrip(b"\0") == b"1-1"
        assert struct.unpack(">IIIHHH", device[288:306]) == (1, 2, 2, 0x0400, 0xC35A, 0x0100)
        assert host.got(4) == b"\xff\x00\x00\x00"


def test_descriptors_and_strings(host: Host, layout: str) -> None:
    host.attach()
    host.submit(0x80, 18, setup=GET_DEVICE)
    assert host.result(data=True)[3][8:12] == bytes.fromhex("00045AC3")
    host.submit(0x80, 255, setup=GET_SERIAL)
    assert host.result(data=True)[3] == b"\x06\x03A\x001\x00"
    host.submit(0x80, 64, setup=bytes.fromhex("8006000200004000"))
    configuration = host.result(data=True)[3]
    assert [configuration[at] for at in range(20, len(configuration), 7)] == (
        [0x02, 0x06, 0x81, 0x85] if layout == "two-pair" else [0x01, 0x81]
    )
    host.submit(0x80, 64, setup=bytes.fromhex("8006000600004000"))  # a device qualifier: there is none
    assert host.result()[2] == -EPIPE


def test_an_exchange_by_hand(host: Host, bench: Bench, layout: str) -> None:
    host.attach()
    outs = [(0x02, STATUS[:7]), (0x06, STATUS[7:])] if layout == "two-pair" else [(0x01, STATUS)]
    for endpoint, data in outs:
        host.submit(endpoint, len(data), data)
        assert host.result()[:3] == (3, host.number, 0)
    answer = b""
    for endpoint in (0x81, 0x85) if layout == "two-pair" else (0x81,):
        host.submit(endpoint, 64)
        answer += host.result(data=True)[3]
    assert answer == STATUS_OK
    assert bench.counters("id-1")["command_11FF"] == 1


def test_a_transfer_waits_until_it_is_given_up(host: Host) -> None:
    host.attach()
    waiting = host.submit(0x81, 64)
    host.number += 1
    host.socket.sendall(struct.pack(">IIIIII24x", 2, host.number, 0x10002, 0, 0, waiting))
    assert host.result()[:3] == (4, host.number, -ECONNRESET)
    host.number += 1
    host.socket.sendall(struct.pack(">IIIIII24x", 2, host.number, 0x10002, 0, 0, waiting))
    assert host.result()[:3] == (4, host.number, 0)


def test_a_stall_stays_until_it_is_cleared(host: Host, bench: Bench) -> None:
    host.attach()
    bench.do("id-1 stall 81")
    for _ in range(2):
        host.submit(0x81, 64)
        assert host.result()[2] == -EPIPE
    host.submit(0x00, 0, setup=bytes.fromhex("0201000081000000"))
    assert host.result()[2] == 0
    host.submit(0x81, 64)
    host.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        host.got(1)


def test_an_endpoint_that_is_not_there(host: Host) -> None:
    host.attach()
    host.submit(0x89, 64)
    assert host.result()[2] == -EPIPE


def test_it_is_for_one_host(host: Host, bench: Bench) -> None:
    host.attach()
    second = Host(bench.address("id-1"))
    with second.socket:
        second.socket.sendall(struct.pack(">HHI", 0x0111, 0x8003, 0) + b"1-1".ljust(32, b"\0"))
        assert second.got(8)[7] == 2
    host.socket.close()

    def attached() -> bool:
        third = Host(bench.address("id-1"))
        with third.socket:
            third.socket.sendall(struct.pack(">HHI", 0x0111, 0x8003, 0) + b"1-1".ljust(32, b"\0"))
            return third.got(8)[7] == 0

    wait_until(attached, what="the next host may have it")


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n", b"\x01\x11\x12\x34" + bytes(40), bytes(4096)])
def test_noise_is_hung_up_on(host: Host, bench: Bench, noise: bytes) -> None:
    host.socket.sendall(noise)
    with pytest.raises((AssertionError, ConnectionError)):
        host.got(1)
    again = Host(bench.address("id-1"))
    with again.socket:
        assert again.attach()


def test_the_same_address_after_plugging(bench: Bench) -> None:
    address = bench.address("id-1")
    host = Host(address)
    host.attach()
    bench.do("id-1 unplug")
    with host.socket, pytest.raises((AssertionError, ConnectionError)):
        host.got(1)
    with pytest.raises(ConnectionRefusedError):
        Host(address)
    bench.do("id-1 plug")
    bench.do("id-1 plug")
    assert bench.address("id-1") == address
    host = Host(address)
    with host.socket:
        assert host.attach()


@pytest.mark.parametrize("option", ["layout=three", "vendor=12345", "product=wxyz", "tcp-port=70000", "baud=9600"])
def test_wrong_options(tmp_path: Path, option: str) -> None:
    key, _, value = option.partition("=")
    with Bench(tmp_path) as bench, pytest.raises(ScenarioError, match=key):
        bench.add("id-1", "idcard_usb", **{key: value})


def test_wrong_actions(bench: Bench) -> None:
    for line in ("id-1 stall 99", "id-1 stall", "id-1 press 5"):
        with pytest.raises(ScenarioError):
            bench.do(line)
