"""Document camera: a 4K frame to the cut, straightened JPEG, beside a bare OpenCV script that does the same.

The script is what one would write in an afternoon: it decodes, finds the largest contour with four corners,
straightens and encodes, and knows nothing of white desks, shadows, hands, flaws, or the paper's true shape.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np

from drivers._camera_settings import CameraSettings
from drivers._camera_shot import Shot, develop
from edge.events import Capture
from simulators.desk_pictures import Desk, draw_desk
from tests.bench.figures import Row, Target

WIDTH, HEIGHT = 3840, 2160
VIEW_MM = 420.0
DPI = 200
PAGE = (2339, 1654)
"""Width and height of A4 on its side at 200 dpi."""
FRAMES = 6


def rows(rounds: int, say: Callable[[str], None] = lambda _: None) -> Iterator[Row]:
    """Yield the camera's figures: wall clock and CPU, medians of *rounds*; (b) is the bare script."""
    say("camera: a 4K frame to a straightened JPEG")
    frame = picture()
    ours = _ours()
    wall = Row("camera", "4K frame to JPEG of A4", "ms", Target(1.5, ratio=True))
    work = Row("camera", "the same, CPU time", "ms")
    with_codes = Row("camera", "with codes read", "ms")
    for function in (bare, ours):
        function(frame)
    for _ in range(rounds):
        for column, function in (("b", bare), ("c", ours)):
            wall_ms, cpu_ms = _timed(function, frame)
            wall.add(column, wall_ms)
            work.add(column, cpu_ms)
        with_codes.add("c", _timed(_ours(codes=True), frame)[0])
    yield from (wall, work, with_codes)


def picture() -> bytes:
    """Return the frame that both are given: a page on wood, not quite straight."""
    desk = Desk(seed=1, turn=94.0, colour="wood", view_mm=VIEW_MM, tilt=(4.0, -3.0))
    done, data = cv2.imencode(".jpg", draw_desk(desk, WIDTH, HEIGHT).picture, [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    return data.tobytes()


def bare(frame: bytes) -> bytes:
    """Do it with OpenCV alone."""
    image = cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    scale = 960 / image.shape[1]
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    gray = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), (5, 5), 0)
    edges = cv2.dilate(cv2.Canny(gray, 50, 150), np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(edges, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    page = max(contours, key=cv2.contourArea)
    corners: Any = cv2.approxPolyDP(page, 0.02 * cv2.arcLength(page, True), True).reshape(-1, 2) / scale
    assert len(corners) == 4
    total, difference = corners.sum(axis=1), np.diff(corners, axis=1).ravel()
    order = [total.argmin(), difference.argmin(), total.argmax(), difference.argmax()]
    edge = np.array([(0, 0), (PAGE[0], 0), PAGE, (0, PAGE[1])], np.float32)
    matrix = cv2.getPerspectiveTransform(corners[order].astype(np.float32), edge)
    done, data = cv2.imencode(".jpg", cv2.warpPerspective(image, matrix, PAGE), [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    return data.tobytes()


def _ours(*, codes: bool = False) -> Callable[[bytes], bytes]:
    """Return what the driver does between a frame and its blob."""
    wanted, settings = Capture(dpi=DPI, codes=codes), CameraSettings(view_mm=VIEW_MM)

    def work(frame: bytes) -> bytes:
        shot = develop(frame, wanted, settings, lambda: None)
        assert isinstance(shot, Shot)
        assert (shot.width, shot.height) == PAGE
        return shot.data

    return work


def _timed(function: Callable[[bytes], bytes], frame: bytes) -> tuple[float, float]:
    """Return milliseconds a frame: wall clock and CPU."""
    began, worked = time.perf_counter(), time.process_time()
    for _ in range(FRAMES):
        function(frame)
    return 1000 * (time.perf_counter() - began) / FRAMES, 1000 * (time.process_time() - worked) / FRAMES
