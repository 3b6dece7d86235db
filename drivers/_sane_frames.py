"""Read one page from libsane, frame by frame in small strips, and make a picture of it (SANE standard 1.06, 3.2)."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from drivers._sane_abi import Frame, SaneParameters
from drivers._sane_status import error
from drivers._scan_encode import Picture
from edge.events import ColorMode

STRIP_BYTES = 128 * 1024
MAX_PAGE_BYTES = 440 * 1024 * 1024
"""A4 in colour at 1200 dpi."""
MAX_SIDE = 65_500
"""Pixels; a JPEG can hold no more."""
FIRST_BYTES_S = 30.0
"""So long may it take until the first bytes of a page come: the carriage moves, the lamp warms up."""
_PAUSE_S = 0.02
_PLANES = {Frame.RED: 2, Frame.GREEN: 1, Frame.BLUE: 0}
_RGB, _BYTE_BITS, _WORD_BITS = 3, 8, 16
_ROWS = 256


@dataclass(frozen=True)
class Form:
    """What a frame's pixels are like."""

    frame: Frame
    depth: int
    width: int
    line_bytes: int
    last: bool

    @property
    def color(self) -> ColorMode:
        if self.frame is not Frame.GRAY:
            return "color"
        return "mono" if self.depth == 1 else "gray"

    @property
    def channels(self) -> int:
        return _RGB if self.frame is Frame.RGB else 1


def form(parameters: SaneParameters) -> Form:
    """Return the checked form of a frame; raises ``DeviceProtocol`` for what no backend should send."""
    known = parameters.format in tuple(Frame) and parameters.depth in (1, _BYTE_BITS, _WORD_BITS)
    if not known or parameters.pixels_per_line < 1:
        raise error("SAN-109")
    found = Form(
        Frame(parameters.format),
        parameters.depth,
        parameters.pixels_per_line,
        parameters.bytes_per_line,
        bool(parameters.last_frame),
    )
    if found.line_bytes < found.channels * ((found.width * found.depth + 7) // 8):
        raise error("SAN-109")
    return found


def check_size(parameters: SaneParameters) -> None:
    """Raise ``Unsupported`` when the page would not fit into the memory that we may use."""
    planes = _RGB if parameters.format in _PLANES else 1
    pixels = parameters.bytes_per_line * (_BYTE_BITS if parameters.depth == 1 else 1)
    if parameters.lines > 0 and pixels * parameters.lines * planes > MAX_PAGE_BYTES:
        raise error("SAN-121")


class Source(Protocol):
    """What of an open scanner is read here."""

    def start(self) -> None: ...
    def parameters(self) -> SaneParameters: ...
    def read(self, buffer: ctypes.Array[ctypes.c_char]) -> int: ...


class PageReader:
    """Reads the pages of one job. *check* raises when the job is to end; *pause* waits; *clock* is monotonic.

    A scanner that says for *patience_s* that all is well and sends nothing is lost.
    """

    def __init__(
        self,
        handle: Source,
        check: Callable[[], None],
        pause: Callable[[float], object],
        clock: Callable[[], float],
        patience_s: float,
        slow: Callable[[float], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._handle = handle
        self._check = check
        self._pause = pause
        self._clock = clock
        self._patience_s = patience_s
        self._slow = slow
        self.begun = False
        """Whether anything of the present page has come."""
        self._strip = ctypes.create_string_buffer(STRIP_BYTES)

    def page(self, first: Form) -> Picture:
        """Return the page whose first frame was started: uint8, (height, width) or (height, width, 3) in BGR."""
        self.begun = False
        if first.frame not in _PLANES:
            return _picture(self._frame(), first)
        return self._three_passes(first)

    def _three_passes(self, first: Form) -> Picture:
        import numpy as np

        page, current = None, first
        while True:
            plane = _picture(self._frame(), current)
            if page is None:
                page = np.zeros((*plane.shape, _RGB), np.uint8)
            if current.frame not in _PLANES or plane.shape != page.shape[:2]:
                raise error("SAN-109")
            page[:, :, _PLANES[current.frame]] = plane
            if current.last:
                return page
            self._check()
            self._handle.start()
            current = form(self._handle.parameters())

    def _frame(self) -> bytearray:
        """Return the bytes of the frame that was started."""
        data, strip = bytearray(), memoryview(self._strip)
        silent_since: float | None = None
        while True:
            self._check()
            with self._slow(0.0 if data else FIRST_BYTES_S):
                size = self._handle.read(self._strip)
            if size < 0:
                return data
            if size:
                silent_since, self.begun = None, True
                data += strip[:size]
                if len(data) > MAX_PAGE_BYTES:
                    raise error("SAN-121")
                continue
            now = self._clock()
            silent_since = now if silent_since is None else silent_since
            if now - silent_since > self._patience_s:
                raise error("SAN-105")
            self._pause(_PAUSE_S)


def _picture(data: bytearray, like: Form) -> Picture:
    """Return the pixels of a frame, cut to its whole lines; raises ``DeviceProtocol`` when there is none."""
    import cv2
    import numpy as np

    height = len(data) // like.line_bytes
    if not height:
        raise error("SAN-109")
    if max(height, like.width) > MAX_SIDE:
        raise error("SAN-121")
    rows = np.frombuffer(data, np.uint8, height * like.line_bytes).reshape(height, like.line_bytes)
    if like.depth == 1:
        return _one_bit(rows, like)
    if like.depth == _WORD_BITS:  # native byte order; the high byte is the picture
        high = 1 if sys.byteorder == "little" else 0
        rows = np.ascontiguousarray(rows[:, high : 2 * like.width * like.channels : 2])
    if like.channels == 1:
        return rows[:, : like.width]
    pixels = rows[:, : like.width * _RGB].reshape(height, like.width, _RGB)
    for top in range(0, height, _ROWS):  # in place, so that a page is in memory once
        part = pixels[top : top + _ROWS]
        part[...] = cv2.cvtColor(part, cv2.COLOR_RGB2BGR)
    return pixels


def _one_bit(rows: Picture, like: Form) -> Picture:
    """Return bits as bytes: 1 is black in a gray frame, and full brightness in a coloured one."""
    import numpy as np

    if like.channels == 1:
        bits = np.unpackbits(rows, axis=1)[:, : like.width]
        bits *= 255
        return np.bitwise_not(bits, out=bits) if like.frame is Frame.GRAY else bits
    planes = [np.unpackbits(rows[:, plane::_RGB], axis=1)[:, : like.width] for plane in (2, 1, 0)]
    return np.stack(planes, axis=2) * np.uint8(255)
