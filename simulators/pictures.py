"""Draw sheets of paper as a scanner or a camera sees them: nothing is stored, the same numbers draw the same page."""

from __future__ import annotations

import random
import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Image = npt.NDArray[np.uint8]

A4_WIDTH = 2480
"""A page is drawn for A4 at 300 dpi, and scaled."""
STRIP = 128
"""Height of the head line with the page's number at 300 dpi; a strip is a multiple of 16 pixels high."""
PAPER, INK, RULE, RED = 246, (52, 42, 40), (150, 120, 90), (60, 50, 205)
QUALITY = 85
MIN_SIDE = 16
WORDS = ("application", "window", "number", "form", "sheet", "seal", "date", "copy", "item", "receipt", "notice")
EAN_LEFT = (
    "0001101",
    "0011001",
    "0010011",
    "0111101",
    "0100011",
    "0110001",
    "0101111",
    "0111011",
    "0110111",
    "0001011",
)
EAN_PARITY = ("LLLLLL", "LLGLGG", "LLGGLG", "LLGGGL", "LGLLGG", "LGGLLG", "LGGGLL", "LGLGLG", "LGLGGL", "LGGLGL")


def draw_page(
    number: int, seed: int, width: int, height: int, *, blank: bool = False, qr: str | None = None,
    barcode: str | None = None,
) -> Image:  # fmt: skip
    """Return page *number* of the pile *seed*, BGR of shape (height, width, 3).

    A blank page is paper with its grain. *qr* is drawn as a QR code, *barcode* (12 or 13 digits) as an EAN-13.
    Raises ``ValueError`` for a size below 16 or a barcode that is none.
    """
    if min(width, height) < MIN_SIDE:
        raise ValueError(f"a page of {width} x {height} pixels cannot be drawn")
    page = _paper(width, height, seed)
    if not blank:
        _draw_body(page, number, seed)
        strip = draw_strip(number, seed, width, height)
        page[: strip.shape[0]] = strip
    if qr is not None:
        _draw_qr(page, qr)
    if barcode is not None:
        _draw_barcode(page, barcode)
    return page


