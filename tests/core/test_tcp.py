"""Devices on the network: refused, silent, unknown, gone."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest

from edge.errors import DeviceAbsent, DeviceLost, DeviceTimeout, Unsupported
from edge.links.tcp import TcpLink, open_tcp
from tests.support.wait import wait_until


def opened(port: int, host: str = "127.0.0.1") -> TcpLink:
    return open_tcp(host, port, lambda *_: None)


def test_tcp_refused_and_unknown() -> None:
    with pytest.raises(DeviceAbsent, match="TCP-101"):
        opened(1)
    with pytest.raises(DeviceAbsent, match="name not known"):
        opened(4001, "no-such-host.invalid")


def test_tcp_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.links.tcp._CONNECT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        full = [socket.socket() for _ in range(4)]
        for caller in full:
            caller.setblocking(False)
            with suppress(BlockingIOError):
                caller.connect(server.getsockname())
        with pytest.raises(DeviceTimeout, match="TCP-104"):
            opened(server.getsockname()[1])
        for caller in full:
            caller.close()


def test_tcp_bytes_and_the_end_of_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = opened(server.getsockname()[1])
        device, _ = server.accept()
        with device:
            device.sendall(b"hello")
            assert link.read(5) == b"hello"
            link.write(b"you")
            assert device.recv(10) == b"you"
            with pytest.raises(Unsupported):
                link.set_baud(9600)
        with pytest.raises(DeviceLost, match="TCP-105"):
            link.read(5)
        wait_until(lambda: link.idle(0))  # so that a driver that only listens reads, and learns it
        link.close()


def test_a_peer_that_vanishes_without_a_word_is_asked_after() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = opened(server.getsockname()[1])
        device, _ = server.accept()
        with device, socket.socket(fileno=link._fd) as own:  # noqa: SLF001  # what the kernel was told
            assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            idle, every, count = (
                own.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle + every * count <= 15
            own.detach()
        link.close()
