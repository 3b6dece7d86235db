"""The self-test of a camera: is its picture alive, sharp, well lit, and does it show anything? It is never kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers._picture_checks import WORK_PX, Quality, is_flat, quality_of
from drivers._picture_jpeg import facts_of
from drivers._picture_page import find_page
from edge.driver import Finding

Picture = NDArray[Any]
COVERED, BRIGHT, TORN, SOFT, DIM, CLIPPED = "CAM-204", "CAM-203", "CAM-206", "CAM-201", "CAM-202", "CAM-205"
_FLAWS = {"black": COVERED, "over-exposed": BRIGHT, "truncated": TORN, "blurred": SOFT}


def judged(jpeg: bytes, check: Callable[[], None]) -> Iterator[Finding]:
    """Yield what is wrong with a camera's *jpeg*, or that it is right; *check* is called between the steps."""
    facts = facts_of(jpeg)
    whole = facts is not None and facts.whole and facts.decodable
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if picture is None or not whole:
        yield Finding(code=TORN, result="fail")
        return
    scale = max(1, round(max(picture.shape[:2]) / WORK_PX))
    gray = cv2.cvtColor(picture[::scale, ::scale], cv2.COLOR_BGR2GRAY)
    check()
    page = find_page(picture, check)
    check()
    quality = quality_of(picture, page.corners if page else None)
    details = _figures(picture, gray, quality)
    wrong = list(_wrong(gray, quality, on_page=page is not None))
    for code in wrong:
        yield Finding(code=code, result="fail" if code in (COVERED, BRIGHT, TORN) else "warn", details=details)
    if not wrong:
        height, width = picture.shape[:2]
        page_is = "the page in it is well lit and sharp" if page else "no page lies there to judge light and focus by"
        seen = f"the camera shows a live picture of {width} x {height} pixels; {page_is}"
        yield Finding(code="CAM-000", seen=seen, details=details)


def _wrong(gray: Picture, quality: Quality, *, on_page: bool) -> Iterator[str]:
    if quality.flaw is not None:
        yield _FLAWS[quality.flaw]
    elif is_flat(gray):
        yield COVERED
    else:
        if quality.soft:
            yield SOFT
        if on_page and quality.clipped:
            yield CLIPPED
        if on_page and quality.dark:  # an empty desk may be as dark as it likes
            yield DIM


def _figures(picture: Picture, gray: Picture, quality: Quality) -> dict[str, str | int | float | bool]:
    height, width = picture.shape[:2]
    figures: dict[str, str | int | float | bool] = {
        "width": width, "height": height, "brightness": round(float(gray.mean())),
    }  # fmt: skip
    if quality.sharpness is not None:
        figures["sharpness"] = round(quality.sharpness, 3)
    return figures
