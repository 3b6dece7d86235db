"""Make the document of a camera's picture: cut out, straightened, scaled, encoded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers._picture_geometry import Paper, fitting_paper, shape_of, side_lengths
from drivers._scan_pages import with_dpi

Picture = NDArray[Any]
Floats = NDArray[np.float64]
MM = 25.4
LARGEST_PX = 12_000
_ENLARGED = 1.02
"""More than that is told: it adds pixels, and no detail."""
_SHRUNK = 0.6


@dataclass(frozen=True)
class Target:
    """How large the corrected page is to be; *dpi* is ``None`` where nobody knows the paper's size."""

    width: int
    height: int
    dpi: int | None
    enlarged: bool


def target_of(
    corners: Floats, width: int, height: int, *, dpi: int, papers: tuple[str, ...], view_mm: float | None
) -> Target:
    """Return the size of the page with *corners* in a picture of *width* × *height* pixels.

    The paper's size comes from its shape, and from the camera's view (*view_mm*: width of the desk it sees).
    """
    across, down = side_lengths(corners)
    shape = shape_of(corners, width, height)
    per_mm = width / view_mm if view_mm else None
    long_side = max(across, down) / per_mm if per_mm else None
    paper = fitting_paper(shape.ratio, papers, long_side)
    if paper is None and per_mm is not None:
        area = across * down / per_mm**2
        paper = Paper(None, math.sqrt(area * shape.ratio), math.sqrt(area / shape.ratio))
    if paper is None:  # as many pixels as the camera has
        side = math.sqrt(across * down)
        return Target(_pixels(side * math.sqrt(shape.ratio)), _pixels(side / math.sqrt(shape.ratio)), None, False)
    size = _pixels(paper.width_mm / MM * dpi), _pixels(paper.height_mm / MM * dpi)
    return Target(*size, dpi, enlarged=math.sqrt(size[0] * size[1] / (across * down)) > _ENLARGED)


def straightened(picture: Picture, corners: Floats, target: Target, quarter_turns: int = 0) -> Picture:
    """Return the page cut out of *picture*, seen from straight above, turned clockwise by quarter turns."""
    across, _ = side_lengths(corners)
    shrunk = target.width / across
    if shrunk < _SHRUNK:  # else every second pixel would be left out, and thin strokes with it
        scale = min(1.0, 1.5 * shrunk)
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        corners = (corners + 0.5) * scale - 0.5
    right, bottom = target.width - 0.5, target.height - 0.5
    edges = np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)], np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), edges)
    size = (target.width, target.height)
    page = cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return turned(page, quarter_turns)


def turned(picture: Picture, quarter_turns: int) -> Picture:
    """Return *picture* turned clockwise."""
    turns = (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)
    turn = turns[quarter_turns % 4]
    return picture if turn is None else cv2.rotate(picture, turn)


def scaled(picture: Picture, dpi: int, view_mm: float | None) -> tuple[Picture, int | None, bool]:
    """Return the whole picture at *dpi*, its resolution, and whether it was enlarged."""
    if view_mm is None:
        return picture, None, False
    scale = view_mm / MM * dpi / picture.shape[1]
    if max(picture.shape[:2]) * scale > LARGEST_PX:
        return picture, round(dpi / scale), False
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=way), dpi, scale > _ENLARGED


def as_jpeg(picture: Picture, quality: int, dpi: int | None) -> bytes:
    """Return *picture* as JPEG that says its resolution."""
    return _encoded(picture, ".jpg", "image/jpeg", [cv2.IMWRITE_JPEG_QUALITY, quality], dpi)


def as_png(picture: Picture, dpi: int | None) -> bytes:
    """Return *picture* as PNG that says its resolution; packed quickly rather than tightly."""
    return _encoded(picture, ".png", "image/png", [cv2.IMWRITE_PNG_COMPRESSION, 1], dpi)


def _encoded(picture: Picture, suffix: str, media_type: str, flags: list[int], dpi: int | None) -> bytes:
    done, data = cv2.imencode(suffix, picture, flags)
    if not done:
        raise ValueError("the picture cannot be encoded")
    return with_dpi(data.tobytes(), media_type, dpi) if dpi else data.tobytes()


def _pixels(length: float) -> int:
    return max(16, min(LARGEST_PX, round(length)))