def strip_height(width: int, height: int) -> int:
    """Return how many pixels the head line of a page takes."""
    return min(max(16, round(STRIP * width / A4_WIDTH / 16) * 16), height // 16 * 16)


def draw_strip(number: int, seed: int, width: int, height: int) -> Image:
    """Return the top of page *number*, which alone shows its number."""
    import cv2

    scale = width / A4_WIDTH
    strip = _paper(width, strip_height(width, height), seed)
    text = f"SIMULATED   page {number}   pile {seed}"
    base = round(88 * scale)
    cv2.putText(strip, text, (round(180 * scale), base), cv2.FONT_HERSHEY_SIMPLEX, 1.7 * scale, INK, _pen(4 * scale))
    return strip


def encode(image: Image, media_type: str, dpi: int) -> bytes:
    """Return *image* (BGR or grey) as ``image/jpeg``, ``image/png`` or ``application/pdf`` that says its *dpi*.

    Raises ``ValueError`` for another type.
    """
    if media_type == "image/jpeg":
        return encode_jpeg(image, dpi)
    if media_type == "image/png":
        return _with_png_density(_imencode(".png", image, []), dpi)
    if media_type == "application/pdf":
        height, width = image.shape[:2]
        return wrap_pdf(encode_jpeg(image, dpi), width, height, dpi, gray=image.ndim == 2)  # noqa: PLR2004
    raise ValueError(f"no pictures of type {media_type}")


def encode_jpeg(image: Image, dpi: int, *, restarts: bool = False) -> bytes:
    """Return *image* as JPEG; with *restarts* every row of blocks can be decoded by itself."""
    import cv2

    flags = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    if restarts:
        block = 8 if image.ndim == 2 else 16  # noqa: PLR2004
        flags += [cv2.IMWRITE_JPEG_RST_INTERVAL, -(-image.shape[1] // block)]
    data = bytearray(_imencode(".jpg", image, flags))
    data[13:18] = struct.pack(">BHH", 1, dpi, dpi)  # the JFIF head stands first: pixels per inch
    return bytes(data)


def wrap_pdf(jpeg: bytes, width: int, height: int, dpi: int, *, gray: bool) -> bytes:
    """Return a PDF of one page that shows *jpeg* at its size on paper."""
    box = f"{width * 72 / dpi:.2f} {height * 72 / dpi:.2f}"
    across, up = box.split()
    show = f"q {across} 0 0 {up} 0 0 cm /I Do Q".encode()
    space = "DeviceGray" if gray else "DeviceRGB"
    picture = (
        f"<</Type/XObject/Subtype/Image/Width {width}/Height {height}/ColorSpace/{space}"
        f"/BitsPerComponent 8/Filter/DCTDecode/Length {len(jpeg)}>>stream\n"
    )
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {box}]/Contents 5 0 R/Resources<</XObject<</I 4 0 R>>>>>>".encode(),
        b"".join((picture.encode(), jpeg, b"\nendstream")),
        b"".join((f"<</Length {len(show)}>>stream\n".encode(), show, b"\nendstream")),
    )
    parts, at, table = [b"%PDF-1.4\n"], 9, ["0000000000 65535 f \n"]
    for index, content in enumerate(objects, start=1):
        table.append(f"{at:010} 00000 n \n")
        parts += (f"{index} 0 obj".encode(), content, b"endobj\n")
        at += sum(map(len, parts[-3:]))
    parts.append(f"xref\n0 6\n{''.join(table)}trailer<</Size 6/Root 1 0 R>>\nstartxref\n{at}\n%%EOF\n".encode())
    return b"".join(parts)


def _paper(width: int, height: int, seed: int) -> Image:
    """Return empty paper with its grain."""
    import numpy as np

    grain = np.random.default_rng(seed).integers(PAPER - 2, PAPER + 3, (64, 256), dtype=np.uint8)
    tiled = np.tile(grain, (-(-height // 64), -(-width // 256)))[:height, :width]
    return np.repeat(tiled[:, :, np.newaxis], 3, axis=2)


def _draw_body(page: Image, number: int, seed: int) -> None:
    """Draw a heading, lines of words, a table and a stamp."""
    import cv2

    height, width = page.shape[:2]
    scale, chance = width / A4_WIDTH, random.Random(f"{seed}/{number}")
    font, left = cv2.FONT_HERSHEY_SIMPLEX, round(180 * scale)
    heading = " ".join(chance.choices(WORDS, k=3)).upper()
    cv2.putText(page, heading, (left, round(270 * scale)), font, 2.4 * scale, INK, _pen(6 * scale))
    cv2.line(page, (left, round(310 * scale)), (width - left, round(310 * scale)), RULE, _pen(4 * scale))
    for line in range(round(400 * scale), round(height - 300 * scale), max(8, round(66 * scale))):
        if chance.random() < 0.1:  # noqa: PLR2004 - a paragraph ends
            continue
        text = " ".join(chance.choices(WORDS, k=chance.randint(6, 11)))
        cv2.putText(page, text, (left, line), font, 1.15 * scale, INK, _pen(2.4 * scale))
    _draw_stamp(page, scale, chance)


def _draw_stamp(page: Image, scale: float, chance: random.Random) -> None:
    """Draw the round red stamp of an office that does not exist."""
    import cv2

    height, width = page.shape[:2]
    radius = round(210 * scale)
    middle = (round(width - 520 * scale + chance.uniform(-60, 60) * scale), round(height - 560 * scale))
    cv2.circle(page, middle, radius, RED, _pen(14 * scale))
    cv2.circle(page, middle, max(1, radius // 4), RED, -1)
    at = (middle[0] - round(150 * scale), middle[1] + round(130 * scale))
    cv2.putText(page, "SIMULATED", at, cv2.FONT_HERSHEY_SIMPLEX, 1.6 * scale, RED, _pen(5 * scale))


def _draw_qr(page: Image, text: str) -> None:
    """Draw a QR code in the upper right part of the page, a fifth of its width wide."""
    import cv2

    code: Any = cv2.QRCodeEncoder.create().encode(text)  # has its quiet zone
    side = max(1, round(page.shape[1] / 5 / code.shape[0])) * code.shape[0]
    top, left = round(page.shape[0] * 0.12), page.shape[1] - side - round(page.shape[1] * 0.08)
    _paste(page, cv2.resize(code, (side, side), interpolation=cv2.INTER_NEAREST), top, left)


def _draw_barcode(page: Image, digits: str) -> None:
    """Draw an EAN-13 in the lower left part of the page, about a third of its width wide."""
    import numpy as np

    bars = np.array([255 * (bit == "0") for bit in f"{'0' * 20}{ean13(digits)}{'0' * 20}"], np.uint8)
    thick = max(2, round(page.shape[1] / 3 / bars.size))
    wide = np.repeat(bars, thick)
    high = np.repeat(wide[np.newaxis, :], max(8, wide.size // 2), axis=0)
    margin = np.full((max(4, high.shape[0] // 8), wide.size), 255, np.uint8)
    code = np.concatenate((margin, high, margin))
    _paste(page, code, round(page.shape[0] * 0.7), round(page.shape[1] * 0.08))


def ean13(digits: str) -> str:
    """Return the 95 modules of an EAN-13, 1 = black; a missing check digit is added (GS1 General Specifications)."""
    if not (digits.isascii() and digits.isdecimal() and len(digits) in {12, 13}):
        raise ValueError(f"an EAN-13 has 12 or 13 digits, not {len(digits)} characters")
    total = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits[:12]))
    code = f"{digits[:12]}{-total % 10}"
    if not code.startswith(digits):
        raise ValueError("the last digit of the EAN-13 is not its check digit")
    halves = ["", ""]
    for place, digit in enumerate(code[1:]):
        pattern = EAN_LEFT[int(digit)]
        if place >= 6 or EAN_PARITY[int(code[0])][place] == "G":  # noqa: PLR2004
            pattern = pattern.translate({48: "1", 49: "0"})
        if place < 6 and EAN_PARITY[int(code[0])][place] == "G":  # noqa: PLR2004
            pattern = pattern[::-1]
        halves[place // 6] += pattern
    return f"101{halves[0]}01010{halves[1]}101"


def _paste(page: Image, code: Any, top: int, left: int) -> None:
    """Put a grey picture on the page; what does not fit on it is cut off."""
    top, left = max(0, min(top, page.shape[0] - code.shape[0])), max(0, left)
    place = page[top : top + code.shape[0], left : left + code.shape[1]]
    place[:] = code[: place.shape[0], : place.shape[1], None]


def _pen(width: float) -> int:
    return max(1, round(width))


def _imencode(extension: str, image: Image, flags: list[int]) -> bytes:
    import cv2

    done, data = cv2.imencode(extension, image, flags)
    if not done:
        raise ValueError(f"the picture cannot be written as {extension}")
    return data.tobytes()


def _with_png_density(png: bytes, dpi: int) -> bytes:
    """Put a pHYs chunk (pixels per metre) behind the head."""
    metre = round(dpi / 0.0254)
    chunk = b"pHYs" + struct.pack(">IIB", metre, metre, 1)
    return png[:33] + struct.pack(">I", 9) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]
