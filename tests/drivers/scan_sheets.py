"""Sheets of paper for scanner tests, drawn: blank ones as scanners see them, and nearly blank ones that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.float32]
else:
    Pixels = Any

BLANK = ("clean", "dusty", "streaky", "shadowed", "punched", "shining-through", "coloured", "everything")
WRITTEN = (
    "page-number",
    "digit",
    "short-line",
    "pencil-line",
    "stamp",
    "signature",
    "tick",
    "highlighter",
    "faint-line",
)
A4_INCHES = (8.27, 11.69)
LEAST_DPI = 150
"""With less, a speck would be drawn larger than it is."""
INK = (40.0, 35.0, 30.0)


class Sheet:
    """One side of a sheet of A4 at *dpi*; what is drawn on it depends on *seed*."""

    def __init__(self, seed: int, dpi: int = 300) -> None:
        self.random = np.random.default_rng(seed)
        self.dpi = dpi
        self.width, self.height = (round(side * dpi) for side in A4_INCHES)
        self.pixels: Pixels = np.full((self.height, self.width, 3), self.between(238, 254), np.float32)

    def between(self, low: float, high: float) -> float:
        return float(self.random.uniform(low, high))

    def mm(self, length: float) -> int:
        return max(1, round(length * self.dpi / 25.4))

    def place(self, margin_mm: float) -> tuple[int, int]:
        margin = self.mm(margin_mm)
        return int(self.between(margin, self.width - margin)), int(self.between(margin, self.height - margin))

    # --- what scanners and paper add ---

    def colour(self) -> None:
        tint = [(190, 215, 245), (200, 240, 200), (240, 215, 190), (170, 235, 250)][int(self.random.integers(4))]
        self.pixels *= np.array(tint, np.float32) / 255

    def shade(self) -> None:
        across = np.linspace(1, self.between(0.93, 1), self.width, dtype=np.float32)
        down = np.linspace(1, self.between(0.93, 1), self.height, dtype=np.float32)
        self.pixels *= (down[:, None] * across[None, :])[:, :, None]

    def dust(self, count: int) -> None:
        for _ in range(count):
            tone = self.between(60, 190)
            size = max(1, round(self.between(0.08, 0.28) * self.dpi / 25.4))
            cv2.circle(self.pixels, self.place(2), size, (tone, tone, tone), -1, cv2.LINE_AA)

    def hair(self) -> None:
        x, y = self.place(30)
        turns = np.cumsum(self.random.normal(0, self.mm(0.35), (14, 2)), axis=0)
        points = (np.array([[x, y]]) + turns).astype(np.int32)
        cv2.polylines(self.pixels, [points], False, (150, 150, 150), self.mm(0.07), cv2.LINE_AA)

    def streak(self) -> None:
        x = int(self.between(self.mm(10), self.width - self.mm(10)))
        tone = self.between(0.45, 0.9)
        self.pixels[:, x : x + self.mm(self.between(0.08, 0.3))] *= tone

    def shadow(self) -> None:
        depth = self.mm(self.between(1, 6))
        fall = np.linspace(self.between(0.2, 0.7), 1, depth, dtype=np.float32)
        self.pixels[:, :depth] *= fall[None, :, None]
        corner = self.mm(self.between(2, 8))
        wedge = np.array([[0, 0], [self.width, 0], [self.width, corner // 3], [0, 1]], np.int32)
        cv2.fillPoly(self.pixels, [wedge], (25, 25, 25))

    def punch(self) -> None:
        for step in (-1.5, -0.5, 0.5, 1.5) if self.random.integers(2) else (-0.5, 0.5):
            centre = (self.mm(self.between(10.5, 12.5)), self.height // 2 + self.mm(80 * step))
            cv2.circle(self.pixels, centre, self.mm(self.between(2.6, 3.2)), (30, 30, 30), -1, cv2.LINE_AA)

    def shine_through(self) -> None:
        other: Pixels = np.zeros((self.height, self.width), np.float32)
        for line in range(int(self.random.integers(8, 45))):
            self._write(other, "the other side of this sheet is full of words", 25, 30 + 5.5 * line, 3.6)
        soft = cv2.GaussianBlur(other[:, ::-1], (0, 0), 0.2 * self.dpi / 25.4)
        self.pixels *= 1 - self.between(0.04, 0.16) * soft[:, :, None]

    def noise(self) -> None:
        self.pixels += self.random.normal(0, self.between(1, 4), self.pixels.shape).astype(np.float32)

    # --- what people put on it ---

    def write(self, text: str, x_mm: float, y_mm: float, high_mm: float, tone: tuple[float, ...] = INK) -> None:
        mask: Pixels = np.zeros((self.height, self.width), np.float32)
        self._write(mask, text, x_mm, y_mm, high_mm)
        self.pixels[...] += (np.array(tone, np.float32) - self.pixels) * mask[:, :, None]

    def _write(self, on: Pixels, text: str, x_mm: float, y_mm: float, high_mm: float) -> None:
        letters = np.zeros(on.shape, np.uint8)
        scale = self.mm(high_mm) / 21  # capitals of this font are 21 pixels high
        place, thick = (self.mm(x_mm), self.mm(y_mm)), self.mm(high_mm / 9)
        cv2.putText(letters, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255,), thick, cv2.LINE_AA)
        np.maximum(on, letters / np.float32(255), out=on)

    def scribble(self, colour: tuple[float, ...]) -> None:
        x, y = self.place(45)
        turns = np.cumsum(self.random.normal(0, self.mm(3), (25, 2)), axis=0)
        points = (np.array([[x, y]]) + np.clip(turns, -self.mm(30), self.mm(30))).astype(np.int32)
        cv2.polylines(self.pixels, [points], False, colour, self.mm(0.4), cv2.LINE_AA)

    def picture(self) -> Any:
        """Return what a scanner would send: uint8, (height, width, 3) in BGR."""
        return np.clip(self.pixels, 0, 255).astype(np.uint8)


def sheet(kind: str, seed: int, dpi: int = 300) -> Any:
    """Return the pixels of a sheet of *kind*, one of ``BLANK`` or ``WRITTEN``."""
    page = Sheet(seed, max(dpi, LEAST_DPI))
    if kind in ("coloured", "everything") or (kind in WRITTEN and seed % 4 == 0):
        page.colour()
    page.shade()
    if kind in ("shining-through", "everything") or (kind in WRITTEN and seed % 3 == 0):
        page.shine_through()
    _WORDS.get(kind, lambda _: None)(page)
    if kind != "clean":
        page.dust(int(page.random.integers(5, 60 if kind == "dusty" else 25)))
    if kind in ("dusty", "everything"):
        page.hair()
    if kind in ("streaky", "everything") or (kind in WRITTEN and seed % 5 == 0):
        page.streak()
    if kind in ("punched", "everything"):
        page.punch()
    if kind in ("shadowed", "everything"):
        page.shadow()
    if dpi < LEAST_DPI:
        size = tuple(round(side * dpi) for side in A4_INCHES)
        page.pixels = np.asarray(cv2.resize(page.pixels, size, interpolation=cv2.INTER_AREA), np.float32)
    page.noise()
    return page.picture()


def _stamp(page: Sheet) -> None:
    centre, radius = page.place(30), page.mm(page.between(3.5, 8))
    cv2.circle(page.pixels, centre, radius, (70, 60, 215), page.mm(0.4), cv2.LINE_AA)
    cv2.line(
        page.pixels,
        (centre[0] - radius // 2, centre[1]),
        (centre[0] + radius // 2, centre[1]),
        (70, 60, 215),
        page.mm(0.4),
    )


def _tick(page: Sheet) -> None:
    x, y = page.place(25)
    arm = page.mm(page.between(2, 5))
    points = np.array([[x, y], [x + arm // 2, y + arm // 2], [x + arm + arm // 2, y - arm]], np.int32)
    cv2.polylines(page.pixels, [points], False, (190, 90, 40), page.mm(0.45), cv2.LINE_AA)


def _highlight(page: Sheet) -> None:
    x, y = page.place(45)
    page.pixels[y : y + page.mm(4), x : x + page.mm(page.between(10, 35))] *= np.array([0.35, 0.97, 0.98], np.float32)


_WORDS = {
    "page-number": lambda page: page.write(f"- {int(page.random.integers(1, 99))} -", 100, 285, page.between(2.2, 2.8)),
    "digit": lambda page: page.write(str(int(page.random.integers(2, 10))), 103, 285, page.between(2.4, 2.8)),
    "short-line": lambda page: page.write(
        "No remarks.", page.between(20, 150), page.between(20, 270), page.between(2.3, 3)
    ),
    "pencil-line": lambda page: page.write(
        "see file 7", page.between(20, 130), page.between(20, 270), 4.0, (140.0,) * 3
    ),
    "faint-line": lambda page: page.write(
        "copy of a copy", page.between(20, 110), page.between(20, 270), 3.2, (155.0,) * 3
    ),
    "stamp": _stamp,
    "signature": lambda page: page.scribble((150.0, 60.0, 30.0)),
    "tick": _tick,
    "highlighter": _highlight,
}
