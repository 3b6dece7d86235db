"""Export one USB device over USB/IP, at an address of this machine: bytes in, bytes out, and a cable to pull.

Whatever speaks USB/IP can import it: ``usbip attach -r 127.0.0.1 -b 1-1`` of a Linux host (with ``--tcp-port``), or a
program of its own. Nothing is listened to but 127.0.0.1.
"""

import select
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from simulators import usbip_wire as wire
from simulators.usb_device import Done, Identity, UsbDevice

BUSID = "1-1"
_READ_SIZE = 65536
_LONGEST_UNSENT = 1 << 20
_MOST_GUESTS = 8


class Wiring(ABC):
    """Say how the bytes of a device's protocol lie on its endpoints."""

    endpoints: tuple[int, ...]

    @abstractmethod
    def to_device(self, endpoint: int, data: bytes) -> bytes:
        """Give what a write to an endpoint means, nothing when it is not understood."""

    @abstractmethod
    def to_host(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Cut what the device says into packets, each with its endpoint."""

    @abstractmethod
    def reset(self) -> None:
        """Begin anew, as after power-on."""


class _Guest:
    """One connection: it asks for the list, or it has imported the device."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.has_device = False
        self.received = bytearray()
        self.unsent = bytearray()

    def send(self, data: bytes) -> None:
        """Send what goes now, and keep the rest; a host that takes nothing for a MiB is cut off."""
        self.unsent += data
        with suppress(BlockingIOError):
            while self.unsent:
                del self.unsent[: self.connection.send(self.unsent)]
        if len(self.unsent) > _LONGEST_UNSENT:
            raise wire.WireError


class UsbIpPort:
    """Stand between a simulated device and USB/IP; looks to the device like its serial port."""

    def __init__(self, link: Path, identity: Identity, wiring: Wiring, tcp_port: int = 0) -> None:
        self.link = link
        self.usb = UsbDevice(identity)
        self.refused = 0
        """How many imports were refused because the device is taken."""
        self._wiring = wiring
        self._listener: socket.socket | None = None
        self._poller: select.epoll | None = None
        self._guests: dict[int, _Guest] = {}
        self._tcp_port = tcp_port or _free_port()

    @property
    def address(self) -> str:
        """Give host, TCP port and bus id."""
        return f"127.0.0.1:{self._tcp_port}/{BUSID}"

    @property
    def fd(self) -> int | None:
        """Give one descriptor that is readable when any of the connections is; None while unplugged."""
        return self._poller.fileno() if self._poller else None

    def plug(self) -> None:
        """Export the device."""
        if self._poller is not None:
            return
        self._listener = socket.create_server(("127.0.0.1", self._tcp_port))
        self._listener.setblocking(False)
        self._poller = select.epoll()
        self._poller.register(self._listener, select.EPOLLIN)

    def unplug(self) -> None:
        """Cut every connection."""
        for fd in list(self._guests):
            self._leave(fd)
        if self._listener is not None:
            self._listener.close()
        if self._poller is not None:
            self._poller.close()
        self._listener = self._poller = None

    def read(self) -> bytes:
        """Serve every connection, and take what was written to the device."""
        if self._poller is None:
            return b""
        for fd, _ in self._poller.poll(0):
            if fd in self._guests:
                try:
                    self._serve(self._guests[fd])
                except (OSError, wire.WireError):
                    self._leave(fd)
            else:
                self._welcome()
        return b"".join(self._wiring.to_device(endpoint, data) for endpoint, data in self.usb.heard())

    def write(self, data: bytes) -> int:
        """Let the host fetch bytes, if there is one."""
        guest = self._host()
        if guest is None:
            return 0
        try:
            for endpoint, packet in self._wiring.to_host(data):
                self._tell(guest, self.usb.say(endpoint, [packet]))
        except (OSError, wire.WireError):
            self._leave(guest.connection.fileno())
            return 0
        return len(data)

    def has_host(self) -> bool:
        """Tell whether somebody has imported the device."""
        return self._host() is not None

    def unread(self) -> int:
        """Count the bytes that the host has not fetched yet."""
        return self.usb.unfetched() if self.has_host() else 0

    def baud(self) -> None:
        """Tell that there is no rate."""

    def _host(self) -> _Guest | None:
        return next((guest for guest in self._guests.values() if guest.has_device), None)

    def _welcome(self) -> None:
        if self._listener is None or self._poller is None:
            return
        with suppress(OSError):
            connection, _ = self._listener.accept()
            if len(self._guests) >= _MOST_GUESTS:
                connection.close()
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._guests[connection.fileno()] = _Guest(connection)
            self._poller.register(connection, select.EPOLLIN)

    def _leave(self, fd: int) -> None:
        """Close a connection; a host that goes leaves nothing behind."""
        guest = self._guests.pop(fd, None)
        if guest is None:
            return
        if guest.has_device:
            self.usb.reset()
            self._wiring.reset()
        guest.connection.close()

    def _serve(self, guest: _Guest) -> None:
        data = guest.connection.recv(_READ_SIZE)
        if not data:
            raise wire.WireError
        guest.received += data
        if not guest.has_device:
            self._answer_question(guest)
        while guest.has_device and (request := wire.cut_request(guest.received)) is not None:
            if isinstance(request, wire.Urb):
                self._tell(guest, self.usb.submit(request))
            else:
                status = -_ECONNRESET if self.usb.unlink(request.victim) else 0
                guest.send(wire.unlinked(request.number, status))

    def _answer_question(self, guest: _Guest) -> None:
        question = wire.cut_question(guest.received)
        if question is None:
            return
        code, busid = question
        exported = self.usb.identity.exported(BUSID)
        if code == wire.ASK_LIST:
            guest.send(wire.told_list([exported]))
            return
        status = wire.NO_DEVICE if busid != BUSID else wire.BUSY if self.has_host() else wire.OK
        guest.send(wire.told_import(exported, status))
        guest.has_device = status == wire.OK
        self.refused += status == wire.BUSY

    @staticmethod
    def _tell(guest: _Guest, done: list[Done]) -> None:
        for one in done:
            guest.send(wire.submitted(one.number, one.status, one.data, one.taken))


_ECONNRESET = 104


def _free_port() -> int:
    """Give a TCP port that nobody has now; it stays the device's through all its plugging."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
