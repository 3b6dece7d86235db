"""A client of the simulated PC/SC service, as pcsc-lite's library is one, by its own bytes."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from simulators.pcscd_wire import Command

READER = b"hall-edge simulated CCID 00 00"
STATE = struct.Struct("<128sIIi33s3xII")
GET_UID = bytes.fromhex("FFCA000000")
DEADLINE_S = 5.0


class Client:
    """A client as pcsc-lite's library is one, of a version of the protocol."""

    def __init__(self, path: Path, minor: int = 4) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE_S)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.minor = minor
        self.version = struct.unpack("<iiI", self.ask(Command.VERSION, struct.pack("<iiI", 4, minor, 0)))
        self.context = struct.unpack("<III", self.ask(Command.ESTABLISH, struct.pack("<III", 2, 0, 0)))[1]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, command: int, body: bytes = b"", more: bytes = b"") -> None:
        self.socket.sendall(struct.pack("<II", len(body), command) + body + more)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            assert part, "the service has hung up"
            data += part
        return data

    def ask(self, command: int, body: bytes = b"", size: int | None = None) -> bytes:
        self.send(command, body)
        return self.read(len(body) if size is None else size)

    def states(self) -> list[tuple[bytes, int, int, int, bytes]]:
        """Return name, events, state, sharing and ATR of every reader."""
        if self.minor >= 6:
            (count,) = struct.unpack("<i", self.ask(Command.READERS_SIZE, size=4))
            data = self.ask(Command.READERS_ARRAY, size=count * STATE.size)
        else:
            data = self.ask(Command.READERS, size=16 * STATE.size)
        rows = [STATE.unpack_from(data, at) for at in range(0, len(data), STATE.size)]
        return [(row[0].rstrip(b"\0"), *row[1:4], row[4][: row[5]]) for row in rows if row[0][0]]

    def wait(self) -> None:
        """Register for the next change."""
        self.send(Command.WAIT)
        if self.minor < 6:
            self.read(16 * STATE.size)
        else:
            self.ask(Command.EVENTS, size=8)  # once this is answered, the wait has begun

    def pushed(self) -> int:
        result: int = struct.unpack("<II", self.read(8))[1]
        return result

    def connect(self, share: int = 2, protocols: int = 3) -> tuple[int, int, int]:
        body = struct.pack("<I128sIIiII", self.context, READER, share, protocols, 0, 0, 0)
        *_, handle, protocol, result = struct.unpack("<I128sIIiII", self.ask(Command.CONNECT, body))
        return handle, protocol, result

    def transmit(self, handle: int, apdu: bytes, room: int = 258) -> tuple[bytes, int]:
        self.send(Command.TRANSMIT, struct.pack("<iIIIIIII", handle, 2, 16, len(apdu), 2, 16, room, 0), apdu)
        *_, size, result = struct.unpack("<iIIIIIII", self.read(32))
        return (self.read(size) if not result else b""), result

    def result(self, command: int, form: str, *values: int) -> int:
        """Ask something whose last field is the result."""
        answer: int = struct.unpack(form, self.ask(command, struct.pack(form, *values, 0)))[-1]
        return answer
