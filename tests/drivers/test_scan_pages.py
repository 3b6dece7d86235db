"""What encoded pages tell about themselves, whole, cut off, damaged, or something else than they are said to be."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers._picture_pdf import pdf_of_jpeg
from drivers._scan_encode import encode
from drivers._scan_pages import BadPageError, PageFacts, check_page, media_type_of, pdf_image, with_dpi

WIDTH, HEIGHT, DPI = 120, 90, 150
TYPES = ("image/jpeg", "image/png", "application/pdf", "image/tiff")


def picture() -> Any:
    return np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def tiff(dpi: int = DPI, order: str = "<") -> bytes:
    """A gray TIFF with two strips, its directory in front."""
    half = WIDTH * HEIGHT // 2
    tags = [(256, 3, 1, WIDTH), (257, 4, 1, HEIGHT), (258, 3, 1, 8), (262, 3, 1, 1)]
    behind = 8 + 2 + 12 * 9 + 4
    start = behind + 16 + 8
    tags += [(273, 4, 2, behind), (278, 3, 1, HEIGHT // 2), (279, 4, 2, behind + 8)]
    tags += [(282, 5, 1, behind + 16), (296, 3, 1, 2)]
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    for tag, kind, count, value in tags:
        inline = struct.pack(f"{order}HH", value, 0) if kind == 3 else struct.pack(f"{order}I", value)
        out += struct.pack(f"{order}HHI", tag, kind, count) + inline
    out += struct.pack(f"{order}I", 0) + struct.pack(f"{order}IIIIII", start, start + half, half, half, dpi, 1)
    return out + bytes(WIDTH * HEIGHT)


def page(media_type: str) -> bytes:
    if media_type == "image/tiff":
        return tiff()
    form: Any = media_type.partition("/")[2]
    return encode(picture(), form, DPI, 85)


@pytest.mark.parametrize("media_type", TYPES)
def test_a_whole_page(media_type: str) -> None:
    data = page(media_type)
    assert check_page(data, media_type) == PageFacts(WIDTH, HEIGHT, DPI, complete=True)
    assert media_type_of(data) == media_type


def test_both_byte_orders_of_tiff() -> None:
    assert check_page(tiff(order=">"), "image/tiff") == PageFacts(WIDTH, HEIGHT, DPI, complete=True)


@pytest.mark.parametrize("media_type", TYPES)
def test_a_page_that_was_cut_off_is_never_complete(media_type: str) -> None:
    data = page(media_type)
    spare = len(data) - len(data.rstrip())
    for cut in {*range(0, len(data) - spare, max(1, len(data) // 60)), *range(len(data) - 12, len(data) - spare)}:
        try:
            facts = check_page(data[:cut], media_type)
        except BadPageError:
            continue
        assert not facts.complete, cut
        assert (facts.width, facts.height) in ((WIDTH, HEIGHT), (58, 43)), cut  # a PDF without its picture


@pytest.mark.parametrize("media_type", TYPES)
@given(data=st.binary(max_size=300), at=st.integers(0, 400), junk=st.binary(min_size=1, max_size=8))
def test_damage_is_told_and_nothing_else_happens(media_type: str, data: bytes, at: int, junk: bytes) -> None:
    whole = page(media_type)
    for one in (data, whole[:4] + data, whole[:at] + junk + whole[at + len(junk) :]):
        try:
            facts = check_page(one, media_type)
        except BadPageError:
            continue
        assert facts.width > 0
        assert facts.height > 0


@pytest.mark.parametrize("media_type", TYPES)
def test_another_kind_of_page_is_no_page(media_type: str) -> None:
    for other in set(TYPES) - {media_type}:
        with pytest.raises(BadPageError):
            check_page(page(other), media_type)
    with pytest.raises(BadPageError):
        check_page(b"<html>busy</html>", media_type)
    with pytest.raises(BadPageError):
        check_page(page(media_type), "text/html")
    assert media_type_of(b"<html>") is None


def test_a_preview_inside_a_jpeg_is_not_its_end() -> None:
    data = page("image/jpeg")
    small = encode(picture()[:8, :8], "jpeg", 72, 80)
    inside = data[:2] + b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small + data[2:]
    assert check_page(inside, "image/jpeg") == PageFacts(WIDTH, HEIGHT, DPI, complete=True)
    assert not check_page(inside[: len(small) + 900], "image/jpeg").complete


def test_what_stands_behind_the_end_of_a_jpeg_does_not_matter() -> None:
    assert check_page(page("image/jpeg") + b"\0\0\0", "image/jpeg").complete


def test_a_length_that_is_told_at_the_end() -> None:
    data = bytearray(page("image/jpeg"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 7] = b"\0\0"
    with pytest.raises(BadPageError):
        check_page(bytes(data), "image/jpeg")
    told = bytes(data[:-2]) + b"\xff\xdc\0\x04" + HEIGHT.to_bytes(2, "big") + b"\xff\xd9"
    assert check_page(told, "image/jpeg") == PageFacts(WIDTH, HEIGHT, DPI, complete=True)


def test_a_progressive_jpeg() -> None:
    done, data = cv2.imencode(".jpg", picture(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert done
    whole = data.tobytes()
    assert check_page(whole, "image/jpeg") == PageFacts(WIDTH, HEIGHT, None, complete=True)
    assert not check_page(whole[: len(whole) * 2 // 3], "image/jpeg").complete


def test_resolutions() -> None:
    data = page("image/jpeg")
    assert check_page(data[:13] + b"\x02\0\x76\0\x76" + data[18:], "image/jpeg").dpi == 300  # dots a centimetre
    assert check_page(data[:13] + b"\0\0\x01\0\x01" + data[18:], "image/jpeg").dpi is None
    assert with_dpi(b"%PDF-1.4", "application/pdf", 300) == b"%PDF-1.4"
    shown = cv2.imdecode(np.frombuffer(page("image/png"), np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(np.asarray(shown), picture())


def test_the_picture_in_a_pdf() -> None:
    jpeg = page("image/jpeg")
    found = pdf_image(pdf_of_jpeg(jpeg, WIDTH, HEIGHT, DPI))
    assert found is not None
    assert found.rstrip() == jpeg
    assert pdf_image(b"%PDF-1.4 without a picture %%EOF") is None


def test_no_message_shows_what_was_sent() -> None:
    with pytest.raises(BadPageError) as caught:
        check_page(b"NAME OF A CITIZEN", "image/jpeg")
    assert "CITIZEN" not in str(caught.value)
