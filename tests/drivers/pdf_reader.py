"""Read a PDF by its own table, strictly: what our writer says has to be what a reader finds."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class ReadPage:
    """One page of a PDF that shows one JPEG."""

    size_points: tuple[float, float]
    jpeg: bytes
    size_px: tuple[int, int]
    space: str


def read_pdf(data: bytes) -> list[ReadPage]:
    """Return the pages; ``AssertionError`` where the file breaks the rules of ISO 32000-1."""
    assert data.startswith(b"%PDF-1.4\n")
    end = re.search(rb"startxref\n(\d+)\n%%EOF\n$", data)
    assert end is not None
    table = re.match(rb"xref\n0 (\d+)\n", data[int(end[1]) :])
    assert table is not None
    count, first = int(table[1]), int(end[1]) + table.end()
    rows = [data[first + 20 * index : first + 20 * (index + 1)] for index in range(count)]
    assert rows[0] == b"0000000000 65535 f \n"
    assert all(re.fullmatch(rb"\d{10} 00000 n \n", row) for row in rows[1:])
    places = [int(row[:10]) for row in rows]
    trailer = data[first + 20 * count : end.start()]
    assert trailer == b"trailer\n<< /Size %d /Root 1 0 R >>\n" % count
    objects = {number: _object(data, place, number) for number, place in enumerate(places) if number}
    assert b"/Type /Catalog /Pages 2 0 R" in objects[1][0]
    kids = re.search(rb"/Kids \[([^]]*)\] /Count (\d+)", objects[2][0])
    assert kids is not None
    numbers = [int(number) for number in re.findall(rb"(\d+) 0 R", kids[1])]
    assert len(numbers) == int(kids[2])
    return [_page(objects, number) for number in numbers]


def _object(data: bytes, place: int, number: int) -> tuple[bytes, bytes]:
    """Return an object's dictionary and its stream."""
    head = b"%d 0 obj\n" % number
    assert data.startswith(head, place), f"object {number} is not where the table says"
    start = place + len(head)
    stop = min(at for at in (data.find(b"\nstream\n", start), data.find(b"\nendobj\n", start)) if at > 0)
    dictionary = data[start:stop]
    length = re.search(rb"/Length (\d+)", dictionary)
    if length is None:
        return dictionary, b""
    begin = stop + len(b"\nstream\n")
    stream = data[begin : begin + int(length[1])]
    assert data.startswith(b"\nendstream\nendobj\n", begin + len(stream)), f"stream {number} is not as long as it says"
    return dictionary, stream


def _page(objects: dict[int, tuple[bytes, bytes]], number: int) -> ReadPage:
    leaf = objects[number][0]
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", leaf)
    content, image = re.search(rb"/Contents (\d+) 0 R", leaf), re.search(rb"/XObject << /I (\d+) 0 R >>", leaf)
    assert box is not None
    assert content is not None
    assert image is not None
    assert b"/Parent 2 0 R" in leaf
    across, up = box[1].decode(), box[2].decode()
    assert objects[int(content[1])][1] == f"q {across} 0 0 {up} 0 0 cm /I Do Q".encode()
    head, jpeg = objects[int(image[1])]
    size = re.search(rb"/Width (\d+) /Height (\d+) /ColorSpace /(\w+) /BitsPerComponent 8 /Filter /DCTDecode", head)
    assert size is not None
    return ReadPage((float(across), float(up)), jpeg, (int(size[1]), int(size[2])), size[3].decode())
