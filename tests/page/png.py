"""Makes a browser's picture small: text and a few colours fit a palette of 256."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np

_STEP = 4  # of 256 levels of a channel, or more where that are too many colours: nobody sees it


def small(png: bytes) -> bytes:
    """Return the same picture as a PNG with a palette."""
    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError("this is no picture")
    step = _STEP
    while True:
        rounded = np.minimum((decoded.astype(np.uint32) + step // 2) // step * step, 255)
        packed = rounded[:, :, 2] << 16 | rounded[:, :, 1] << 8 | rounded[:, :, 0]
        colours, places = np.unique(packed, return_inverse=True)
        if len(colours) <= 256:
            break
        step *= 2
    height, width = decoded.shape[:2]
    rows = np.zeros((height, width + 1), np.uint8)  # each begins with its filter: none
    rows[:, 1:] = places.reshape(height, width)
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    palette = colours.astype(">u4").tobytes()
    palette = b"".join(palette[at + 1 : at + 4] for at in range(0, len(palette), 4))  # red, green, blue
    chunks = [(b"IHDR", head), (b"PLTE", palette), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
