"""Whether a scanned page is blank: looked at as a small picture, after taking away what scanners add by themselves.

What is not counted as ink: the paper's own colour and shading, sensor noise, dust, the narrow streaks of a dirty
feeder glass, shadows and skewed edges along the border, punch holes, and what shines through from the other side.
What cannot be judged (damaged, dark all over, a PDF of something else than one picture) is never blank.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from drivers._scan_pages import MOST_DECODED, BadPageError, check_page, pdf_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]
    Contrast = NDArray[np.float32]
else:
    Picture = Contrast = Any

for _library in ("numpy", "cv2"):  # told when the driver is loaded, and imported only when a page is there
    if find_spec(_library) is None:
        raise ModuleNotFoundError(f"no {_library}", name=_library)

LOOK_DPI = 75.0
_A4_INCHES = 11.7
_MM = LOOK_DPI / 25.4
_REDUCED = (8, 4, 2)
_BORDER_MM = 4.0
_DARK = 60
"""A page that is darker all over was scanned with the lid open, or is a picture."""
_SHADE, _SHADE_SHARE = 0.12, 0.02
"""A background that differs so much from the page's, on such a share of it, is a picture and no paper."""
_FAINT, _PER_LEVEL, _MOST = 0.08, 0.12, 0.9
"""Ink is darker than its paper by this share, and by so much more for every step of the level."""
_NOISE_TIMES, _NORMAL = 5.0, 1.4826
_COLOURED = 3
_AROUND_MM = 30.0
_FEW = 5
"""One row and column of so many is enough for a median."""
_SPECK_MM, _SPECK_MM2 = 0.8, 0.4
_DUST_MM2 = 40.0
_INK_MM2 = 1.5
_STREAK_MM = 3.0
_STRIP_MM = 6.0
_HOLE_MM, _HOLE_FILL, _HOLE_ROUND, _HOLE_EDGE_MM = (3.5, 9.0), (0.6, 0.9), 0.75, 22.0


def is_blank(data: bytes, media_type: str, level: float, dpi: int | None = None) -> bool:
    """Return whether an encoded page is blank; *level*: 0 nothing at all may be on it, 1 specks, 2 twice as much, …"""
    if media_type == "application/pdf":
        found = pdf_image(data)
        if found is None:
            return False
        data, media_type = found, "image/jpeg"
    try:
        facts = check_page(data, media_type)
    except BadPageError:
        return False
    if not facts.complete or facts.width * facts.height > MOST_DECODED:
        return False
    dots = _dpi(facts.dpi or dpi, facts.height, facts.width)
    picture = _decoded(data, dots)
    if picture is None:
        return False
    return is_blank_picture(picture, level, round(dots * max(picture.shape[:2]) / max(facts.height, facts.width)))


def is_blank_picture(picture: Picture, level: float, dpi: int) -> bool:
    """Do the same for pixels, uint8 of shape (height, width) or (height, width, 3)."""
    import numpy as np

    small = _small(picture, _dpi(dpi, *picture.shape[:2]))
    edge = round(_BORDER_MM * _MM)
    small = small[edge:-edge, edge:-edge]
    if min(small.shape[:2]) < 4 * edge:
        return False
    paper = _paper(small)
    usual = np.median(paper, axis=(0, 1))
    if usual.mean() < _DARK or float(np.mean(np.abs(paper - usual) > _SHADE * usual)) > _SHADE_SHARE:
        return False
    contrast = _without_streaks(_contrast(small, paper))
    noise = _NORMAL * float(np.median(np.abs(contrast[::_FEW, ::_FEW])))
    least = min(max(_FAINT + _PER_LEVEL * level, _NOISE_TIMES * noise), _MOST)
    marks, dust = _marks((contrast > least).astype(np.uint8))
    return marks <= _INK_MM2 * level and dust <= _DUST_MM2 * level


def _dpi(dpi: int | None, height: int, width: int) -> float:
    """Return the resolution; a page that does not tell it is taken to be as long as A4."""
    return float(dpi) if dpi else max(1.0, max(height, width) / _A4_INCHES)


def _decoded(data: bytes, dpi: float) -> Picture | None:
    import cv2
    import numpy as np

    factor = next((one for one in _REDUCED if dpi / one >= LOOK_DPI), 1)
    flags = {8: cv2.IMREAD_REDUCED_COLOR_8, 4: cv2.IMREAD_REDUCED_COLOR_4, 2: cv2.IMREAD_REDUCED_COLOR_2}
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags.get(factor, cv2.IMREAD_COLOR))
    except cv2.error:  # a size that its decoder refuses
        return None
    return None if decoded is None else np.asarray(decoded, np.uint8)


