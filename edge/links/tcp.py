"""Devices behind a serial-to-network converter, or on the network themselves."""

from __future__ import annotations

import contextlib
import os
import socket

from edge.errors import DeviceAbsent, DeviceTimeout
from edge.links.fd import FdLink, Tap

_CONNECT_S = 2.0
_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    # a peer that is gone without a word is noticed within 15 s, also by a device that only listens to it
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000),
)


class TcpLink(FdLink):
    """One TCP connection."""

    stuck, lost = "TCP-104", "TCP-105"

    def __init__(self, connection: socket.socket, name: str, tap: Tap) -> None:
        super().__init__(connection.fileno(), name, tap)
        self._connection = connection

    def _release(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # else a child that is being started keeps it open
        with contextlib.suppress(OSError):
            self._connection.close()


def open_tcp(host: str, port: int, tap: Tap) -> TcpLink:
    """Connect within 2 s; raises ``DeviceAbsent`` (nobody there) or ``DeviceTimeout`` (no answer)."""
    name = f"{host}:{port}"
    try:
        connection = socket.create_connection((host, port), timeout=_CONNECT_S)
    except TimeoutError as error:
        raise DeviceTimeout(f"{name} does not answer", code="TCP-104", action="check network and power") from error
    except OSError as error:
        why = "name not known" if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise DeviceAbsent(f"{name}: {why}", code="TCP-101", action="check host, port, network and power") from error
    connection.setblocking(False)
    for level, option, value in _OPTIONS:
        connection.setsockopt(level, option, value)
    return TcpLink(connection, name, tap)
