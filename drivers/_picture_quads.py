"""Make quadrangles of lines, and judge which of them is a page."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers._picture_lines import RIM_SEEN, Floats, Lines

Quads = NDArray[np.float64]
"""(n, 4, 2): corners, clockwise in the picture."""
SMALLEST_AREA = 0.012
"""Of the picture."""
MOST_JUDGED = 60
MOST_AT_RIM_JUDGED = 20
_OPPOSITE_COS = 0.80
"""Opposite sides of a page are seen at 37 degrees to each other at most."""
_CORNER_COS = 0.64
"""A page's corner is seen between 50 and 130 degrees."""
_OUTSIDE = 0.004
_RIM = 0.01
_SAMPLES = 28
_SEEN = 0.35
_FULL_CONTRAST = 40.0
_APART = 7.0
_SAME_COLOUR = 9.0
_THINNEST = 0.12
_NARROWEST = 0.08
_TILTED = 0.25
_MOST_AT_RIM = 2
_BEYOND_PX = 8.0
_BEYOND_STEPS = 8
_PROFILE_PX = (2.0, 4.0, 6.0)


def from_lines(lines: Lines, width: int, height: int) -> Quads:
    """Return the quadrangles that *lines* make and that are best seen."""
    lines = lines.with_rim(width, height)
    sides = _four_sides(lines, width, height)
    corners = np.stack([_crossings(lines, sides[k], sides[(k + 1) % 4]) for k in range(4)])
    good = _plausible(corners, width, height)
    sides, corners = sides[:, good], corners[:, good]
    seen, lengths = np.zeros(sides.shape[1]), np.ones(sides.shape[1])
    weakest = np.ones(sides.shape[1])
    along = lines.along
    for k in range(4):  # side k lies between corner k - 1 and corner k
        line = sides[k]
        x, y = along[line, 0], along[line, 1]
        start = x * corners[k - 1, :, 0] + y * corners[k - 1, :, 1]
        end = x * corners[k, :, 0] + y * corners[k, :, 1]
        length = np.abs(end - start)
        part = lines.seen(line, start, end)
        seen, lengths = seen + part, lengths + length
        weakest = np.minimum(weakest, part / np.maximum(length, 1.0))
    quads = corners.transpose(1, 0, 2)
    size = np.sqrt(areas(quads) / (width * height))
    score = seen / lengths + 0.5 * weakest + 0.35 * size - 0.8 * _lean(quads)
    rim = at_rim(quads, width, height).sum(axis=1)
    order = np.argsort(-score)
    whole, partly = order[rim[order] == 0][:MOST_JUDGED], order[(rim[order] > 0) & (rim[order] <= _MOST_AT_RIM)]
    return clockwise(quads[np.concatenate([whole, partly[:MOST_AT_RIM_JUDGED]])])


def _four_sides(lines: Lines, width: int, height: int) -> NDArray[np.intp]:
    """Return (4, n) lines that may be the sides of a page, in their order around it."""
    cosines = np.abs(lines.normals @ lines.normals.T)
    middle = np.array([width / 2, height / 2])
    away = lines.normals @ middle - lines.offsets
    turned = np.sign(lines.normals @ lines.normals.T)
    apart = np.abs(away[:, None] - turned * away[None, :]) > _NARROWEST * min(width, height)
    first, second = np.nonzero(np.triu((cosines > _OPPOSITE_COS) & apart, 1))
    crossing = cosines < _CORNER_COS
    crossing_both = crossing[first] & crossing[second]  # (pairs, lines)
    fits = crossing_both[:, first] & crossing_both[:, second]
    one, other = np.nonzero(np.triu(fits, 1))
    return np.stack([first[one], first[other], second[one], second[other]])


def from_regions(channels: list[NDArray[Any]], width: int, height: int) -> Quads:
    """Return the quadrangles around regions that are brighter or darker than the rest."""
    found = []
    for channel in channels:
        level, _ = cv2.threshold(channel, 0, 255, cv2.THRESH_OTSU)
        bright = cv2.threshold(channel, level, 255, cv2.THRESH_BINARY)[1]
        bright = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
        bright = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8))
        contours, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        for contour in sorted(contours, key=cv2.contourArea, reverse=True)[:2]:
            if cv2.contourArea(contour) < SMALLEST_AREA * width * height:
                continue
            hull = cv2.convexHull(contour)
            if len(hull) >= 4:  # noqa: PLR2004
                found.append(cv2.approxPolyN(hull, 4, ensure_convex=True).reshape(4, 2))
    quads = np.array(found, np.float64).reshape(-1, 4, 2)
    return clockwise(quads[_plausible(quads.transpose(1, 0, 2), width, height)])


