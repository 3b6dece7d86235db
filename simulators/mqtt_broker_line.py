"""One TCP connection of a broker: bytes in, bytes out, never waiting for either."""

from __future__ import annotations

import contextlib
import socket
import struct

from simulators.mqtt_broker_sessions import Session
from simulators.mqtt_broker_wire import Inbox

_CHUNK = 65_536


class Line:
    """A client that connects, or has connected."""

    def __init__(self, sock: socket.socket, now: float) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.inbox = Inbox()
        self.session: Session | None = None
        self.keep_alive_s = 0
        self.heard = now
        self.held: list[int] = []
        """Messages whose PUBACK waits for the word."""
        self.unacknowledged = 0
        """Messages it sent and got no PUBACK for."""
        self.most_unacknowledged = 0
        self.closed = False
        self._out = bytearray()
        self._allowance = 0.0
        self._allowed_at = now

    @property
    def client_id(self) -> str:
        """Give its client's name, empty before CONNECT."""
        return self.session.client_id if self.session else ""

    @property
    def waiting(self) -> bool:
        """Tell whether bytes wait to go out."""
        return bool(self._out)

    def may_read(self, now: float, bytes_per_s: int | None) -> bool:
        """Tell whether the allowance lets it take bytes now."""
        if bytes_per_s is None:
            self._allowed_at = now
            return True
        self._allowance = min(self._allowance + (now - self._allowed_at) * bytes_per_s, max(bytes_per_s / 10, 1))
        self._allowed_at = now
        return self._allowance >= 1

    def read(self, now: float, bytes_per_s: int | None) -> bool:
        """Take what is there, within the allowance; give False at the end of the connection."""
        size = _CHUNK if bytes_per_s is None else max(int(self._allowance), 1)
        try:
            data = self.sock.recv(size)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._allowance -= len(data)
        self.heard = now
        self.inbox.add(data)
        return bool(data)

    def send(self, data: bytes) -> None:
        """Send *data*, now or when there is room."""
        if not self.closed:
            self._out += data
            self.flush()

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        with contextlib.suppress(OSError):
            while self._out:
                sent = self.sock.send(self._out)
                del self._out[:sent]

    def close(self) -> None:
        """End the connection in order; whoever watches the socket closes it."""
        if not self.closed:
            self.flush()
            self.closed = True
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection by a reset, which goes out when the socket is closed."""
        self.closed = True
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