def _small(picture: Picture, dpi: float) -> Picture:
    """Return the picture at ``LOOK_DPI``, whatever it had."""
    import cv2
    import numpy as np

    if (times := int(dpi // LOOK_DPI)) > 1:  # by a whole number first: three times as fast
        height, width = (side // times for side in picture.shape[:2])
        whole = picture[: height * times, : width * times]
        picture = np.asarray(cv2.resize(whole, (max(1, width), max(1, height)), interpolation=cv2.INTER_AREA), np.uint8)
        dpi /= times
    height, width = (max(1, round(side * LOOK_DPI / dpi)) for side in picture.shape[:2])
    how = cv2.INTER_AREA if dpi >= LOOK_DPI else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def _paper(small: Picture) -> Contrast:
    """Return how bright the paper is everywhere, in an eighth of the size: what most of the places around look like."""
    import cv2
    import numpy as np

    height, width = small.shape[:2]
    coarse = cv2.resize(small, (max(1, width // 8), max(1, height // 8)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.medianBlur(coarse, round(_AROUND_MM * _MM / 16) * 2 + 1), np.float32)


def _contrast(small: Picture, paper: Contrast) -> Contrast:
    """Return by which share every pixel is darker than its paper, in the colour where that is most (yellow is ink)."""
    import cv2
    import numpy as np

    height, width = small.shape[:2]
    smooth = np.asarray(cv2.resize(paper, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    darker = np.asarray(cv2.divide(small, smooth, dtype=cv2.CV_32F), np.float32)
    if darker.ndim == _COLOURED:
        blue, green, red = cv2.split(darker)
        darker = np.asarray(cv2.min(cv2.min(blue, green), red), np.float32)
    return np.asarray(np.float32(1.0) - darker, np.float32)


def _without_streaks(contrast: Contrast) -> Contrast:
    """Take away narrow lines that run down most of the page: dirt on the glass that the paper passes."""
    import cv2
    import numpy as np

    columns = np.asarray(np.median(contrast[::_FEW], axis=0), np.float32)[None, :]
    around = np.asarray(cv2.blur(columns, (2 * round(_STREAK_MM * _MM) + 1, 1)), np.float32)
    return np.asarray(contrast - np.maximum(columns - around, np.float32(0.0)), np.float32)


def _marks(ink: Picture) -> tuple[float, float]:
    """Return the area of marks and of dust, in mm2, without holes and shadows along the border."""
    import cv2

    count, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    marks = dust = 0.0
    height, width = ink.shape
    for left, top, across, down, pixels in stats[1:count]:
        box_mm = (float(across) / _MM, float(down) / _MM)
        edges_mm = [float(gap) / _MM for gap in (left, top, width - left - across, height - top - down)]
        area_mm2 = float(pixels) / _MM**2
        if max(box_mm) <= _SPECK_MM and area_mm2 <= _SPECK_MM2:
            dust += area_mm2
        elif not _is_strip(box_mm, edges_mm) and not _is_hole(box_mm, edges_mm, area_mm2):
            marks += area_mm2
    return marks, dust


def _is_strip(box_mm: tuple[float, float], edges_mm: list[float]) -> bool:
    """Return whether a mark lies along the border: a shadow, or the background behind a skewed page."""
    across, down = box_mm
    at_side, at_end = min(edges_mm[0], edges_mm[2]) == 0, min(edges_mm[1], edges_mm[3]) == 0
    return (at_side and across <= _STRIP_MM) or (at_end and down <= _STRIP_MM)


def _is_hole(box_mm: tuple[float, float], edges_mm: list[float], area_mm2: float) -> bool:
    """Return whether a mark is a punch hole: round, solid, of the usual size, near an edge."""
    short, long = min(box_mm), max(box_mm)
    fill = area_mm2 / max(short * long, 1e-6)
    return (
        _HOLE_MM[0] <= short
        and long <= _HOLE_MM[1]
        and short / long >= _HOLE_ROUND
        and _HOLE_FILL[0] <= fill <= _HOLE_FILL[1]
        and min(edges_mm) <= _HOLE_EDGE_MM
    )
