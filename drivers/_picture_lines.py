"""Find the long straight lines of a picture, and know which parts of them are really there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Gray = NDArray[Any]
SHORTEST = 0.02
"""A segment is at least so long, as a part of the picture's longer side."""
MOST_SEGMENTS = 160
"""Of each channel."""
MOST_LINES = 36
MOST_JOINED = 120
FULL_CONTRAST = 14.0
RIM_SEEN = 0.5
"""How much a side of the picture counts as a side of the page."""
SAME_ANGLE = 0.035
SAME_PLACE_PX = 2.5


@dataclass(frozen=True)
class Lines:
    """Lines ``normal · point = offset``, longest first. Lengths in pixels of the picture they were found in."""

    normals: Floats
    """(n, 2), of length 1."""
    offsets: Floats
    """(n,)"""
    covered: NDArray[np.float32]
    """(n, length + 1): how much of the line is seen up to the place ``along + reach`` pixels along it."""
    reach: int
    """Half the length of a line's memory."""

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def along(self) -> Floats:
        """Directions (n, 2) of the lines."""
        along: Floats = np.stack([-self.normals[:, 1], self.normals[:, 0]], axis=1)
        return along

    def with_rim(self, width: int, height: int) -> Lines:
        """Return these lines and the four sides of the picture: a page may be seen in part only."""
        normals = np.array([(1.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, 1.0)])
        offsets = np.array([0.0, width - 1.0, 0.0, height - 1.0])
        covered = np.tile(np.arange(2 * self.reach + 1, dtype=np.float32) * RIM_SEEN, (4, 1))
        return Lines(
            np.concatenate([self.normals, normals]),
            np.concatenate([self.offsets, offsets]),
            np.concatenate([self.covered, covered]) if len(self) else covered,
            self.reach,
        )

    def seen(self, line: NDArray[np.intp], start: Floats, end: Floats) -> Floats:
        """Return the pixels seen of *line* between two places along it (any order)."""
        last = self.covered.shape[1] - 1
        low = np.clip(np.minimum(start, end) + self.reach, 0, last).astype(np.intp)
        high = np.clip(np.maximum(start, end) + self.reach, 0, last).astype(np.intp)
        seen: Floats = (self.covered[line, high] - self.covered[line, low]).astype(np.float64)
        return seen


@dataclass(frozen=True)
class Segments:
    """Straight pieces: ``ends`` (n, 4) as x, y, x, y; ``weights`` (n,) say how much they look like a page's side."""

    ends: Floats
    weights: Floats
    reach: int

    def plus(self, others: Segments) -> Segments:
        """Return all of both."""
        ends, weights = np.concatenate([self.ends, others.ends]), np.concatenate([self.weights, others.weights])
        return Segments(ends, weights, self.reach)


def find_segments(gray: Gray, lab: Gray) -> Segments:
    """Return the straight pieces of *gray* (8 bits).

    Those between different colours weigh more: *lab* tells them from lines of writing and of wood.
    """
    height, width = gray.shape
    found: Any = cv2.createLineSegmentDetector(cv2.LSD_REFINE_NONE).detect(gray)[0]
    ends = np.empty((0, 4)) if found is None else found.reshape(-1, 4).astype(np.float64)
    lengths = _lengths(ends)
    order = np.argsort(-lengths)[:MOST_SEGMENTS]
    order = order[lengths[order] >= SHORTEST * max(width, height)]
    ends = ends[order]
    weights = lengths[order] * (0.25 + np.clip(_contrast(ends, lab) / FULL_CONTRAST, 0, 1))
    return Segments(ends, weights, int(np.hypot(width, height)) + 2)


def _lengths(ends: Floats) -> Floats:
    lengths: Floats = np.hypot(ends[:, 2] - ends[:, 0], ends[:, 3] - ends[:, 1])
    return lengths


