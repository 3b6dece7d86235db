"""A page as it came from the scanner becomes a page as it was asked for; what needs no change is not touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from drivers._escl_problems import device_error
from drivers._picture_pdf import pdf_of_jpeg
from drivers._scan_pages import (
    MOST_DECODED,
    BadPageError,
    HugePageError,
    PageFacts,
    check_page,
    media_type_of,
    pdf_image,
    with_dpi,
)
from edge.events import MediaType

_APP0_END = 20
_EXTENSIONS: Mapping[str, str] = {"image/jpeg": ".jpg", "image/png": ".png"}
_UPSIDE_DOWN = bytes.fromhex("ffe1 0022 457869660000 4d4d002a 00000008 0001 0112 0003 00000001 00030000 00000000")
"""A JPEG segment that holds nothing but EXIF orientation 3: turned by 180 degrees (CIPA DC-008)."""


@dataclass(frozen=True, repr=False)
class Sheet:
    """One side, ready to be published; width and height in pixels."""

    data: bytes
    media_type: MediaType
    width: int
    height: int


def check(data: bytes, dpi: int) -> Sheet:
    """Return *data* as a page; raises ESC-141 for one that is damaged or cut off, ESC-144 for a huge one."""
    media_type = media_type_of(data)
    if media_type is None:
        raise device_error("ESC-141")
    try:
        facts = check_page(data, media_type)
    except HugePageError as error:
        raise device_error("ESC-144") from error
    except BadPageError as error:
        raise device_error("ESC-141") from error
    if not facts.complete:
        raise device_error("ESC-141")
    if facts.dpi != dpi:
        data = with_dpi(data, media_type, dpi)
    return _sheet(data, media_type, facts)


def reshaped(sheet: Sheet, form: Literal["jpeg", "png", "pdf"], dpi: int, *, upside_down: bool) -> Sheet:
    """Return the page in the wanted format where that can be done, else as it is."""
    if form != "pdf" and sheet.media_type == "application/pdf":
        inside = pdf_image(sheet.data)
        if inside is not None:
            sheet = check(inside, dpi)
    if sheet.media_type in ("image/jpeg", "image/png"):
        return _picture(sheet, form, dpi, upside_down=upside_down)
    return sheet


def _picture(sheet: Sheet, form: Literal["jpeg", "png", "pdf"], dpi: int, *, upside_down: bool) -> Sheet:
    jpeg = sheet.media_type == "image/jpeg"
    if form == "jpeg":
        return _marked(sheet) if upside_down and jpeg else sheet
    if form == "png":
        return sheet if not (jpeg or upside_down) else _recoded(sheet, "image/png", dpi, turn=upside_down)
    if upside_down or not jpeg:
        sheet = _recoded(sheet, "image/jpeg", dpi, turn=upside_down)
    data = pdf_of_jpeg(sheet.data, sheet.width, sheet.height, dpi)
    return Sheet(data, "application/pdf", sheet.width, sheet.height)


def _marked(sheet: Sheet) -> Sheet:
    """Say in the JPEG that it is upside down: its pixels stay as they are."""
    if sheet.data[6:11] != b"JFIF\0":
        return sheet
    data = b"".join((sheet.data[:_APP0_END], _UPSIDE_DOWN, memoryview(sheet.data)[_APP0_END:]))
    return Sheet(data, sheet.media_type, sheet.width, sheet.height)


def _sheet(data: bytes, media_type: str, facts: PageFacts) -> Sheet:
    return Sheet(data, cast(MediaType, media_type), facts.width, facts.height)


def _recoded(sheet: Sheet, media_type: MediaType, dpi: int, *, turn: bool) -> Sheet:
    if sheet.width * sheet.height > MOST_DECODED:
        raise device_error("ESC-144")
    import cv2
    import numpy as np

    try:
        picture = cv2.imdecode(np.frombuffer(sheet.data, np.uint8), cv2.IMREAD_UNCHANGED)
        if picture is None:
            raise device_error("ESC-141")
        if turn:
            picture = cv2.rotate(picture, cv2.ROTATE_180)
        done, data = cv2.imencode(_EXTENSIONS[media_type], picture)
    except cv2.error as error:
        raise device_error("ESC-141") from error
    if not done:
        raise device_error("ESC-141")
    return Sheet(with_dpi(data.tobytes(), media_type, dpi), media_type, sheet.width, sheet.height)
