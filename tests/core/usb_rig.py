"""USB devices for tests of the link: a simulated reader, a proxy with scissors, and hosts that lie."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edge.links import UsbLine
from edge.links.address import parse_address
from edge.port import DevicePort
from simulators.bench import Bench

SDT_LINE = UsbLine(
    7, lambda head: int.from_bytes(head[5:7], "big") if head.startswith(b"\xaa\xaa\xaa\x96\x69") else None
)
STATUS = bytes.fromhex("AAAAAA9669000311FFED")
STATUS_OK = bytes.fromhex("AAAAAA96690004000090") + b"\x94"


@contextmanager
def reader(folder: Path, **options: object) -> Iterator[tuple[Bench, str]]:
    """Yield a bench with the USB reader ``id-1`` on it, and its address."""
    with Bench(folder) as bench:
        bench.add("id-1", "idcard_usb", **options)
        yield bench, bench.address("id-1")


def port(address: str) -> DevicePort:
    return DevicePort("id-1", parse_address(address), b"usb")


class Scissors:
    """Carries a USB/IP connection and cuts it when so many bytes of the device have come through."""

    def __init__(self, address: str, cut_after: int = 1 << 40) -> None:
        host, _, self._busid = address.removeprefix("usbip://").partition("/")
        name, _, number = host.rpartition(":")
        self._target = (name, int(number))
        self.cut_after = cut_after
        self.carried = bytearray()
        """What the device has said."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve, name="scissors", daemon=True)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        return f"usbip://127.0.0.1:{self._listener.getsockname()[1]}/{self._busid}"

    def close(self) -> None:
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)
        for end in (self._listener, *self._ends):
            end.close()

    def __enter__(self) -> Scissors:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                host = self._listener.accept()[0]
                device = socket.create_connection(self._target)
                self._ends += [host, device]
                for end in (host, device):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for work in (lambda a=host, b=device: self._up(a, b), lambda a=device, b=host: self._down(a, b)):
                    self._threads.append(threading.Thread(target=work, name="scissors", daemon=True))
                    self._threads[-1].start()

    @staticmethod
    def _up(host: socket.socket, device: socket.socket) -> None:
        with suppress(OSError):
            while data := host.recv(65536):
                device.sendall(data)
        _hang_up(device)

    def _down(self, device: socket.socket, host: socket.socket) -> None:
        with suppress(OSError):
            while data := device.recv(65536):
                room = self.cut_after - len(self.carried)
                self.carried += data[:room]
                host.sendall(data[:room])
                if len(data) >= room:
                    break
        _hang_up(host)
        _hang_up(device)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


Answer = Callable[[bytes], bytes]


@contextmanager
def liar(*said: bytes) -> Iterator[str]:
    """Yield the address of a host that says *said*, one after each message that it gets, and then hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError), listener.accept()[0] as host:
            for answer in said:
                if not host.recv(65536):
                    break
                host.sendall(answer)

    thread = threading.Thread(target=serve, name="liar", daemon=True)
    thread.start()
    try:
        yield f"usbip://127.0.0.1:{listener.getsockname()[1]}/1-1"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def imported(status: int = 0, version: int = 0x0111, code: int = 0x0003) -> bytes:
    """Return the answer to an import, with a device of zeros when it says that all is well."""
    return struct.pack(">HHI", version, code, status) + (b"" if status else bytes(312))


def submitted(number: int, data: bytes = b"", status: int = 0, count: int | None = None) -> bytes:
    """Return the answer to a transfer."""
    moved = len(data) if count is None else count
    return struct.pack(">IIIIIiIIII8x", 3, number, 0, 0, 0, status, moved, 0, 0, 0) + data
