"""USB devices of our own in this kernel: ``vhci_hcd`` gets one end of a socket pair, and speaks USB/IP to us.

Standard requests are answered here; a kind of device adds its descriptors and what it hears and says. The device is
plugged in until the process ends.
"""

from __future__ import annotations

import socket
import struct
import threading
from abc import ABC
from collections import defaultdict, deque
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

VHCI = Path("/sys/devices/platform/vhci_hcd.0")
HIGH_SPEED = 3
_FREE = "004"
_HEAD = struct.Struct(">5I")
_HEAD_SIZE = 48
_SUBMIT, _UNLINK, _SUBMITTED, _UNLINKED = 1, 2, 3, 4
_STALL, _UNLINKED_STATUS = -32, -104
_GET_DESCRIPTOR = 6
_DEVICE, _CONFIGURATION, _STRING = 1, 2, 3
_NOT_STANDARD = 0x60
_ENGLISH = struct.pack("<H", 0x409)
_SIMPLE = {0: b"\0\0", 1: b"", 3: b"", 8: b"\1", 9: b"", 10: b"\0", 11: b""}
"""Answers to the standard requests that have nothing to tell here: status, features, configuration, interface."""


def endpoint(address: int, attributes: int, packet: int, interval: int = 0) -> bytes:
    """Write an endpoint descriptor (USB 2.0, 9.6.6)."""
    return struct.pack("<BBBBHB", 7, 5, address, attributes, packet, interval)


class UsbDevice(ABC):
    """One device; subclasses name it and describe its interfaces."""

    vendor: ClassVar[int]
    product: ClassVar[int]
    names: ClassVar[tuple[str, str, str]]
    """Maker, product, serial number."""
    classes: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    interfaces: ClassVar[int] = 1

    def __init__(self, configuration: bytes) -> None:
        self._configuration = configuration
        self._waiting: defaultdict[int, deque[tuple[int, int]]] = defaultdict(deque)
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._socket: socket.socket

    def plug(self) -> None:
        """Appear at a free port."""
        self._socket, theirs = socket.socketpair()
        rows = [line.split() for line in (VHCI / "status").read_text(encoding="ascii").splitlines()[1:]]
        port = next(int(row[1]) for row in rows if row[0] == "hs" and row[2] == _FREE)
        with theirs:
            order = f"{port} {theirs.fileno()} {1 << 16 | port + 1} {HIGH_SPEED}"
            (VHCI / "attach").write_text(order, encoding="ascii")
        threading.Thread(target=self._serve, daemon=True).start()

    def control(self, kind: int, request: int, value: int, index: int) -> bytes | None:
        """Answer a request that is not standard, ``None`` stalls it."""
        del kind, request, value, index
        return None

    def heard(self, number: int, data: bytes) -> None:
        """Take what the host wrote to endpoint *number*."""
        del number, data

    def say(self, number: int, data: bytes) -> None:
        """Answer the endpoint's next transfer with *data*; waits for the host to ask."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting[number])
            sequence, size = self._waiting[number].popleft()
        self._reply(sequence, 0, data[:size])

    def wait_asked(self, number: int) -> None:
        """Wait until the host wants something of endpoint *number*."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting[number])

    def _serve(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                self._hear(self._read(_HEAD_SIZE))

    def _hear(self, head: bytes) -> None:
        command, sequence, _, is_in, number = _HEAD.unpack_from(head)
        if command == _UNLINK:
            (target,) = struct.unpack_from(">I", head, _HEAD.size)
            status = _UNLINKED_STATUS if self._forget(target) else 0
            self._send(_HEAD.pack(_UNLINKED, sequence, 0, 0, 0) + struct.pack(">i24x", status))
            return
        (size,) = struct.unpack_from(">I", head, _HEAD.size + 4)
        data = b"" if is_in else self._read(size)
        if number == 0:
            answer = self._setup(*struct.unpack_from("<BBHH", head, 40))
            self._reply(sequence, _STALL if answer is None else 0, (answer or b"")[:size], 0 if is_in else size)
        elif is_in:
            with self._changed:
                self._waiting[number].append((sequence, size))
                self._changed.notify_all()
        else:
            self._reply(sequence, 0, b"", size)
            self.heard(number, data)

    def _setup(self, kind: int, request: int, value: int, index: int) -> bytes | None:
        if kind & _NOT_STANDARD:
            return self.control(kind, request, value, index)
        if request == _GET_DESCRIPTOR:
            return self.descriptor(value >> 8, value & 0xFF)
        return _SIMPLE.get(request)

    def descriptor(self, kind: int, number: int) -> bytes | None:
        """Give a descriptor, ``None`` where there is none."""
        if kind == _DEVICE:
            ids = (self.vendor, self.product, 0x100)
            return struct.pack("<BBHBBBBHHHBBBB", 18, _DEVICE, 0x200, *self.classes, 64, *ids, 1, 2, 3, 1)
        if kind == _CONFIGURATION:
            whole = 9 + len(self._configuration)
            head = struct.pack("<BBHBBBBB", 9, _CONFIGURATION, whole, self.interfaces, 1, 0, 0x80, 50)
            return head + self._configuration
        if kind == _STRING and number <= len(self.names):
            text = self.names[number - 1].encode("utf-16-le") if number else _ENGLISH
            return bytes((2 + len(text), _STRING)) + text
        return None

    def _reply(self, sequence: int, status: int, data: bytes, taken: int = 0) -> None:
        head = _HEAD.pack(_SUBMITTED, sequence, 0, 0, 0)
        self._send(head + struct.pack(">iIIiI8x", status, len(data) or taken, 0, -1, 0) + data)

    def _send(self, message: bytes) -> None:
        with self._writing:
            self._socket.sendall(message)

    def _forget(self, sequence: int) -> bool:
        with self._changed:
            for queue in self._waiting.values():
                for item in queue:
                    if item[0] == sequence:
                        queue.remove(item)
                        return True
        return False

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            if not (part := self._socket.recv(size - len(data))):
                raise EOFError
            data += part
        return bytes(data)
