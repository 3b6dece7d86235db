"""Pack and unpack USB/IP 1.1.1 as the exporting side speaks it: pure bytes (Linux kernel, ``usbip_protocol``).

All numbers are big-endian. A connection begins with one question (the list of devices, or the import of one); after
an import it carries URBs only, 48 bytes of header each and the data behind it.
"""

import struct
from dataclasses import dataclass

VERSION = 0x0111
ASK_LIST, TELL_LIST = 0x8005, 0x0005
ASK_IMPORT, TELL_IMPORT = 0x8003, 0x0003
OK, NOT_AVAILABLE, BUSY, NO_DEVICE = 0, 1, 2, 4

SUBMIT, UNLINK, SUBMITTED, UNLINKED = 1, 2, 3, 4
HEADER_SIZE = 48
QUESTION_SIZE = 8
BUSID_SIZE = 32
LONGEST_BUFFER = 65536

FULL_SPEED = 2

_QUESTION = struct.Struct(">HHI")
_BASIC = struct.Struct(">IIIII")
_SUBMIT = struct.Struct(">IIIII8s")
_SUBMITTED = struct.Struct(">IIIIIiIIII8x")
_UNLINKED = struct.Struct(">IIIIIi24x")
_DEVICE = struct.Struct(">256s32sIIIHHHBBBBBB")


class WireError(Exception):
    """Say that the other side does not speak this protocol."""


@dataclass(frozen=True, slots=True)
class Urb:
    """One request of the host; ``data`` is what it sends, ``size`` what it can take or sends."""

    number: int
    is_in: bool
    endpoint: int
    size: int
    setup: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Unlink:
    """The host gives up the request ``victim``."""

    number: int
    victim: int


@dataclass(frozen=True, slots=True)
class Exported:
    """What the list and the import tell of a device."""

    busid: str
    bus: int
    number: int
    device_descriptor: bytes
    interfaces: tuple[tuple[int, int, int], ...]

    def packed(self) -> bytes:
        """Write the device, as an import tells it."""
        vendor, product, release = struct.unpack_from("<HHH", self.device_descriptor, 8)
        kind, subkind, protocol = self.device_descriptor[4:7]
        path = f"/sys/devices/simulated/usb{self.bus}/{self.busid}".encode()
        numbers = (self.bus, self.number, FULL_SPEED, vendor, product, release, kind, subkind, protocol)
        return _DEVICE.pack(path, self.busid.encode(), *numbers, 1, self.device_descriptor[17], len(self.interfaces))

    def packed_with_interfaces(self) -> bytes:
        """Write the device, as the list tells it."""
        return self.packed() + b"".join(bytes((*interface, 0)) for interface in self.interfaces)


def cut_question(buffer: bytearray) -> tuple[int, str] | None:
    """Take the first message of a connection: its code, and the bus id of an import. None while it is not whole."""
    if len(buffer) < QUESTION_SIZE:
        return None
    version, code, _ = _QUESTION.unpack_from(buffer)
    if version != VERSION or code not in (ASK_LIST, ASK_IMPORT):
        raise WireError
    size = QUESTION_SIZE + (BUSID_SIZE if code == ASK_IMPORT else 0)
    if len(buffer) < size:
        return None
    busid = bytes(buffer[QUESTION_SIZE:size]).split(b"\0", 1)[0].decode("ascii", "replace")
    del buffer[:size]
    return code, busid


def cut_request(buffer: bytearray) -> Urb | Unlink | None:
    """Take the next request of an importing host; None while it is not whole."""
    if len(buffer) < HEADER_SIZE:
        return None
    command, number, _, direction, endpoint = _BASIC.unpack_from(buffer)
    if command == UNLINK:
        (victim,) = struct.unpack_from(">I", buffer, _BASIC.size)
        del buffer[:HEADER_SIZE]
        return Unlink(number, victim)
    _, size, _, _, _, setup = _SUBMIT.unpack_from(buffer, _BASIC.size)
    if command != SUBMIT or direction > 1 or size > LONGEST_BUFFER:
        raise WireError
    whole = HEADER_SIZE + (0 if direction else size)
    if len(buffer) < whole:
        return None
    data = bytes(buffer[HEADER_SIZE:whole])
    del buffer[:whole]
    return Urb(number, bool(direction), endpoint & 0x0F, size, setup, data)


def told_list(devices: list[Exported]) -> bytes:
    """Answer the question for the list."""
    head = _QUESTION.pack(VERSION, TELL_LIST, OK) + struct.pack(">I", len(devices))
    return head + b"".join(device.packed_with_interfaces() for device in devices)


def told_import(device: Exported | None, status: int) -> bytes:
    """Answer the question for an import."""
    head = _QUESTION.pack(VERSION, TELL_IMPORT, status)
    return head + (device.packed() if device and status == OK else b"")


def submitted(number: int, status: int, data: bytes = b"", taken: int = 0) -> bytes:
    """Answer a URB: ``data`` for the host, or how many of its bytes were ``taken``."""
    return _SUBMITTED.pack(SUBMITTED, number, 0, 0, 0, status, len(data) or taken, 0, 0, 0) + data


def unlinked(number: int, status: int) -> bytes:
    """Answer an unlink."""
    return _UNLINKED.pack(UNLINKED, number, 0, 0, 0, status)
