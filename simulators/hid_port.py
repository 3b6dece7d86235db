"""Stand where a HID device's node would be: a UNIX socket whose messages are reports, or groups of input events."""

import array
import fcntl
import os
import select
import socket
import termios
from contextlib import suppress
from pathlib import Path

_READ_SIZE = 65536
_MOST_READS = 64


class HidPort:
    """Listen at ``link`` while plugged; one host at a time, as with a keyboard that is grabbed."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self._listener: socket.socket | None = None
        self._host: socket.socket | None = None
        self._poller: select.epoll | None = None
        self._said = b""

    @property
    def fd(self) -> int | None:
        """Give one descriptor that is readable when the host comes or says something; None while unplugged."""
        return self._poller.fileno() if self._poller else None

    def plug(self) -> None:
        """Appear at ``link``, which only the owner may open; nothing happens when plugged already."""
        if self._poller is not None:
            return
        if self.link.exists() and not self.link.is_socket():
            raise FileExistsError(f"{self.link} is in the way and is not a socket of a simulator")
        self.link.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            listener.bind(str(self.link))
            self.link.chmod(0o600)
            listener.listen(8)
        except BaseException:
            listener.close()
            raise
        self._listener, self._poller = listener, select.epoll()
        self._poller.register(listener, select.EPOLLIN)

    def unplug(self) -> None:
        """Disappear: the path goes first, then the host is cut off."""
        if self._poller is None:
            return
        self.link.unlink(missing_ok=True)
        self._hang_up()
        if self._listener is not None:
            self._listener.close()
        self._poller.close()
        self._listener = self._poller = None
        self._said = b""

    def read(self) -> bytes:
        """Take what the host has written, whole messages one behind the other."""
        self._let_in()
        said, self._said = self._said, b""
        return said

    def write(self, data: bytes) -> int:
        """Send one message; what nobody fetches in time is lost, as in the kernel."""
        self._let_in()  # a host that has just opened hears it
        if self._host is None or not data:
            return 0
        with suppress(OSError):
            return self._host.send(data)
        return 0

    def unread(self) -> int:
        """Count the bytes that the host has not fetched yet."""
        if self._host is None:
            return 0
        count = array.array("i", [0])
        with suppress(OSError):
            fcntl.ioctl(self._host.fileno(), termios.TIOCOUTQ, count)
        return count[0]

    def baud(self) -> None:
        """Tell that there is no rate."""

    def _let_in(self) -> None:
        """Hear the host; when it has gone there is room for the next."""
        with suppress(BlockingIOError):
            while self._listener is not None and self._poller is not None:
                self._hear()
                self._welcome(self._listener.accept()[0], self._poller)

    def _hear(self) -> None:
        for _ in range(_MOST_READS):
            if self._host is None:
                break
            try:
                message = self._host.recv(_READ_SIZE)
            except BlockingIOError:
                break
            except OSError:
                message = b""
            self._said += message
            if not message:
                self._hang_up()

    def _welcome(self, host: socket.socket, poller: select.epoll) -> None:
        if self._host is not None:
            host.close()
            return
        host.setblocking(False)
        poller.register(host, select.EPOLLIN)
        self._host = host

    def _hang_up(self) -> None:
        host, self._host = self._host, None
        if host is not None:
            with suppress(OSError):
                os.close(host.detach())
