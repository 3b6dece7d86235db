"""What a camera's JPEG says about itself, read without decoding it (ITU-T T.81)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MOST_PIXELS = 64_000_000
"""Of a picture that is decoded: the largest document cameras have 20 megapixels."""
_START, _END = b"\xff\xd8", b"\xff\xd9"
_SCAN, _COMMENT, _STUFFED = 0xDA, 0xFE, 0x00
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD8)}


@dataclass(frozen=True)
class JpegFacts:
    """Size in pixels, colours (1 or 3), comments, and whether the picture is there to its end."""

    width: int
    height: int
    channels: int
    comments: tuple[bytes, ...]
    whole: bool

    @property
    def decodable(self) -> bool:
        """Whether its size is known and small enough to be decoded."""
        return 0 < self.width * self.height <= MOST_PIXELS


def facts_of(data: bytes) -> JpegFacts | None:
    """Return what *data* says, ``None`` when it is no JPEG."""
    if not data.startswith(_START):
        return None
    size, channels, comments, scan = (0, 0), 0, [], 0
    for marker, start, end in _segments(data):
        if marker in _FRAMES and end - start >= 6:  # noqa: PLR2004
            size = int.from_bytes(data[start + 3 : start + 5]), int.from_bytes(data[start + 1 : start + 3])
            channels = data[start + 5]
        elif marker == _COMMENT:
            comments.append(data[start:end])
        elif marker == _SCAN:
            scan = end
    if not scan or not size[0]:  # a height of 0 comes behind the picture, as some scanners send it
        return None
    return JpegFacts(*size, channels, tuple(comments), data.rfind(_END, max(scan, len(data) - 4096)) > 0)


def trimmed(data: bytes) -> bytes:
    """Return *data* without what stands behind its end: buffers of cameras are often longer than the picture."""
    end = data.rfind(_END)
    return data[: end + 2] if end > 0 else data


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of the segments up to the first scan; ends early where one is cut off."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:  # noqa: PLR2004 - fill bytes
            at += 1 if marker == 0xFF else 2  # noqa: PLR2004
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if end > len(data) or end < at + 4:
            return
        yield marker, at + 4, end
        if marker == _SCAN:
            return
        at = end
