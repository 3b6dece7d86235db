"""Draw what lies on a desk: its surface, papers, pens, a hand, light and shadow. Pictures are BGR, 8 bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Picture = np.ndarray[Any, Any]
    Rng = np.random.Generator

Corners = Sequence[tuple[float, float]]
PENS = ((40, 40, 200), (160, 60, 30), (30, 30, 30), (40, 130, 40), (200, 200, 205))
SKIN = ((150, 175, 222), (110, 140, 195), (70, 100, 150))
WHITE = 0.6
TILE = (197, 307)
SHIFT = 4
"""OpenCV draws on a sixteenth of a pixel."""


def surface(colour: tuple[int, int, int], grained: bool, width: int, height: int, rng: Rng) -> Picture:  # noqa: FBT001
    """Draw an empty desk: a colour with stains, and the grain of wood."""
    import cv2
    import numpy as np

    stains = cv2.resize(rng.normal(0, 1, (9, 16)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    pattern = stains * 2.0
    if grained:
        lines = rng.normal(0, 1, (240, 5)).astype(np.float32)
        pattern += cv2.resize(lines, (width, height), interpolation=cv2.INTER_CUBIC) * 7.0
    return cv2.merge([cv2.convertScaleAbs(cv2.max(pattern + channel, 0.0)) for channel in colour])  # type: ignore[call-overload]  # a number is an array of one


def clutter(picture: Picture, count: int, view_mm: float, rng: Rng) -> None:
    """Lay other papers, pens, cups and boxes around the middle."""
    height, width = picture.shape[:2]
    per_mm = width / view_mm
    for _ in range(count):
        angle = rng.uniform(0, 6.283)
        reach = rng.uniform(0.42, 0.6)
        at = (width * (0.5 + reach * math.cos(angle)), height * (0.5 + reach * math.sin(angle)))
        kind = rng.choice(["paper", "paper", "pen", "cup", "box"])
        {"paper": _paper, "pen": _pen, "cup": _cup, "box": _box}[kind](picture, at, per_mm, rng)


def drop_shadow(picture: Picture, corners: Corners, strength: float, rng: Rng) -> None:
    """Darken the desk around a sheet that lies a little above it."""
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    small = max(1, width // 960)
    size = (width // small, height // small)
    offset = rng.uniform(-0.0016, 0.0016, 2) * width
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(mask, [_fixed((np.array(corners) + offset) / small)], 255, cv2.LINE_AA, SHIFT)
    soft = cv2.GaussianBlur(mask, (0, 0), width * rng.uniform(0.0012, 0.003) / small)
    factor = cv2.resize(1.0 - soft.astype(np.float32) * (strength / 255), (width, height))
    _multiply(picture, factor)


def lay(picture: Picture, sheet: Picture, corners: Corners) -> None:
    """Put a sheet on the desk, its upper left corner first, clockwise."""
    import cv2
    import numpy as np

    height, width = sheet.shape[:2]
    wanted = max(np.linalg.norm(np.subtract(corners[1], corners[0])), 1.0)
    if wanted < width * 0.6:
        scale = wanted / width
        sheet = cv2.resize(sheet, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = sheet.shape[:2]
    # the edges of the outer pixels, not their middles, are the edges of the sheet
    source = np.array(
        [(-0.5, -0.5), (width - 0.5, -0.5), (width - 0.5, height - 0.5), (-0.5, height - 0.5)], np.float32
    )
    matrix = cv2.getPerspectiveTransform(source, np.array(corners, np.float32))
    box = (picture.shape[1], picture.shape[0])
    warped = cv2.warpPerspective(sheet, matrix, box, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, _fixed(corners), 255, cv2.LINE_AA, SHIFT)
    cv2.copyTo(warped, cv2.compare(mask, 255, cv2.CMP_EQ), picture)  # type: ignore[call-overload]  # as above
    edge = (mask > 0) & (mask < 255)  # noqa: PLR2004
    share = mask[edge].astype(np.float32)[:, None] / 255
    picture[edge] = (warped[edge] * share + picture[edge] * (1 - share)).astype(np.uint8)


def pen_across(picture: Picture, corners: Corners, rng: Rng) -> None:
    """Lay a pen across one side of the page: one that lies along a side hides where the page ends."""
    import numpy as np

    side = int(rng.integers(4))
    start, end = np.array(corners[side]), np.array(corners[(side + 1) % 4])
    at = start + (end - start) * rng.uniform(0.25, 0.75)
    way = math.atan2(end[1] - start[1], end[0] - start[0]) + rng.uniform(0.35, math.pi - 0.35)
    _pen(picture, (float(at[0]), float(at[1])), picture.shape[1] / 420, rng, way)


def hand(picture: Picture, corners: Corners, reach: float, rng: Rng) -> None:
    """Hold the page at one side: a hand with an arm that comes from outside the picture."""
    import cv2
    import numpy as np

    width = picture.shape[1]
    side = int(rng.integers(4))
    start, end = np.array(corners[side]), np.array(corners[(side + 1) % 4])
    middle = np.mean(corners, axis=0)
    at = start + (end - start) * rng.uniform(0.3, 0.7)
    out = (at - middle) / max(np.linalg.norm(at - middle), 1)
    tip = at - out * reach * 0.25 * width
    colour = tuple(float(part) for part in SKIN[int(rng.integers(3))])
    thick = max(3, round(width * 0.07))
    cv2.line(picture, _fixed1(tip), _fixed1(at + out * width), colour, thick, cv2.LINE_AA, SHIFT)
    across = np.array([-out[1], out[0]])
    for finger in (-1.2, -0.4, 0.4, 1.2):
        root = tip + across * finger * thick * 0.3
        ahead = root - out * thick * rng.uniform(0.5, 0.8)
        cv2.line(picture, _fixed1(root), _fixed1(ahead), colour, max(2, thick // 4), cv2.LINE_AA, SHIFT)


def lit(picture: Picture, light: float, shadow: float, rng: Rng) -> Picture:
    """Light the desk from one side, and let an arm or a head throw a soft shadow of the given strength."""
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    angle = rng.uniform(0, 6.283)
    across = np.linspace(-0.5, 0.5, 64, dtype=np.float32)[None, :] * math.cos(angle)
    down = np.linspace(-0.5, 0.5, 36, dtype=np.float32)[:, None] * math.sin(angle)
    factor = cv2.resize(light + (across + down) * 0.12, (width, height))
    if shadow:
        mask = np.zeros((270, 480), np.float32)
        far = rng.uniform(0.0, 1.0, 2) * (480, 270)
        direction = rng.uniform(0, 6.283)
        along = np.array([math.cos(direction), math.sin(direction)]) * 900
        wide = np.array([-along[1], along[0]]) * rng.uniform(0.1, 0.35)
        points = np.array([far, far + along, far + along + wide, far + wide])
        cv2.fillPoly(mask, [points.astype(np.int32)], 1.0)
        cv2.GaussianBlur(mask, (0, 0), rng.uniform(1.5, 12), mask)
        cv2.multiply(factor, 1 - shadow * cv2.resize(mask, (width, height)), factor)
    _multiply(picture, factor)
    return picture


def glared(picture: Picture, corners: Corners, strength: float, rng: Rng) -> Picture:
    """Let a lamp shine back from somewhere on the page."""
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    weights = rng.dirichlet((1.0, 1.0, 1.0, 1.0))
    at = weights @ np.array(corners) / (width, height) * (480, 270)
    radius = rng.uniform(14, 40)
    y, x = np.mgrid[0:270, 0:480].astype(np.float32)
    spot = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * radius**2)) * (200 * strength)
    added = cv2.resize(spot, (width, height)).astype(np.uint8)
    return cv2.add(picture, cv2.merge([added, added, added]))


def noisy(picture: Picture, sigma: float, seed: int) -> Picture:
    """Add the noise of a sensor; another *seed*, another noise."""
    import cv2
    import numpy as np

    if not sigma:
        return picture
    rng = np.random.default_rng(seed + 1)
    height, width = picture.shape[:2]
    tile = rng.normal(0, sigma, (*TILE, 3)).astype(np.int8)  # a prime size: it never lies on a block of the JPEG
    whole = np.tile(tile, (-(-height // TILE[0]), -(-width // TILE[1]), 1))[:height, :width]
    return cv2.add(picture, whole, dtype=cv2.CV_8U)


def _paper(picture: Picture, at: tuple[float, float], per_mm: float, rng: Rng) -> None:
    import cv2
    import numpy as np

    light = float(rng.uniform(200, 250))
    colour = (light, light, light) if rng.random() < WHITE else tuple(float(part) for part in rng.uniform(120, 250, 3))
    size = rng.uniform((60, 40), (210, 160)) * per_mm
    box = cv2.boxPoints((at, (float(size[0]), float(size[1])), float(rng.uniform(0, 180))))
    cv2.fillConvexPoly(picture, _fixed(box), colour, cv2.LINE_AA, SHIFT)
    edge = tuple(part * 0.8 for part in colour)
    cv2.polylines(picture, [_fixed(box)], True, edge, max(1, round(0.4 * per_mm)), cv2.LINE_AA, SHIFT)
    middle = np.mean(box, axis=0)
    for row in np.linspace(-0.6, 0.6, 7):
        start, end = box[0] + (box[1] - box[0]) * (0.5 + row / 2), box[3] + (box[2] - box[3]) * (0.5 + row / 2)
        inner = middle + (np.array([start, end]) - middle) * 0.8
        cv2.line(picture, _fixed1(inner[0]), _fixed1(inner[1]), (90, 90, 90), max(1, round(0.6 * per_mm)), 4, SHIFT)


def _pen(picture: Picture, at: tuple[float, float], per_mm: float, rng: Rng, way: float | None = None) -> None:
    import cv2
    import numpy as np

    angle = rng.uniform(0, 6.283) if way is None else way
    along = np.array([math.cos(angle), math.sin(angle)]) * 70 * per_mm
    start, end = np.array(at) - along, np.array(at) + along
    colour = tuple(float(part) for part in PENS[int(rng.integers(len(PENS)))])
    thick = max(2, round(9 * per_mm))
    cv2.line(picture, _fixed1(start), _fixed1(end), colour, thick, cv2.LINE_AA, SHIFT)
    shine = np.array([-along[1], along[0]]) / (70 * per_mm) * thick * 0.2
    lighter = tuple(min(255.0, part + 60) for part in colour)
    cv2.line(picture, _fixed1(start + shine), _fixed1(end + shine), lighter, max(1, thick // 6), cv2.LINE_AA, SHIFT)


def _cup(picture: Picture, at: tuple[float, float], per_mm: float, rng: Rng) -> None:
    import cv2

    colour = tuple(float(part) for part in rng.uniform(60, 240, 3))
    cv2.circle(picture, _fixed1(at), round(40 * per_mm * 2**SHIFT), colour, -1, cv2.LINE_AA, SHIFT)
    cv2.circle(picture, _fixed1(at), round(34 * per_mm * 2**SHIFT), (30, 45, 70), -1, cv2.LINE_AA, SHIFT)


def _box(picture: Picture, at: tuple[float, float], per_mm: float, rng: Rng) -> None:
    import cv2

    colour = tuple(float(part) for part in rng.uniform(20, 120, 3))
    size = rng.uniform((50, 15), (120, 50)) * per_mm
    box = cv2.boxPoints((at, (float(size[0]), float(size[1])), float(rng.uniform(0, 180))))
    cv2.fillConvexPoly(picture, _fixed(box), colour, cv2.LINE_AA, SHIFT)


def _multiply(picture: Picture, factor: Any) -> None:
    """Multiply in place, a strip at a time: a whole picture of floats would be large."""
    import cv2

    for top in range(0, picture.shape[0], 256):
        part = picture[top : top + 256]
        rows = factor[top : top + 256]
        cv2.multiply(part, cv2.merge([rows, rows, rows]), part, dtype=cv2.CV_8U)


def _fixed(points: Any) -> Any:
    """Return points as OpenCV draws them on parts of a pixel."""
    import numpy as np

    return np.round(np.array(points, np.float64) * 2**SHIFT).astype(np.int32)


def _fixed1(point: Any) -> tuple[int, int]:
    x, y = _fixed(point)
    return int(x), int(y)
