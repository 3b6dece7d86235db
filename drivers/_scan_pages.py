"""What an encoded page says about itself: media type, size, resolution, and whether its end is there. Pure, no I/O.

JPEG: ITU-T T.81 annex B with JFIF (ITU-T T.871); PNG: ISO/IEC 15948; PDF: ISO 32000-1. TIFF is left to ``_scan_tiff``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from drivers import _scan_tiff

_NEXT_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOI, _EOI, _SOS, _DNL, _APP0 = 0xD8, 0xD9, 0xDA, 0xDC, 0xE0
_PNG = b"\x89PNG\r\n\x1a\n"
_PDF_IMAGE = re.compile(rb"/Subtype\s*/Image\b")
_PDF_BOX = re.compile(rb"/MediaBox\s*\[\s*([-+.\d]+)\s+([-+.\d]+)\s+([-+.\d]+)\s+([-+.\d]+)\s*\]")
_PDF_END = re.compile(rb"%%EOF\s*\Z")
_PDF_TAIL_BYTES = 1024
_INCH_IN_POINTS = 72
_INCH_IN_METRES = 0.0254
_INCH_IN_CM = 2.54
_MAX_DPI = 20_000
MOST_PIXELS = 300_000_000
"""Of any page: A3 at 1200 dpi has 278 million."""
MOST_DECODED = 150_000_000
"""Of a page that is decoded, which takes three bytes a pixel at least: A4 at 1200 dpi has 139 million."""


class BadPageError(ValueError):
    """These bytes are no page of the media type that they are said to be."""


class HugePageError(BadPageError):
    """The page says that it has more pixels than a page can have: it is never decoded."""


@dataclass(frozen=True)
class PageFacts:
    """``width`` and ``height`` in pixels; ``dpi`` where the page tells it; ``complete``: its end has arrived."""

    width: int
    height: int
    dpi: int | None
    complete: bool


class _Found(Protocol):
    """What a reader of one media type returns: width, height, dpi, complete."""

    def __call__(self, data: bytes, /) -> tuple[int, int, float | None, bool]: ...


def check_page(data: bytes, media_type: str) -> PageFacts:
    """Return the facts of *data*; raises :class:`BadPageError` when it is no page of *media_type*.

    A page that was cut off is returned with ``complete=False`` as long as its size can still be told.
    """
    reader = _READERS.get(media_type)
    if reader is None:
        raise BadPageError(f"pages of {len(media_type)} characters of media type are not known")
    try:
        width, height, dpi, complete = reader(data)
    except (IndexError, ValueError) as error:
        raise BadPageError(f"{len(data)} bytes are no {media_type}") from error
    if width < 1 or height < 1:
        raise BadPageError(f"the page of {media_type} has no size")
    if width * height > MOST_PIXELS:
        raise HugePageError(f"the page of {media_type} has more than {MOST_PIXELS} pixels")
    rounded = round(dpi) if dpi and 1 <= dpi <= _MAX_DPI else None
    return PageFacts(width, height, rounded, complete)


def media_type_of(data: bytes) -> str | None:
    """Return the media type that *data* begins like, whatever its sender called it."""
    starts = (
        (b"\xff\xd8\xff", "image/jpeg"),
        (_PNG, "image/png"),
        (b"%PDF-", "application/pdf"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00*", "image/tiff"),
    )
    return next((media_type for start, media_type in starts if data.startswith(start)), None)


def with_dpi(data: bytes, media_type: str, dpi: int) -> bytes:
    """Return a JPEG (with a JFIF header) or PNG that says its resolution; anything else comes back as it is."""
    if media_type == "image/jpeg" and data[6:11] == b"JFIF\0":
        density = dpi.to_bytes(2, "big")
        return b"".join((data[:13], b"\x01", density, density, memoryview(data)[18:]))
    if media_type == "image/png":
        per_metre = round(dpi / _INCH_IN_METRES).to_bytes(4, "big")
        body = b"pHYs" + per_metre + per_metre + b"\x01"
        chunk = b"\0\0\0\x09" + body + zlib.crc32(body).to_bytes(4, "big")
        return b"".join((data[:33], chunk, memoryview(data)[33:]))  # right behind IHDR
    return data


# --- JPEG ---


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield marker, body and end of every segment; the last one is EOI when the end of the page is there."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("no SOI")
    at = 2
    while (found := _NEXT_MARKER.search(data, at)) is not None:
        marker, at = found[1][0], found.end()
        if marker == _EOI:
            yield marker, b"", at
            return
        length = int.from_bytes(data[at : at + 2], "big")
        body, at = data[at + 2 : at + length], at + max(length, 2)
        yield marker, body, at


def _jpeg(data: bytes) -> tuple[int, int, float | None, bool]:
    width = height = 0
    dpi: float | None = None
    complete = scanned = False
    for marker, body, at in _segments(data):
        if marker == _APP0 and body[:5] == b"JFIF\0":
            across = int.from_bytes(body[8:10], "big")
            dpi = across * {1: 1, 2: _INCH_IN_CM}.get(body[7], 0)
        elif marker in _FRAMES:
            height, width = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        elif marker == _SOS:
            scanned = True
            if height:  # only the end is left to be seen: looked for from behind, since pages are large
                return width, height, dpi, data.rfind(b"\xff\xd9", at) >= 0
        elif marker == _DNL:  # a scanner that did not know the length when it began
            height = int.from_bytes(body[:2], "big")
        elif marker == _EOI:
            complete = scanned
    return width, height, dpi, complete


# --- PNG ---


def _png(data: bytes) -> tuple[int, int, float | None, bool]:
    if not data.startswith(_PNG) or data[12:16] != b"IHDR":
        raise ValueError("no PNG")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    dpi, at = None, len(_PNG)
    while len(data) >= at + 12:
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"IEND":
            return width, height, dpi, True
        if kind == b"pHYs" and length == 9 and data[at + 16] == 1:  # noqa: PLR2004  # two numbers and the unit
            dpi = int.from_bytes(data[at + 8 : at + 12], "big") * _INCH_IN_METRES
        at += 12 + length
    return width, height, dpi, False


# --- PDF ---


def pdf_image(data: bytes) -> bytes | None:
    """Return the JPEG inside a scanned page's PDF; ``None``: it is not one picture in a JPEG stream."""
    if len(_PDF_IMAGE.findall(data)) != 1:
        return None
    found = re.search(rb"/DCTDecode\b.{0,400}?stream\r?\n(?=\xff\xd8\xff)", data, re.DOTALL)
    end = data.find(b"endstream", found.end()) if found else -1
    return data[found.end() : end] if found and end > 0 else None


