"""What the corners of a page say about its real shape and size (Zhang and He, Whiteboard scanning, 2004)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers._picture_papers import PAPERS_MM

Floats = NDArray[np.float64]
Spot = tuple[float, float]
Way = tuple[float, float, float]
USUAL_FOCAL = 1.2
"""In widths of the picture: a document camera sees about as much as it stands high."""
_FOCALS = (0.7, 2.2)
_FLAT = 2e-5
SAME_SHAPE = 0.035
"""Logarithm of the ratio of two shapes that count as one."""
SAME_SIZE = 0.08


@dataclass(frozen=True)
class Shape:
    """The page as it lies on the desk: ``ratio`` is width to height, ``skew`` the cosine of its corners."""

    ratio: float
    skew: float


@dataclass(frozen=True)
class Paper:
    """A paper's size as it lies in the picture, in millimetres."""

    name: str | None
    width_mm: float
    height_mm: float


def shape_of(corners: Floats, width: int, height: int, focal: float | None = None) -> Shape:
    """Return the true shape of a page from its corners (4, 2), upper left first; the lens has no distortion.

    Without a *focal* length, in widths of the picture, it is the one that makes the corners right angles.
    """
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    one, two, three, four = (((x - middle_x) / width, (y - middle_y) / width) for x, y in corners.tolist())
    top, left = _edge(one, two, four, three), _edge(one, four, two, three)
    focal = _focal(top, left) if focal is None else focal
    across, down = _length(top, focal), _length(left, focal)
    if min(across, down) < _FLAT:
        return Shape(1.0, 1.0)
    skew = (top[0] * left[0] + top[1] * left[1] + focal * focal * top[2] * left[2]) / (across * down)
    return Shape(across / down, abs(skew))


def fitting_paper(ratio: float, names: tuple[str, ...], long_side_mm: float | None) -> Paper | None:
    """Return the paper with this *ratio* of width to height, of *names* the first.

    When the page was measured (*long_side_mm*), its size decides between papers of one shape.
    """
    best, least = None, math.inf
    for place, name in enumerate(names):
        short, long = PAPERS_MM[name]
        off = abs(abs(math.log(ratio)) - math.log(long / short))
        if off > SAME_SHAPE:
            continue
        wrong = place * 1e-3
        if long_side_mm is not None:
            size = abs(math.log(long_side_mm / long))
            if size > SAME_SIZE:
                continue
            wrong = off + size
        if wrong < least:
            least = wrong
            best = Paper(name, long, short) if ratio > 1 else Paper(name, short, long)
    return best


def standard_ratio(ratio: float) -> float:
    """Return how far *ratio* is from that of any known paper, as a logarithm."""
    return min(abs(abs(math.log(ratio)) - math.log(long / short)) for short, long in PAPERS_MM.values())


def side_lengths(corners: Floats) -> tuple[float, float]:
    """Return the mean width and height of a quadrangle in pixels."""
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    return float(sides[0] + sides[2]) / 2, float(sides[1] + sides[3]) / 2


def _edge(start: Spot, end: Spot, beside_start: Spot, beside_end: Spot) -> Way:
    """Return the direction of the side from *start* to *end* in space, but for the focal length."""
    depth = _turn(start, beside_end, beside_start) / (_turn(end, beside_end, beside_start) or _FLAT)
    return depth * end[0] - start[0], depth * end[1] - start[1], depth - 1


def _turn(one: Spot, two: Spot, three: Spot) -> float:
    """Return (one × two) · three of points with a third coordinate of 1."""
    return (one[1] - two[1]) * three[0] + (two[0] - one[0]) * three[1] + one[0] * two[1] - one[1] * two[0]


def _length(way: Way, focal: float) -> float:
    return math.sqrt(way[0] * way[0] + way[1] * way[1] + focal * focal * way[2] * way[2])


def _focal(top: Way, left: Way) -> float:
    """Return the focal length in widths of the picture; the usual one where the view says nothing about it."""
    depths = top[2] * left[2]
    if abs(depths) < _FLAT * 10:
        return USUAL_FOCAL
    squared = -(top[0] * left[0] + top[1] * left[1]) / depths
    focal = math.sqrt(squared) if squared > 0 else 0.0
    return focal if _FOCALS[0] < focal < _FOCALS[1] else USUAL_FOCAL
