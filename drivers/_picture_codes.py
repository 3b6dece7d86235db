"""Read the QR codes and bar codes that a page shows."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers._code_text import decode
from edge.events import CodeOnPage

Gray = NDArray[Any]
MOST_CODES = 32
MOST_CHARACTERS = 4296
SIDES_PX = (900, 1600, 2400)
"""A page is looked at in these sizes; small codes need the larger one."""


def read_codes(page: NDArray[Any]) -> tuple[CodeOnPage, ...]:
    """Return the codes on a *page* (BGR or gray, straightened), from above to below, each once."""
    gray = page if page.ndim == 2 else cv2.cvtColor(page, cv2.COLOR_BGR2GRAY)  # noqa: PLR2004
    found: dict[tuple[str, str], float] = {}
    sizes: list[float] = []
    for side in SIDES_PX:
        scale = min(1.0, side / max(gray.shape))
        if scale in sizes:
            break
        sizes.append(scale)
        small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else gray
        for symbology, data, top in (*_qr(small), *_bars(small)):
            text, _, _ = decode(data, "auto")
            if text and len(text) <= MOST_CHARACTERS:
                found.setdefault((symbology, text), top / scale)
    order = sorted(found, key=lambda code: found[code])
    return tuple(CodeOnPage(symbology=symbology, text=text) for symbology, text in order[:MOST_CODES])


def _qr(gray: Gray) -> list[tuple[str, bytes, float]]:
    done, texts, points, _ = cv2.QRCodeDetector().detectAndDecodeBytesMulti(gray)
    return [("qr-code", _bytes(text), _top(place)) for text, place in zip(texts, points, strict=False)] if done else []


def _bars(gray: Gray) -> list[tuple[str, bytes, float]]:
    detector: Any = cv2.barcode.BarcodeDetector()
    done, texts, kinds, points = detector.detectAndDecodeWithType(gray)
    if not done:
        return []
    found = zip(texts, kinds, points, strict=False)
    return [(kind.lower().replace("_", "-"), _bytes(text), _top(place)) for text, kind, place in found if text and kind]


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def _top(points: Any) -> float:
    return float(np.asarray(points)[..., 1].min())
