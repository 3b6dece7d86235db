"""Develop one picture: judge it, find the page, make the document that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers import _picture_output as output
from drivers._camera_settings import CameraSettings
from drivers._picture_checks import Quality, quality_of
from drivers._picture_codes import read_codes
from drivers._picture_jpeg import facts_of
from drivers._picture_page import Page, find_page
from edge.events import Capture, CaptureWarning, CodeOnPage, MediaType, PictureFlaw, Point

Picture = NDArray[Any]
MEDIA: dict[str, MediaType] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "pdf": "application/pdf",
    "original": "image/jpeg",
}


@dataclass(frozen=True, repr=False)
class Shot:
    """One developed picture; ``data`` is a JPEG (also for a PDF) or a PNG."""

    data: bytes
    width: int
    height: int
    dpi: int | None
    corrected: bool
    corners: tuple[Point, ...]
    sharpness: float | None
    warnings: tuple[CaptureWarning, ...]
    codes: tuple[CodeOnPage, ...] | None


@dataclass(repr=False)
class _Work:
    """A picture on its way."""

    picture: Picture
    dpi: int | None = None
    corrected: bool = False
    touched: bool = False
    """Whether it is no longer what the camera sent."""
    warnings: list[CaptureWarning] = field(default_factory=list)


def develop(jpeg: bytes, wanted: Capture, settings: CameraSettings, check: Callable[[], None]) -> Shot | PictureFlaw:
    """Return the document of a camera's *jpeg*, or what is wrong with it. *check* is called between the steps."""
    facts = facts_of(jpeg)
    if facts is None or not facts.whole or not facts.decodable:
        return "truncated"
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if picture is None:
        return "truncated"
    check()
    page = find_page(picture, check)
    check()
    quality = quality_of(picture, page.corners if page else None)
    if quality.flaw is not None:
        return quality.flaw
    check()
    work = _made(picture, page, wanted, settings)
    work.warnings += _warnings(quality, page)
    check()
    codes = _codes(work, picture, page, wanted)
    check()
    data = _encoded(work, jpeg, wanted, settings)
    height, width = work.picture.shape[:2]
    return Shot(
        data=data,
        width=width,
        height=height,
        dpi=work.dpi,
        corrected=work.corrected,
        corners=_points(page, picture),
        sharpness=None if quality.sharpness is None else round(quality.sharpness, 3),
        warnings=tuple(dict.fromkeys(work.warnings)),
        codes=codes,
    )


def _made(picture: Picture, page: Page | None, wanted: Capture, settings: CameraSettings) -> _Work:
    """Return the picture as it was asked for."""
    work = _Work(picture)
    if wanted.format == "original":
        return work
    turns = settings.turn // 90
    if wanted.color == "gray":
        work.picture, work.touched = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), True
    enlarged = False
    if wanted.crop and page is not None:
        height, width = picture.shape[:2]
        papers = () if page.cut_off else settings.papers
        target = output.target_of(page.corners, width, height, dpi=wanted.dpi, papers=papers, view_mm=settings.view_mm)
        work.picture = output.straightened(work.picture, page.corners, target, turns)
        work.dpi, enlarged, work.corrected, work.touched = target.dpi, target.enlarged, True, True
    elif wanted.crop or turns:  # without a page to cut out, the whole picture at its size
        work.picture, work.dpi, enlarged = output.scaled(work.picture, wanted.dpi, settings.view_mm)
        work.picture = output.turned(work.picture, turns)
        work.touched |= bool(turns) or work.dpi is not None
    elif settings.view_mm is not None:
        work.dpi = round(picture.shape[1] / settings.view_mm * output.MM)
    if enlarged:
        work.warnings.append("low-resolution")
    return work


def _warnings(quality: Quality, page: Page | None) -> list[CaptureWarning]:
    told: dict[CaptureWarning, bool] = {
        "blurred": quality.soft,
        "over-exposed": quality.clipped,
        "under-exposed": quality.dark,
        "no-page": page is None,
        "page-cut-off": page is not None and page.cut_off,
    }
    return [warning for warning, is_so in told.items() if is_so]


def _codes(work: _Work, picture: Picture, page: Page | None, wanted: Capture) -> tuple[CodeOnPage, ...] | None:
    """Return the codes of the straightened page, which shows them best; the page is made where it was not asked for."""
    if not wanted.codes:
        return None
    if work.corrected or page is None:
        return read_codes(work.picture)
    height, width = picture.shape[:2]
    target = output.target_of(page.corners, width, height, dpi=wanted.dpi, papers=(), view_mm=None)
    return read_codes(output.straightened(picture, page.corners, target))


def _encoded(work: _Work, jpeg: bytes, wanted: Capture, settings: CameraSettings) -> bytes:
    if wanted.format == "png":
        return output.as_png(work.picture, work.dpi)
    if not work.touched:
        return jpeg
    return output.as_jpeg(work.picture, settings.quality, work.dpi)


def _points(page: Page | None, picture: Picture) -> tuple[Point, ...]:
    """Return the corners as parts of the camera's picture."""
    if page is None:
        return ()
    height, width = picture.shape[:2]
    parts = np.clip((page.corners + 0.5) / (width, height), 0, 1)
    return tuple(Point(x=round(float(x), 5), y=round(float(y), 5)) for x, y in parts)
