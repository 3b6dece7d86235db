"""Print pages fast: a few drawn bodies are kept as JPEG, and every page gets a head line of its own cut into one.

A JPEG whose rows of blocks end with restart markers can be cut between rows: the head line of a page is encoded
alone, a millisecond of work, and takes the place of the body's first rows (ITU-T T.81, B.1.1.2 and E.1.4).
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulators import pictures

if TYPE_CHECKING:
    from simulators.pictures import Image

BODIES = 3
KEPT = 12
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_APP0_END = 20


@dataclass(frozen=True, slots=True)
class Print:
    """How a page is to look: pixels, resolution, grey or colour, empty or not, the type of file."""

    width: int
    height: int
    dpi: int
    gray: bool = False
    blank: bool = False
    media_type: str = "image/jpeg"


@dataclass(frozen=True, slots=True)
class _Body:
    """A JPEG cut behind its head line: everything before the first row, and everything behind the strip."""

    head: bytes
    tail: bytes


class Press:
    """Prints numbered pages of the pile *seed*; any thread."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._bodies: OrderedDict[tuple[Print, int], _Body] = OrderedDict()

    def page(self, number: int, look: Print) -> bytes:
        """Return page *number*; no two pages are the same bytes, blank ones neither."""
        if look.media_type == "image/png":
            drawn = pictures.draw_page(number, self._seed, look.width, look.height, blank=look.blank)
            _number_grain(drawn, number)
            return pictures.encode(_toned(drawn, look), look.media_type, look.dpi)
        jpeg = self._jpeg(number, look)
        if look.media_type == "application/pdf":
            return pictures.wrap_pdf(jpeg, look.width, look.height, look.dpi, gray=look.gray)
        return jpeg

    def _jpeg(self, number: int, look: Print) -> bytes:
        with self._lock:
            body = self._body(number % (1 if look.blank else BODIES), look)
        if look.blank:
            remark = f"page {number}".encode()
            comment = b"\xff\xfe" + (len(remark) + 2).to_bytes(2, "big") + remark
            return b"".join((body.head[:_APP0_END], comment, body.head[_APP0_END:], body.tail))
        strip = _toned(pictures.draw_strip(number, self._seed, look.width, look.height), look)
        rows = pictures.encode_jpeg(strip, look.dpi, restarts=True)
        return b"".join((body.head, rows[_scan_at(rows) : -2], body.tail))

    def _body(self, which: int, look: Print) -> _Body:
        """Return a body of the pool, drawn when it is first wanted."""
        key = (look, which)
        if key not in self._bodies:
            drawn = pictures.draw_page(which, self._seed, look.width, look.height, blank=look.blank)
            jpeg = pictures.encode_jpeg(_toned(drawn, look), look.dpi, restarts=True)
            at = _scan_at(jpeg)
            if look.blank:
                self._bodies[key] = _Body(jpeg[:at], jpeg[at:])
            else:
                rows = pictures.strip_height(look.width, look.height) // (8 if look.gray else 16)
                ends = [found.start() for found in _RESTART.finditer(jpeg, at)]
                self._bodies[key] = _Body(jpeg[:at], jpeg[ends[rows - 1] :] if len(ends) >= rows else b"\xff\xd9")
        self._bodies.move_to_end(key)
        while len(self._bodies) > KEPT:
            self._bodies.popitem(last=False)
        return self._bodies[key]


def _number_grain(page: Image, number: int) -> None:
    """Write the number into the grain of the paper's first pixels, where nobody sees it."""
    for bit in range(min(24, page.shape[1])):
        page[0, bit] = pictures.PAPER + (number >> bit & 1)


def _toned(image: Image, look: Print) -> Image:
    import cv2
    import numpy as np

    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8) if look.gray else image


def _scan_at(jpeg: bytes) -> int:
    """Return where the coded rows begin: behind the header of the only scan."""
    at = 2
    while jpeg[at + 1] != 0xDA:  # noqa: PLR2004 - SOS
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