def _contrast(segments: Floats, lab: Gray) -> Floats:
    """Return how much the colours at the two sides of each segment differ."""
    height, width = lab.shape[:2]
    way = segments[:, 2:] - segments[:, :2]
    normal = np.stack([way[:, 1], -way[:, 0]], axis=1) / np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-9)[:, None]
    places = (np.arange(8) + 0.5) / 8
    points = segments[:, None, :2] + way[:, None, :] * places[:, None]
    sides = []
    for away in (-5.0, -3.0, 3.0, 5.0):
        at = np.rint(points + normal[:, None, :] * away).astype(np.intp)
        x, y = np.clip(at[..., 0], 0, width - 1), np.clip(at[..., 1], 0, height - 1)
        sides.append(np.median(lab[y, x].astype(np.float64), axis=1))
    apart = (sides[0] + sides[1] - sides[2] - sides[3]) / 2
    contrast: Floats = np.sqrt((apart**2).sum(axis=1))
    return contrast


def join(segments: Segments) -> Lines:
    """Join segments that lie on one line, the weightiest first."""
    order = np.argsort(-segments.weights)
    ends, weights = segments.ends[order], segments.weights[order]
    starts, stops = ends[:, :2], ends[:, 2:]
    ways = (stops - starts) / np.maximum(_lengths(ends), 1e-9)[:, None]
    middles = (starts + stops) / 2
    normals, offsets = np.zeros((MOST_JOINED, 2)), np.zeros(MOST_JOINED)
    members: list[list[int]] = []
    for index in range(len(ends)):
        count = len(members)
        place = _same_line(normals[:count], offsets[:count], starts[index], stops[index], ways[index])
        if place is not None:
            members[place].append(index)
            if len(members[place]) <= 4:  # noqa: PLR2004 - the longest pieces say where a line lies
                points = np.concatenate([starts[members[place]], stops[members[place]]])
                normals[place], offsets[place] = _fitted(points, normals[place])
        elif count < MOST_JOINED:
            normals[count] = ways[index][1], -ways[index][0]
            offsets[count] = normals[count] @ middles[index]
            members.append([index])
    heavy = np.array([weights[indexes].sum() for indexes in members])
    chosen = np.argsort(-heavy)[:MOST_LINES]
    covered = _covered(normals, chosen, members, ends, segments.reach)
    return Lines(normals[chosen], offsets[chosen], covered, segments.reach)


def _same_line(normals: Floats, offsets: Floats, start: Floats, stop: Floats, way: Floats) -> int | None:
    if not len(normals):
        return None
    away = np.maximum(np.abs(normals @ start - offsets), np.abs(normals @ stop - offsets))
    away[np.abs(normals @ way) > SAME_ANGLE] = np.inf
    best = int(np.argmin(away))
    return best if away[best] <= SAME_PLACE_PX else None


def _fitted(points: Floats, like: Floats) -> tuple[Floats, float]:
    """Return the line through *points* that looks the way of *like*."""
    middle = points.sum(axis=0) / len(points)
    (xx, xy), (_, yy) = (points - middle).T @ (points - middle)
    angle = 0.5 * math.atan2(2 * xy, xx - yy)
    normal = np.array([-math.sin(angle), math.cos(angle)])
    if normal @ like < 0:
        normal = -normal
    return normal, float(normal @ middle)


def _covered(
    normals: Floats, chosen: NDArray[np.intp], members: list[list[int]], ends: Floats, reach: int
) -> NDArray[np.float32]:
    covered = np.zeros((len(chosen), 2 * reach + 1), np.float32)
    for row, line in enumerate(chosen):
        x, y = -normals[line][1], normals[line][0]
        pieces = ends[members[line]]
        first, last = x * pieces[:, 0] + y * pieces[:, 1], x * pieces[:, 2] + y * pieces[:, 3]
        for low, high in zip(np.minimum(first, last).tolist(), np.maximum(first, last).tolist(), strict=True):
            covered[row, max(0, int(low) + reach) : int(high) + reach + 1] = 1.0
    return np.cumsum(covered, axis=1)
