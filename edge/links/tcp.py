"""Devices behind a serial-to-network converter, or on the network themselves."""

from __future__ import annotations

import contextlib
import os
import socket

from edge.errors import DeviceAbsent, DeviceTimeout
from edge.links.fd import FdLink, Tap

_CONNECT_S = 2.0


class TcpLink(FdLink):
    """One TCP connection."""

    area = "TCP"

    def __init__(self, connection: socket.socket, name: str, tap: Tap) -> None:
        super().__init__(connection.fileno(), name, tap)
        self._connection = connection

    def _release(self) -> None:
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
        why = os.strerror(error.errno) if error.errno else "name not known"
        raise DeviceAbsent(f"{name}: {why}", code="TCP-101", action="check host, port, network and power") from error
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return TcpLink(connection, name, tap)
