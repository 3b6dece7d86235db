"""Draw a desk as a document camera sees it, and say where the corners of the page are.

Needs numpy and OpenCV (the extra ``camera``); nothing here is imported before it is used.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from simulators import desk_things as things

if TYPE_CHECKING:
    import numpy as np

    Picture = np.ndarray[Any, Any]

PAPERS_MM = {"A4": (210.0, 297.0), "A5": (148.0, 210.0), "ID-1": (85.6, 53.98)}
DESKS = {
    "white": (226, 228, 228),
    "grey": (150, 152, 150),
    "dark": (52, 50, 48),
    "wood": (86, 126, 172),
    "blue": (150, 96, 48),
    "green": (84, 122, 70),
    "red": (58, 52, 148),
    "cream": (190, 214, 224),
}
LARGEST_PX = 2339
_UPRIGHT, _PEN_FROM = 0.5, 3
PAPER_COLOURS = ((255, 255, 255), (250, 253, 253), (246, 250, 252), (214, 236, 250), (240, 230, 252), (250, 240, 222))


@dataclass(frozen=True)
class Desk:
    """What lies under the camera. Angles in degrees, lengths in millimetres, shares from 0 to 1."""

    seed: int = 0
    colour: str = "wood"
    page: int | None = 1
    """Number of the page, ``None`` for an empty desk."""
    paper: str = "A4"
    blank: bool = False
    qr: str | None = None
    barcode: str | None = None
    turn: float = 0.0
    tilt: tuple[float, float] = (0.0, 0.0)
    view_mm: float = 460.0
    """Width of the desk that the camera sees."""
    shift_mm: tuple[float, float] = (0.0, 0.0)
    paper_colour: tuple[int, int, int] = (255, 255, 255)
    light: float = 0.94
    edge_shadow: float = 0.3
    shadow: float = 0.0
    clutter: int = 0
    hand: float = 0.0
    glare: float = 0.0
    noise: float = 2.0
    blur_px: float = 0.0
    """Of a picture 3840 pixels wide."""


@dataclass(frozen=True)
class View:
    """A drawn desk: ``picture`` is BGR, ``corners`` are the page's own upper left, clockwise, in pixels."""

    picture: Picture
    corners: tuple[tuple[float, float], ...]


def random_desk(seed: int) -> Desk:
    """Give a desk with all that makes a page hard to find, the same for the same *seed*."""
    rng = random.Random(seed)
    colour = rng.choice(["white", "white", "white", *DESKS])
    paper = rng.choice(["A4", "A4", "A4", "A5", "ID-1"])
    view_mm = {"A4": 430.0, "A5": 360.0, "ID-1": 240.0}[paper] * rng.uniform(1.0, 1.2)
    straight = rng.choice([0.0, 90.0, 180.0, 270.0]) + rng.uniform(-12, 12)
    turn = straight if _chance(rng, 0.6) else rng.uniform(0, 360)
    small = {"A4": 0.7, "A5": 1.0, "ID-1": 1.0}[paper]
    if (
        paper == "A4" and abs(math.cos(math.radians(turn))) > _UPRIGHT
    ):  # upright on a wide picture: see more of the desk
        view_mm *= 1.45
    desk = Desk(
        seed=seed,
        colour=colour,
        page=rng.randint(1, 40),
        paper=paper,
        blank=_chance(rng, 0.12),
        turn=turn,
        tilt=(rng.uniform(-14, 14), rng.uniform(-14, 14)),
        view_mm=view_mm,
        shift_mm=(rng.uniform(-22, 22) * small, rng.uniform(-10, 10) * small),
        paper_colour=PAPER_COLOURS[0] if colour == "white" else rng.choice(PAPER_COLOURS),
        light=rng.uniform(0.7, 1.0),
        edge_shadow=rng.uniform(0.18, 0.4) if colour == "white" else rng.uniform(0.0, 0.4),
        shadow=rng.uniform(0.15, 0.45) if _chance(rng, 0.5) else 0.0,
        clutter=rng.choice([0, 0, 1, 2, 3, 4, 5]),
        hand=rng.uniform(0.1, 0.3) if _chance(rng, 0.2) else 0.0,
        glare=rng.uniform(0.3, 0.9) if _chance(rng, 0.25) else 0.0,
        noise=rng.uniform(1.0, 4.5),
        blur_px=rng.uniform(0.0, 1.6),
    )
    while not _inside(desk):  # as a clerk would lay it
        desk = replace(desk, view_mm=desk.view_mm * 1.05)
    return desk


