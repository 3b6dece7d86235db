"""Find the page in a camera's picture: its four corners, to a part of a pixel.

Lines of the picture (LSD, on light made even and on colour) and regions of one brightness give quadrangles; the one
that is best seen, differs most from what lies around it and is largest is the page. Its sides are then fitted
anew to the edges in the whole picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers import _picture_geometry as geometry
from drivers import _picture_lines as lines
from drivers import _picture_quads as quads
from drivers._picture_sides import fit_sides

Picture = NDArray[Any]
WORK_PX = 660
"""The longer side of the picture in which the page is looked for."""
WORTH = 2.2
"""Of 250 desks 3 pages had less; of 120 desks without a page one had more."""
CLEAR = 3.1
_EVEN_PX = 12.0
_CLOSE_LOOKS = 24
_SAME_RATIO = 0.022
_UNSEEN = 0.25
_KEPT = 20


@dataclass(frozen=True)
class Page:
    """Corners in pixels, (4, 2), clockwise from the upper left; the middle of the first pixel is (0, 0)."""

    corners: NDArray[np.float64]
    score: float
    cut_off: bool
    """Whether a corner lies at the rim of the picture: the page is not wholly seen."""


def find_page(picture: Picture, check: Callable[[], None] = lambda: None) -> Page | None:
    """Return the page in *picture* (BGR), ``None`` when there is none.

    It takes up to a third of a second; *check* is called every few hundredths and may end it by an exception.
    """
    height, width = picture.shape[:2]
    scale = max(1, round(max(width, height) / WORK_PX))  # whole pixels go quickly into whole pixels
    whole = picture[: height // scale * scale, : width // scale * scale]
    size = width // scale, height // scale
    small = cv2.resize(whole, size, interpolation=cv2.INTER_AREA) if scale > 1 else picture
    best = _best(small, check)
    if best is None:
        return None
    quad, score = best
    check()
    corners = fit_sides(picture, (quad + 0.5) * scale - 0.5, float(scale))
    margin = 0.004 * max(width, height)
    limits = np.array([width - 1, height - 1]) - margin
    cut_off = bool(np.any(corners < margin) or np.any(corners > limits))
    return Page(quads.upright(corners), score, cut_off)


def _best(small: Picture, check: Callable[[], None]) -> tuple[NDArray[np.float64], float] | None:
    """Return the quadrangle that is most like a page: by plain edges if that is clear, else by all there are."""
    height, width = small.shape[:2]
    smooth = cv2.GaussianBlur(small, (3, 3), 0)
    lab = cv2.cvtColor(smooth, cv2.COLOR_BGR2LAB)
    light, red, blue = cv2.split(lab)
    strength = _strength(smooth)
    plain = cv2.morphologyEx(light, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))  # without writing
    segments = lines.find_segments(plain, lab)
    check()
    found = quads.from_lines(lines.join(segments), width, height)
    check()
    best = _judged(found, lab, strength)
    if best is None or best[1] < CLEAR:
        colour = max((red, blue), key=lambda one: float(one.std()))
        for channel in (_even(light), cv2.convertScaleAbs(colour, alpha=2, beta=-128)):
            check()
            segments = segments.plus(lines.find_segments(channel, lab))
        check()
        more = quads.from_lines(lines.join(segments), width, height)
        found = np.concatenate([found[:_KEPT], more, quads.from_regions([light, red, blue], width, height)])
        check()
        best = _judged(found, lab, strength)
    return best if best is not None and best[1] >= WORTH else None


def _judged(found: quads.Quads, lab: Picture, strength: NDArray[Any]) -> tuple[NDArray[np.float64], float] | None:
    if not len(found):
        return None
    height, width = strength.shape
    scores = quads.judge(found, lab, strength)
    order = np.argsort(-scores)[:_CLOSE_LOOKS]
    shaped = scores[order] + [_paperlike(found[index], width, height) for index in order]
    best = int(np.argmax(shaped))
    return found[order[best]], float(shaped[best])


def _paperlike(quad: NDArray[np.float64], width: int, height: int) -> float:
    """Return what the true shape says for a page: right angles, and the sides of a known paper."""
    if quads.at_rim(quad[None], width, height).any():
        return _UNSEEN  # its true shape is not seen
    shape = geometry.shape_of(quads.upright(quad), width, height, geometry.USUAL_FOCAL)
    known = math.exp(-((geometry.standard_ratio(shape.ratio) / _SAME_RATIO) ** 2))
    return 0.45 * known - 4.0 * shape.skew


def _even(light: Picture) -> Picture:
    """Return *light* with the same contrast everywhere: faint edges count like strong ones."""
    wide = light.astype(np.float32)
    mean = cv2.blur(wide, (31, 31))
    rest = wide - mean
    spread = np.sqrt(np.maximum(cv2.blur(rest * rest, (31, 31)), 0.0))  # sums of a running window can end below 0
    rest *= 40.0 / (spread + 6.0)
    return np.asarray(cv2.convertScaleAbs(np.clip(rest, -128, 127) + 128))


def _strength(smooth: Picture) -> NDArray[np.float32]:
    """Return how strong the edge is at every pixel, from 0 to 1: in the channel that shows it best."""
    strongest: list[Any] = []
    for across, down in ((1, 0), (0, 1)):
        size = cv2.convertScaleAbs(cv2.Scharr(smooth, cv2.CV_16S, across, down), alpha=1 / 16)
        one, two, three = cv2.split(size)
        strongest.append(cv2.max(cv2.max(one, two), three).astype(np.float32))
    size = strongest[0] + strongest[1]
    found: NDArray[np.float32] = size / (size + _EVEN_PX)
    return found
