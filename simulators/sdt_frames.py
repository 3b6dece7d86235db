"""Cut the host's bytes into SDT requests and wrap answers (GA/T 467).

``AA AA AA 96 69 | length | body | XOR``: the length is big-endian and counts body and XOR; the XOR covers
length and body.
"""

import re
import struct
from dataclasses import dataclass
from functools import reduce
from operator import xor

from simulators.words import ScenarioError, to_number

PREAMBLE = bytes.fromhex("AAAAAA9669")
HEADER_SIZE = 7
SHORTEST_REQUEST = 3
LONGEST_REQUEST = 4096

CHECKSUM_WRONG = 0x10
LENGTH_WRONG = 0x11


@dataclass(frozen=True, slots=True)
class Request:
    """Hold one request of the host; ``refusal`` is the status that a damaged one deserves, or 0."""

    command: bytes = b""
    data: bytes = b""
    refusal: int = 0


def answer_frame(status: int, data: bytes = b"") -> bytes:
    """Wrap status and data."""
    body = bytes((0, 0, status)) + data
    counted = struct.pack(">H", len(body) + 1) + body
    return PREAMBLE + counted + bytes((reduce(xor, counted),))


def cut_request(buffer: bytearray) -> Request | None:
    """Take one request out of the buffer, None while there is no whole one; noise before it is dropped."""
    start = buffer.find(PREAMBLE)
    if start < 0:
        del buffer[: max(len(buffer) - len(PREAMBLE) + 1, 0)]
        return None
    del buffer[:start]
    if len(buffer) < HEADER_SIZE:
        return None
    (length,) = struct.unpack_from(">H", buffer, len(PREAMBLE))
    if not SHORTEST_REQUEST <= length <= LONGEST_REQUEST:
        del buffer[:HEADER_SIZE]
        return Request(refusal=LENGTH_WRONG)
    if len(buffer) < HEADER_SIZE + length:
        return None
    frame = bytes(buffer[: HEADER_SIZE + length])
    del buffer[: len(frame)]
    if reduce(xor, frame[len(PREAMBLE) :]):
        return Request(refusal=CHECKSUM_WRONG)
    return Request(frame[HEADER_SIZE : HEADER_SIZE + 2], frame[HEADER_SIZE + 2 : -1])


def sam_id_bytes(text: str) -> bytes:
    """Pack a SAM id as printed (``05.03-20140124-0001234567-0012345678``) into its 16 little-endian bytes."""
    printed = re.fullmatch(r"(\d{2})\.(\d{2})-(\d{8})-(\d{10})-(\d{10})", text, re.ASCII)
    if not printed:
        raise ScenarioError(f"sam-id must look like 05.03-20140124-0001234567-0012345678, not {text!r}")
    kind, sort, *long_numbers = printed.groups()
    numbers = [to_number(part, "each long number of sam-id", 0, 2**32 - 1) for part in long_numbers]
    return struct.pack("<HHIII", int(kind), int(sort), *numbers)