def _chance(rng: random.Random, share: float) -> bool:
    return rng.random() < share


def draw_desk(desk: Desk, width: int, height: int) -> View:
    """Draw a desk in *width* × *height* pixels."""
    import cv2
    import numpy as np

    rng = np.random.default_rng(desk.seed)
    picture = things.surface(DESKS[desk.colour], desk.colour == "wood", width, height, rng)
    things.clutter(picture, desk.clutter, desk.view_mm, rng)
    corners = corners_of(desk, width, height) if desk.page is not None else ()
    if corners:
        sheet = sheet_of(desk, corners)
        if desk.edge_shadow:
            things.drop_shadow(picture, corners, desk.edge_shadow, rng)
        things.lay(picture, sheet, corners)
    if desk.clutter >= _PEN_FROM and corners:
        things.pen_across(picture, corners, rng)
    if desk.hand and corners:
        things.hand(picture, corners, desk.hand, rng)
    picture = things.lit(picture, desk.light, desk.shadow, rng)
    if desk.glare and corners:
        picture = things.glared(picture, corners, desk.glare, rng)
    sigma = math.hypot(0.55, desk.blur_px * width / 3840)
    picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    return View(things.noisy(picture, desk.noise, desk.seed), corners)


def corners_of(desk: Desk, width: int, height: int) -> tuple[tuple[float, float], ...]:
    """Project the page's corners with a pinhole camera whose axis meets the middle of the desk."""
    long_way, across = desk.tilt
    distance = 1.15 * desk.view_mm  # about the view of real document cameras
    focal = distance / desk.view_mm * width
    sx, cx = math.sin(math.radians(long_way)), math.cos(math.radians(long_way))
    sy, cy = math.sin(math.radians(across)), math.cos(math.radians(across))
    turn = math.radians(desk.turn)
    half_w, half_h = (side / 2 for side in PAPERS_MM[desk.paper])
    found = []
    for x, y in ((-half_w, -half_h), (half_w, -half_h), (half_w, half_h), (-half_w, half_h)):
        on_x = x * math.cos(turn) - y * math.sin(turn) + desk.shift_mm[0]
        on_y = x * math.sin(turn) + y * math.cos(turn) + desk.shift_mm[1]
        # the desk tilted around the picture's two axes, at the distance of the lens
        tilted_x, depth = on_x * cy, on_x * sy
        tilted_y, depth = on_y * cx - depth * sx, on_y * sx + depth * cx
        scale = focal / (distance + depth)
        found.append((width / 2 + tilted_x * scale, height / 2 + tilted_y * scale))
    return tuple(found)


def _inside(desk: Desk, margin: float = 0.015) -> bool:
    """Tell whether the whole page is in a wide picture."""
    found = corners_of(desk, 1600, 900)
    return all(margin < x / 1600 < 1 - margin and margin < y / 900 < 1 - margin for x, y in found)


def sheet_of(desk: Desk, corners: tuple[tuple[float, float], ...]) -> Picture:
    """Draw the page itself, a little larger than it will be seen."""
    import numpy as np

    from simulators.pictures import draw_page

    width_mm, height_mm = PAPERS_MM[desk.paper]
    seen = max(math.dist(corners[side - 1], corners[side]) for side in range(4))
    scale = min(LARGEST_PX, 1.3 * seen) / max(width_mm, height_mm)
    size = round(width_mm * scale), round(height_mm * scale)
    sheet = draw_page(desk.page or 1, desk.seed, *size, blank=desk.blank, qr=desk.qr, barcode=desk.barcode)
    if desk.paper_colour != (255, 255, 255):
        tint = np.array(desk.paper_colour, np.uint16)
        sheet = (sheet.astype(np.uint16) * tint // 255).astype(np.uint8)
    return sheet