def judge(quads: Quads, lab: NDArray[Any], strength: NDArray[Any]) -> Floats:
    """Return how much each of *quads* looks like a page: picture in Lab, *strength* of its edges from 0 to 1."""
    height, width = strength.shape
    places = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    way = np.roll(quads, -1, axis=1) - quads
    lengths = np.sqrt(way[..., 0] ** 2 + way[..., 1] ** 2)
    outward = np.stack([way[..., 1], -way[..., 0]], axis=2) / np.maximum(lengths, 1e-9)[..., None]
    points = quads[:, :, None, :] + way[:, :, None, :] * places[None, None, :, None]
    edge = np.zeros(points.shape[:3])
    for step in (-1.5, -0.75, 0.0, 0.75, 1.5):
        edge = np.maximum(edge, _sampled(strength, points + outward[:, :, None, :] * step))
    inside, outside = _strips(lab, points, outward)
    rim = at_rim(quads, width, height)
    seen = np.where(rim, RIM_SEEN, np.mean(edge > _SEEN, axis=2))  # by side
    by_length = lengths / lengths.sum(axis=1, keepdims=True)
    contrast = np.median(inside - outside, axis=2)
    apart = np.mean(np.abs(inside - outside).max(axis=3) > _APART, axis=2)
    apart = np.where(rim, np.max(apart, axis=1, keepdims=True), apart)
    differing = np.where(rim, 0.3, np.clip(np.sqrt((contrast**2).sum(axis=2)) / _FULL_CONTRAST, 0, 1))
    score: Floats = (
        (seen * by_length).sum(axis=1)
        + 0.4 * seen.min(axis=1)
        + 0.45 * (differing * by_length).sum(axis=1)
        + 0.15 * differing.min(axis=1)
        + 0.9 * _alike(inside)
        + 0.9 * np.sqrt(areas(quads) / (width * height))
        - 0.5 * _aside(quads, width, height)
        - 1.2 * _lean(quads)
        - 0.6 * _uneven(lengths)
        - 0.45 * rim.sum(axis=1)
        - 0.15 * _goes_on(quads, way, lengths, strength)
        - 1.2 * (np.sort(apart, axis=1)[:, 2] - apart.min(axis=1))  # a sheet differs from the desk at all sides
    )
    return score


def clockwise(quads: Quads) -> Quads:
    """Return the same quadrangles, their corners clockwise as seen in the picture."""
    turned = _signed(quads) < 0
    result = quads.copy()
    result[turned] = quads[turned][:, ::-1]
    return result


def areas(quads: Quads) -> Floats:
    """Return the areas in square pixels."""
    return np.abs(_signed(quads))


def _signed(quads: Quads) -> Floats:
    x, y = quads[..., 0], quads[..., 1]
    area: Floats = 0.5 * np.sum(x * np.roll(y, -1, axis=-1) - np.roll(x, -1, axis=-1) * y, axis=-1)
    return area


def _crossings(lines: Lines, one: NDArray[np.intp], other: NDArray[np.intp]) -> Floats:
    ax, ay = lines.normals[one, 0], lines.normals[one, 1]
    bx, by = lines.normals[other, 0], lines.normals[other, 1]
    a, b = lines.offsets[one], lines.offsets[other]
    determinant = ax * by - ay * bx  # never near 0: only lines that cross steeply are asked for
    return np.stack([(a * by - b * ay) / determinant, (b * ax - a * bx) / determinant], axis=1)


def _plausible(corners: Floats, width: int, height: int) -> NDArray[np.bool_]:
    """Tell which of *corners* (4, n, 2) are convex, large enough and in the picture."""
    margin = _OUTSIDE * max(width, height)
    x, y = corners[..., 0], corners[..., 1]
    good = np.ones(corners.shape[1], np.bool_)
    for k in range(4):
        good &= (x[k] >= -margin) & (x[k] <= width + margin) & (y[k] >= -margin) & (y[k] <= height + margin)
    way_x, way_y = np.roll(x, -1, axis=0) - x, np.roll(y, -1, axis=0) - y
    turns = [way_x[k - 1] * way_y[k] - way_y[k - 1] * way_x[k] for k in range(4)]
    left = (turns[0] > 0) & (turns[1] > 0) & (turns[2] > 0) & (turns[3] > 0)
    right = (turns[0] < 0) & (turns[1] < 0) & (turns[2] < 0) & (turns[3] < 0)
    lengths = np.sqrt(way_x**2 + way_y**2)
    good &= (left | right) & (lengths.min(axis=0) > _THINNEST * lengths.max(axis=0))
    area = 0.5 * np.abs((x[2] - x[0]) * (y[3] - y[1]) - (x[3] - x[1]) * (y[2] - y[0]))
    good &= area > SMALLEST_AREA * width * height
    return good


def _lean(quads: Quads) -> Floats:
    """Return how far the corners are from right angles (mean cosine): a page is seen nearly from above."""
    ways = np.roll(quads, -1, axis=1) - quads
    x, y = ways[..., 0], ways[..., 1]
    size = np.maximum(np.sqrt(x**2 + y**2), 1e-9)
    x, y = x / size, y / size
    cosines = [np.abs(x[:, k - 1] * x[:, k] + y[:, k - 1] * y[:, k]) for k in range(4)]
    lean: Floats = np.mean(cosines, axis=0)
    return lean


