"""Blank pages as scanners see them, and pages with next to nothing on them."""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
import pytest

from drivers._picture_pdf import pdf_of_jpeg
from drivers._scan_blank import is_blank, is_blank_picture
from drivers._scan_encode import encode
from tests.drivers.scan_sheets import BLANK, WRITTEN, sheet

SEEDS = range(2)
DPI = 150


def seeded(kind: str, number: int) -> int:
    return 1000 * (*BLANK, *WRITTEN).index(kind) + number


@pytest.mark.parametrize("kind", [*BLANK, *WRITTEN])
def test_blank_is_what_nobody_has_written_on(kind: str) -> None:
    for number in SEEDS:
        pixels = sheet(kind, seeded(kind, number), DPI)
        assert is_blank_picture(pixels, 1.0, DPI) == (kind in BLANK), number
        data = encode(pixels, "jpeg", DPI, 85)
        assert is_blank(data, "image/jpeg", 1.0) == (kind in BLANK), number


@pytest.mark.parametrize("kind", ["punched", "page-number"])
@pytest.mark.parametrize(("dpi", "form"), [(75, "png"), (100, "jpeg"), (200, "pdf")])
def test_every_resolution_and_format(kind: str, dpi: int, form: Any) -> None:
    pixels = sheet(kind, 7, dpi)
    data = encode(pixels, form, dpi, 85)
    media_type = "application/pdf" if form == "pdf" else f"image/{form}"
    assert is_blank(data, media_type, 1.0) == (kind in BLANK)
    gray = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    assert is_blank_picture(gray, 1.0, dpi) == (kind in BLANK)
    assert is_blank_picture((gray > 128).astype(np.uint8) * 255, 1.0, dpi) == (kind in BLANK)


def test_the_level_decides() -> None:
    dusty, number = sheet("dusty", 3, DPI), sheet("digit", 4, DPI)
    assert not is_blank_picture(dusty, 0.0, DPI)
    assert is_blank_picture(np.full((1754, 1240), 250, np.uint8), 0.0, DPI)
    assert not is_blank_picture(number, 1.0, DPI)
    assert is_blank_picture(number, 6.0, DPI)


def test_what_cannot_be_judged_is_not_blank() -> None:
    white = np.full((1754, 1240, 3), 255, np.uint8)
    jpeg = encode(white, "jpeg", DPI, 85)
    assert is_blank(jpeg, "image/jpeg", 1.0)
    assert not is_blank(jpeg[:-50], "image/jpeg", 1.0)  # cut off: the rest may hold anything
    assert not is_blank(jpeg, "image/png", 1.0)
    assert not is_blank(b"%PDF-1.7 packed %%EOF", "application/pdf", 1.0)
    assert is_blank(pdf_of_jpeg(jpeg, 1240, 1754, DPI), "application/pdf", 1.0)
    assert not is_blank_picture(np.zeros((1754, 1240), np.uint8), 1.0, DPI)  # the lid was open
    assert not is_blank_picture(white[:20, :20], 1.0, DPI)


def test_a_picture_over_half_of_the_page_is_not_its_paper() -> None:
    page = np.full((1754, 1240, 3), 245, np.uint8)
    page[300:1400, 100:1100] = 150
    assert not is_blank_picture(page, 1.0, DPI)


def test_it_costs_a_fraction_of_a_scan() -> None:
    """300 pages a minute on half of one processor: 100 ms a page of A4 at 300 dpi in colour."""
    data = encode(sheet("punched", 1, 300), "jpeg", 300, 85)
    costs_s = []
    for _ in range(3):
        began = time.process_time()
        assert is_blank(data, "image/jpeg", 1.0)
        costs_s.append(time.process_time() - began)
    assert min(costs_s) < 0.1
