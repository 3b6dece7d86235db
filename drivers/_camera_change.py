"""Was the page under the camera changed, and does it lie still again?"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers._camera_source import Frame
from drivers._picture_checks import reduced

Glance = NDArray[Any]
LOOK_S = 0.2
STILL_S = 0.8
_LEVELS = 12
"""So much must a place change, in levels of 256 …"""
_SHARE = 0.004
"""… on so large a part of the picture."""


def glance(jpeg: bytes) -> Glance | None:
    """Return a small gray picture of *jpeg*. ``None``: it is broken, or says that it is huge."""
    small = reduced(jpeg)
    return None if small is None else cv2.blur(small, (3, 3))


def differ(one: Glance, other: Glance) -> bool:
    """Return whether two glances show different things, in whatever light."""
    if one.shape != other.shape:
        return True
    change = one.astype(np.int16) - other
    change -= np.int16(np.median(change))
    return float(np.mean(np.abs(change) > _LEVELS)) > _SHARE


class PageTurn:
    """Waits for another page than that of the picture *last* to lie still."""

    def __init__(self, last: Frame | None) -> None:
        self._last = glance(last.jpeg) if last is not None else None
        self._before: Glance | None = None
        self._still_from = 0.0
        self._looked_at = 0.0
        self.moving = False
        """Whether something has changed since the last picture."""

    def done(self, frame: Frame) -> bool:
        """Look at the next picture; return whether the next page lies there."""
        if frame.at - self._looked_at < LOOK_S:
            return False
        self._looked_at = frame.at
        now = glance(frame.jpeg)
        if now is None:
            return False
        before, self._before = self._before, now
        if before is None or differ(before, now):
            self._still_from = frame.at
        self.moving = self._last is None or differ(self._last, now)
        return self.moving and frame.at - self._still_from >= STILL_S