def _uneven(lengths: Floats) -> Floats:
    """Return how much longer a side is than the one opposite, beyond what a tilted page shows."""
    ratios = np.abs(np.log(lengths[:, :2] / np.maximum(lengths[:, 2:], 1e-9)))
    uneven: Floats = np.maximum(ratios.max(axis=1) - _TILTED, 0.0)
    return uneven


def _aside(quads: Quads, width: int, height: int) -> Floats:
    """Return how far from the middle of the picture they lie, 1 = at its corners."""
    away = quads.mean(axis=1) - np.array([width / 2, height / 2])
    aside: Floats = np.hypot(away[:, 0], away[:, 1]) / (np.hypot(width, height) / 2)
    return aside


def at_rim(quads: Quads, width: int, height: int) -> NDArray[np.bool_]:
    """Tell which sides (n, 4) lie at the rim of the picture: they are no edges of anything."""
    margin = _RIM * max(width, height)
    x, y = quads[..., 0], quads[..., 1]
    found = np.zeros(quads.shape[:2], np.bool_)
    for near in (x < margin, x > width - 1 - margin, y < margin, y > height - 1 - margin):
        found |= near & np.roll(near, -1, axis=1)
    return found


def _goes_on(quads: Quads, way: Floats, lengths: Floats, strength: NDArray[Any]) -> Floats:
    """Return at how many sides the two others run on beyond them: the sheet does not end there."""
    height, width = strength.shape
    along = way / np.maximum(lengths, 1e-9)[..., None]
    outward = np.stack([along[..., 1], -along[..., 0]], axis=2)
    steps = _BEYOND_PX + np.arange(_BEYOND_STEPS) * 1.5
    following = np.roll(quads, -1, axis=1)
    seen = []
    for start, sign in ((quads, -1.0), (following, 1.0)):
        points = start[:, :, None, :] + sign * along[:, :, None, :] * steps[None, None, :, None]
        edge = np.zeros(points.shape[:3])
        for aside in (-1.0, 0.0, 1.0):
            edge = np.maximum(edge, _sampled(strength, points + outward[:, :, None, :] * aside))
        x, y = points[..., 0], points[..., 1]
        inside = (x >= 1) & (x < width - 2) & (y >= 1) & (y < height - 2)
        seen.append(np.mean((edge > _SEEN) & inside, axis=2))
    before, behind = seen  # of side k: beyond corner k, beyond corner k + 1
    # beyond side k run side k - 1 at its end, and side k + 1 before its start
    one, other = np.roll(behind, 1, axis=1), np.roll(before, -1, axis=1)
    goes_on: Floats = (np.minimum(one, other) + 0.35 * np.maximum(one, other)).sum(axis=1)
    return goes_on


def _strips(lab: NDArray[Any], points: Floats, outward: Floats) -> tuple[Floats, Floats]:
    """Return the colours just inside and just outside of every side (n, 4, samples, 3)."""
    inside, outside = [], []
    for away in _PROFILE_PX:
        step = outward[:, :, None, :] * away
        inside.append(_sampled(lab, points - step))
        outside.append(_sampled(lab, points + step))
    return np.median(np.stack(inside), axis=0), np.median(np.stack(outside), axis=0)


def _alike(inside: Floats) -> Floats:
    """Return the part of the rim just inside that has the colour of one sheet, in light or in shadow."""
    flat = inside.reshape(len(inside), -1, 3)
    usual = np.median(flat, axis=1, keepdims=True)
    colour = np.abs(flat[..., 1:] - usual[..., 1:]).max(axis=2) < _SAME_COLOUR
    light = (flat[..., 0] > 0.45 * usual[..., 0]) & (flat[..., 0] < 1.5 * usual[..., 0])
    alike: Floats = np.mean(colour & light, axis=1)
    return alike


def _sampled(picture: NDArray[Any], points: Floats) -> Floats:
    """Return the values nearest to *points* (…, 2), those of the rim for points outside."""
    height, width = picture.shape[:2]
    x = np.clip(np.rint(points[..., 0]), 0, width - 1).astype(np.intp)
    y = np.clip(np.rint(points[..., 1]), 0, height - 1).astype(np.intp)
    return picture[y, x].astype(np.float64)


def upright(quad: Floats) -> Floats:
    """Return the corners beginning with the upper left one: upright is the nearest quarter turn in the picture."""
    x = quad[:, 0].tolist()
    rightward = [x[(turn + 1) % 4] - x[turn] - x[(turn + 3) % 4] + x[(turn + 2) % 4] for turn in range(4)]
    return np.roll(quad, -rightward.index(max(rightward)), axis=0)
