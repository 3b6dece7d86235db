"""What the daemon and a driver's process say to each other, and the socket pair that carries it.

Every message is one datagram of MessagePack (``SOCK_SEQPACKET``); what is too large for one rides in a memory file.
Pictures cross as sealed memory files too: the descriptor is handed over, the bytes are never copied or encoded.
The daemon trusts nothing that the process says: sizes, seals and types are checked on the way in.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from edge.decoders import msgpack_decoder
from edge.driver import DeviceInfo, Finding
from edge.events import BlobRef
from edge.links.address import Address
from edge.secret import reveal
from edge.selftest.model import Level

MAX_BYTES = 64 << 20
"""The largest picture, and the largest message, that the daemon takes from a driver's process."""
_IN_DATAGRAM = 64 << 10
_MAX_FDS = 8
_INLINE, _IN_FILE = b"\0", b"\1"
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
Buffer = bytes | bytearray | memoryview
T = TypeVar("T")


class Garbage(Exception):
    """The other end said what is no message."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Base of what crosses."""


# --- the daemon says -----------------------------------------------------------------------------


class Start(_Message, frozen=True, kw_only=True):
    """The first message: which driver to load, and with what. The file for its last words comes with it."""

    module: str
    name: str
    settings: msgspec.Raw
    device: str
    address: Address
    digest_key: bytes
    public_traffic: bool
    log_level: int
    memory_mb: int
    environment: dict[str, str] = {}
    """What a library reads when it is loaded."""
    parent: int | None = None
    """The process that it ends with; ``None``: a unit of systemd, which sees to that."""


class Open(_Message, frozen=True, kw_only=True):
    pass


class Poll(_Message, frozen=True, kw_only=True):
    wait_s: float


class Execute(_Message, frozen=True, kw_only=True):
    request_id: str
    kind: str
    command: str
    params: msgspec.Raw
    remaining_s: float


class Selftest(_Message, frozen=True, kw_only=True):
    level: Level
    remaining_s: float


class Accepted(_Message, frozen=True, kw_only=True):
    """The event that the driver has yielded is durable."""


class Wake(_Message, frozen=True, kw_only=True):
    """End a waiting poll; answered at once by a sign of life."""


class Cancel(_Message, frozen=True, kw_only=True):
    """Cancel the command or the self-test that runs."""


class Close(_Message, frozen=True, kw_only=True):
    """Close the device and end."""


Order = Start | Open | Poll | Execute | Selftest | Accepted | Wake | Cancel | Close


# --- the driver's process says -------------------------------------------------------------------


class Loaded(_Message, frozen=True, kw_only=True):
    """The driver is there, not opened yet."""


class Opened(_Message, frozen=True, kw_only=True):
    info: DeviceInfo
    proof_s: float | None = None


class Events(_Message, frozen=True, kw_only=True):
    """Events by their type's name. With *more* the call goes on, once they are accepted; else it has ended."""

    events: list[tuple[str, msgspec.Raw]] = []
    blobs: list[BlobRef] = []
    """Of the files that come with the message, in this order."""
    more: bool = False


class Found(_Message, frozen=True, kw_only=True):
    """What a self-test has found; ``None``: it has ended."""

    finding: Finding | None = None


class Failed(_Message, frozen=True, kw_only=True):
    """The call has ended with an error; of a bug only the type and the place are told."""

    kinds: list[str]
    """The error's class and its bases, the nearest first."""
    message: str = ""
    code: str = ""
    action: str = ""
    where: str = ""


class Progress(_Message, frozen=True, kw_only=True):
    text_code: str
    step: int | None = None
    of: int | None = None


class Logged(_Message, frozen=True, kw_only=True):
    level: int
    message: str
    fields: dict[str, str | int | float | bool | None] = {}


Body = Loaded | Opened | Events | Found | Failed | Progress | Logged


class Told(msgspec.Struct, frozen=True, array_like=True):
    """A message of the driver's process with its signs of life; without *body* it is only these."""

    beats: int
    """Goes up whenever the driver begins, yields, checks its job, or ends a call."""
    proof_age_s: float | None
    simulated: bool
    body: Body | None = None
    slow_s: float = 0.0
    """How much longer than usual the call under way may take."""


def encode(message: object) -> bytes:
    return msgspec.msgpack.encode(message, enc_hook=reveal)


def decode(data: Buffer, kind: Any) -> Any:
    """Return the message in *data*; raises :class:`Garbage`."""
    try:
        return msgpack_decoder(kind).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Garbage(type(error).__name__) from None


class Channel:
    """One end of the socket pair. One thread receives; any thread sends."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._room = bytearray(_IN_DATAGRAM + 1)

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self, data: bytes, fds: Sequence[int] = (), *, wait: bool = True) -> None:
        """Send one message. Raises ``OSError``: when nobody is there, or without *wait* when there is no room."""
        flags = socket.MSG_NOSIGNAL | (0 if wait else socket.MSG_DONTWAIT)
        if len(data) <= _IN_DATAGRAM:
            socket.send_fds(self._sock, [_INLINE, data], list(fds), flags)
            return
        large = sealed_file(data)
        try:
            socket.send_fds(self._sock, [_IN_FILE], [*fds, large], flags)
        finally:
            os.close(large)

    def receive(self) -> tuple[Buffer, list[int]]:
        """Wait for a message; return it with its descriptors, which belong to the caller.

        Raises ``EOFError`` when the other end is closed, ``OSError``, or :class:`Garbage`.
        """
        room = socket.CMSG_SPACE(_MAX_FDS * 4)
        size, control, flags, _ = self._sock.recvmsg_into([self._room], room, socket.MSG_CMSG_CLOEXEC)
        fds = [
            int.from_bytes(data[at : at + 4], "little")
            for level, kind, data in control
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            for at in range(0, len(data) - len(data) % 4, 4)
        ]
        try:
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                raise Garbage("a message that is too long")
            if not size:
                raise EOFError
            if self._room[:1] == _INLINE:
                return bytes(self._room[1:size]), fds
            if not fds:
                raise Garbage("a message without its file")
            return mapped(fds[-1]), _without_last(fds)
        except BaseException:
            close_all(fds)
            raise

    def close(self) -> None:
        self._sock.close()


def sealed_file(data: Buffer) -> int:
    """Return the descriptor of a new memory file with *data*, which nobody can change any more."""
    fd = os.memfd_create("hall-edge", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[os.write(fd, rest) :]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd


def mapped(fd: int, size: int | None = None) -> memoryview:
    """Return what is in a sealed memory file, mapped and not copied; *size* is how much it should be.

    A file that could still be made smaller would end the process that maps it. Raises :class:`Garbage`.
    """
    try:
        seals, found = fcntl.fcntl(fd, fcntl.F_GET_SEALS), os.fstat(fd).st_size
    except OSError as error:
        raise Garbage("a descriptor of no memory file") from error
    if seals & _SEALS != _SEALS:
        raise Garbage("a memory file that is not sealed")
    if not 0 < found <= MAX_BYTES or size not in (None, found):
        raise Garbage(f"a memory file of {found} bytes")
    return memoryview(mmap.mmap(fd, found, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ))


def close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        with suppress(OSError):
            os.close(fd)


def _without_last(fds: list[int]) -> list[int]:
    os.close(fds.pop())
    return fds