def _pdf(data: bytes) -> tuple[int, int, float | None, bool]:
    if not data.startswith(b"%PDF-"):
        raise ValueError("no PDF")
    complete = _PDF_END.search(data, max(0, len(data) - _PDF_TAIL_BYTES)) is not None
    box = _PDF_BOX.search(data)
    points = [float(number) for number in box.groups()] if box else [0.0] * 4
    across, down = abs(points[2] - points[0]), abs(points[3] - points[1])
    size = _pdf_pixels(data)
    if size is None:  # packed into an object stream: a page of so many points, and no pixels to be seen
        return round(across), round(down), _INCH_IN_POINTS, complete
    return *size, size[0] * _INCH_IN_POINTS / across if across else None, complete


def _pdf_pixels(data: bytes) -> tuple[int, int] | None:
    image = _PDF_IMAGE.search(data)
    if image is None:
        return None
    begin, end = data.rfind(b"obj", 0, image.start()), data.find(b"stream", image.end())
    head = data[max(0, begin) : end if end > 0 else None]
    width, height = re.search(rb"/Width\s+(\d{1,6})", head), re.search(rb"/Height\s+(\d{1,6})", head)
    return (int(width[1]), int(height[1])) if width and height else None


_READERS: Mapping[str, Callable[[bytes], tuple[int, int, float | None, bool]]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "application/pdf": _pdf,
    "image/tiff": _scan_tiff.facts,
}
