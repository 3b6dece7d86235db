"""Fit the sides of a page to the edges of the whole picture, to a part of a pixel."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_PROFILES = 72
_REACH = 2.6
"""Pixels of the small picture, to both sides of a rough side."""
_STEPS = 61
_ROUNDS = 4
_STRAIGHT = 1e-9


def fit_sides(picture: NDArray[Any], rough: Floats, scale: float) -> Floats:
    """Return *rough* (4, 2) with every side moved onto the edge nearest to it; *scale* is that of the search."""
    fitted = [_fit(picture, rough[k], rough[(k + 1) % 4], _REACH * scale) for k in range(4)]
    corners = np.array([_meet(fitted[k - 1], fitted[k]) for k in range(4)])
    moved = np.linalg.norm(corners - rough, axis=1)
    return corners if np.all(np.isfinite(corners)) and moved.max() <= 4 * _REACH * scale else rough


def _fit(picture: NDArray[Any], start: Floats, end: Floats, reach: float) -> tuple[Floats, Floats]:
    """Return a point and the direction of a side, clockwise, the inside at its right hand."""
    way = end - start
    length = max(float(np.linalg.norm(way)), 1.0)
    outward = np.array([way[1], -way[0]]) / length
    places = np.linspace(0.04, 0.96, _PROFILES)
    steps = np.linspace(-reach, reach, _STEPS)
    points = start + way * places[:, None]
    grid = points[:, None, :] + outward * steps[None, :, None]
    profiles = _profiles(picture, grid)
    slope = np.gradient(
        cv2.GaussianBlur(profiles, (0, 0), sigmaX=max(1.0, _STEPS / 2 / reach * 0.8), sigmaY=0.8), axis=1
    )
    at, weight = _edges(slope)
    kept = weight > 0
    if kept.sum() < _PROFILES // 6:
        return start, way / length
    found = points[kept] + outward * np.interp(at[kept], np.arange(_STEPS), steps)[:, None]
    return _line(found, weight[kept], way / length)


def _profiles(picture: NDArray[Any], grid: Floats) -> Floats:
    """Return the picture's brightness along lines across a side; of the colours, the one that changes most."""
    x, y = grid[..., 0].astype(np.float32), grid[..., 1].astype(np.float32)
    sampled = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    values: Floats = sampled.astype(np.float64)
    mean = np.median(values, axis=0)
    change = np.abs(np.diff(cv2.GaussianBlur(mean, (1, 5), 0), axis=0)).max(axis=0)
    weights = change / max(change.sum(), 1e-9)
    signs = np.sign(mean[: _STEPS // 3].mean(axis=0) - mean[-(_STEPS // 3) :].mean(axis=0))
    main = signs[int(np.argmax(change))] or 1.0
    signs = np.where(signs * main < 0, -1.0, 1.0)
    mixed: Floats = values @ (weights * signs)
    return mixed


def _edges(slope: Floats) -> tuple[Floats, Floats]:
    """Return for each profile where its edge is (in steps, with parts) and how much it counts."""
    mean = np.median(slope, axis=0)
    falling, rising = int(np.argmin(mean)), int(np.argmax(mean))
    sign = 1.0 if mean[rising] > -mean[falling] else -1.0
    if sign > 0 and falling < rising and -mean[falling] > 0.5 * mean[rising]:
        sign = -1.0  # a shadow lies beside the sheet: its inner flank is the edge
    towards = slope * sign
    window = np.exp(
        -0.5 * ((np.arange(slope.shape[1]) - (rising if sign > 0 else falling)) / (slope.shape[1] / 7)) ** 2
    )
    best = np.argmax(towards * window, axis=1)
    inner = np.clip(best, 1, slope.shape[1] - 2)
    rows = np.arange(len(slope))
    before, at, after = towards[rows, inner - 1], towards[rows, inner], towards[rows, inner + 1]
    bend = before - 2 * at + after
    shift = np.where(np.abs(bend) > _STRAIGHT, 0.5 * (before - after) / np.where(bend == 0, 1, bend), 0.0)
    usual = max(float(np.median(at)), 1e-6)
    weight = np.where((best > 0) & (best < slope.shape[1] - 1) & (at > 0.2 * usual), np.minimum(at, 2 * usual), 0.0)
    return inner + np.clip(shift, -1, 1), weight


def _line(points: Floats, weights: Floats, like: Floats) -> tuple[Floats, Floats]:
    """Return the line through most of *points*; those far from it lose their weight step by step."""
    use = weights.copy()
    middle, way = points.mean(axis=0), like
    for _ in range(_ROUNDS):
        total = use.sum()
        middle = (points * use[:, None]).sum(axis=0) / total
        centred = points - middle
        spread = (centred * use[:, None]).T @ centred
        way = np.linalg.eigh(spread)[1][:, 1]
        away = np.abs(centred @ np.array([way[1], -way[0]]))
        scale = max(1.4826 * float(np.median(away)), 0.25)
        use = weights / (1 + (away / (2 * scale)) ** 4)
    return middle, way if way @ like >= 0 else -way


def _meet(one: tuple[Floats, Floats], other: tuple[Floats, Floats]) -> Floats:
    """Return where two lines cross."""
    matrix = np.stack([one[1], -other[1]], axis=1)
    if abs(float(np.linalg.det(matrix))) < 1e-6:  # noqa: PLR2004
        return np.array([np.nan, np.nan])
    along = np.linalg.solve(matrix, other[0] - one[0])
    meeting: Floats = one[0] + one[1] * along[0]
    return meeting
