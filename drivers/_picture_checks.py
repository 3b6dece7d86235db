"""Is a camera's picture worth keeping? Black, over-exposed, blurred and torn pictures are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers._picture_jpeg import facts_of

Picture = NDArray[Any]
Flaw = Literal["black", "over-exposed", "blurred", "truncated"]
WORK_PX = 640
BLACK, BLACK_P99 = 14.0, 45.0
CLIPPED = 253
LOST_CLIPPED, WARN_CLIPPED = 0.80, 0.05
DARK_P95 = 95.0
"""A picture whose brightest parts are darker is under-exposed."""
WIDE_PX, SOFT_PX = 13.0, 7.0
"""Widths of an edge in a picture 3840 wide: text of 10 points cannot be read, can be read with pains."""
WIDE_LEAST, SOFT_LEAST = 6.5, 3.4
TORN_ROWS = 24
_TILE = 160
_TILES = 7
_CELL = 24
_CONTRAST = 25


@dataclass(frozen=True)
class Quality:
    """What a picture is like; ``sharpness`` is 1 / width of its edges in pixels, ``None`` where it has no edges."""

    flaw: Flaw | None
    sharpness: float | None
    soft: bool = False
    clipped: bool = False
    dark: bool = False


def reduced(jpeg: bytes) -> NDArray[Any] | None:
    """Return a gray picture of *jpeg* in an eighth of its size, decoded quickly; ``None``: it is broken, or huge."""
    facts = facts_of(jpeg)
    if facts is None or not facts.decodable:
        return None
    small: NDArray[Any] | None = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    return small


def quality_of(picture: Picture, corners: NDArray[np.float64] | None = None) -> Quality:
    """Return what *picture* (BGR) is like; with *corners*, light is judged on the page alone."""
    scale = max(1, round(max(picture.shape[:2]) / WORK_PX))
    gray = cv2.cvtColor(picture[::scale, ::scale], cv2.COLOR_BGR2GRAY)
    if gray.mean() < BLACK and np.percentile(gray, 99) < BLACK_P99:
        return Quality("black", None)
    if np.mean(gray >= CLIPPED) > LOST_CLIPPED:
        return Quality("over-exposed", None)
    if is_torn(picture):
        return Quality("truncated", None)
    part = gray if corners is None else gray[_mask(gray.shape, corners / scale) > 0]
    part = part if part.size else gray
    width = edge_width(picture, gray, scale)
    across = picture.shape[1] / 3840
    blurred = width is not None and width > max(WIDE_LEAST, WIDE_PX * across)
    return Quality(
        "blurred" if blurred else None,
        None if width is None else 1 / width,
        soft=width is not None and width > max(SOFT_LEAST, SOFT_PX * across),
        clipped=bool(np.mean(part >= CLIPPED) > WARN_CLIPPED),
        dark=bool(np.percentile(part, 95) < DARK_P95),
    )


def is_torn(picture: Picture) -> bool:
    """Return whether the lower part is what decoders put where data ends: one colour, without any noise."""
    last = picture[-TORN_ROWS:]
    return bool(np.all(last == last[0, 0])) and not bool(np.all(picture[::16, ::16] == last[0, 0]))


def is_flat(gray: Picture) -> bool:
    """Return whether a picture shows nothing at all, as with a covered lens: equal ones are then no sign."""
    return float(gray.std()) < 1.5  # noqa: PLR2004 - levels of 256


def edge_width(picture: Picture, small: Picture, scale: int) -> float | None:
    """Return the usual width in pixels of the sharpest edges, ``None`` when there are none to judge.

    The contrast across an edge, divided by its steepest slope: noise and empty paper do not change it.
    """
    reach = round(max(WIDE_LEAST, WIDE_PX * picture.shape[1] / 3840)) | 1
    widths = []
    for y, x in _tiles(small):
        tile = picture[y * scale : y * scale + _TILE, x * scale : x * scale + _TILE, 1]  # green is sharpest
        if min(tile.shape) <= 2 * reach:
            continue
        widths += _widths(tile, 2 * reach + 1)
    if not widths and scale > 1:  # perhaps all edges are wider than what was looked at
        widths = [width * scale for width in _widths(small, 2 * reach + 1)]
    return float(np.percentile(widths, 30)) if widths else None


def _widths(tile: Picture, window: int) -> list[float]:
    """Return the widths of the edges in a tile (one channel)."""
    across, down = cv2.Sobel(tile, cv2.CV_32F, 1, 0), cv2.Sobel(tile, cv2.CV_32F, 0, 1)
    slope = cv2.magnitude(across, down) / 8
    kernel = np.ones((window, window), np.uint8)
    soft = cv2.GaussianBlur(tile, (3, 3), 0)
    contrast = cv2.subtract(cv2.dilate(soft, kernel), cv2.erode(soft, kernel))
    steepest = slope >= cv2.dilate(slope, np.ones((5, 5), np.uint8))
    steepest &= (contrast > _CONTRAST) & (slope > contrast * (0.3 / window))
    found = contrast[steepest] / np.maximum(slope[steepest], 1e-6)
    return np.sort(found)[: max(1, found.size // 2)].tolist() if found.size else []


def _tiles(small: Picture) -> list[tuple[int, int]]:
    """Return where in the small picture the strongest edges are (y, x), at most one in each cell."""
    strength = cv2.morphologyEx(small, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    rows, columns = strength.shape[0] // _CELL, strength.shape[1] // _CELL
    if not rows or not columns:
        return [(0, 0)]
    cells = strength[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL)
    best = np.sort(cells.max(axis=3), axis=1)[:, -3, :].ravel()  # strong in some rows, not in one spot
    order = np.argsort(-best)[:_TILES]
    return [(int(index // columns) * _CELL, int(index % columns) * _CELL) for index in order]


def _mask(shape: tuple[int, ...], corners: NDArray[np.float64]) -> Picture:
    mask = np.zeros(shape, np.uint8)
    return cv2.fillConvexPoly(mask, np.rint(corners).astype(np.int32), 255)
