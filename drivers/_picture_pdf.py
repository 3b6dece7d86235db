"""A PDF of pictures: every page shows one JPEG, untouched, at its size on paper (ISO 32000-1).

For cameras and scanners alike. The file is built once, in one piece of memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers._picture_jpeg import facts_of

POINTS = 72.0
UNKNOWN_DPI = 150
"""A page of unknown size is shown as if it had so many pixels an inch."""


@dataclass(frozen=True)
class PdfPage:
    """One JPEG, the resolution that makes it as large as its paper, and its size in pixels where it is known better."""

    jpeg: bytes
    dpi: int | None = None
    size: tuple[int, int] | None = None


def write_pdf(pages: Sequence[PdfPage]) -> bytes:
    """Return a PDF 1.4 of *pages*; raises ``ValueError`` when there are none, or when one is no JPEG."""
    if not pages:
        raise ValueError("a PDF without pages is none")
    kids = " ".join(f"{3 + 3 * index} 0 R" for index in range(len(pages)))
    objects: list[list[bytes]] = [
        [b"<< /Type /Catalog /Pages 2 0 R >>"],
        [f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode()],
    ]
    for index, page in enumerate(pages):
        objects += _page(page, 3 + 3 * index)
    return _file(objects)


def pdf_of_jpeg(jpeg: bytes, width: int, height: int, dpi: int) -> bytes:
    """Return a PDF of one page of *width* × *height* pixels."""
    return write_pdf([PdfPage(jpeg, dpi, (width, height))])


def _page(page: PdfPage, number: int) -> list[list[bytes]]:
    """Return the page's three objects, the first with this *number*: the page, what it draws, the picture."""
    facts = facts_of(page.jpeg)
    if facts is None:
        raise ValueError("a page of the PDF is no JPEG")
    dpi = page.dpi or UNKNOWN_DPI
    width, height = page.size or (facts.width, facts.height)
    across, up = width * POINTS / dpi, height * POINTS / dpi
    draw = f"q {across:.3f} 0 0 {up:.3f} 0 0 cm /I Do Q".encode()
    space = "DeviceGray" if facts.channels == 1 else "DeviceRGB"
    leaf = (
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {across:.3f} {up:.3f}] "
        f"/Resources << /XObject << /I {number + 2} 0 R >> >> /Contents {number + 1} 0 R >>"
    )
    picture = (
        f"<< /Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /{space} "
        f"/BitsPerComponent 8 /Filter /DCTDecode /Length {len(page.jpeg)} >>\nstream\n"
    )
    content = [f"<< /Length {len(draw)} >>\nstream\n".encode(), draw, b"\nendstream"]
    return [[leaf.encode()], content, [picture.encode(), page.jpeg, b"\nendstream"]]


def _file(objects: Sequence[Sequence[bytes]]) -> bytes:
    """Return the file: head, objects, the table of their places."""
    head = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"  # four bytes above 127 say that the file is binary
    parts, places, at = [head], [], len(head)
    for number, content in enumerate(objects, start=1):
        places.append(at)
        whole = [f"{number} 0 obj\n".encode(), *content, b"\nendobj\n"]
        parts += whole
        at += sum(map(len, whole))
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    count = len(objects) + 1
    parts.append(f"xref\n0 {count}\n0000000000 65535 f \n{table}".encode())
    parts.append(f"trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{at}\n%%EOF\n".encode())
    return b"".join(parts)
