"""Where a camera's pictures come from: a V4L2 node, an HTTP stream, a folder. All go through ``cv2.VideoCapture``.

Pictures stay the camera's own JPEG until one is wanted: watching a camera costs no decoding. A source is used in
one thread; ``isOpened`` of OpenCV is never believed, and a picture that does not come is an error of ours.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from drivers import _camera_problems as problems
from drivers import _camera_v4l2 as v4l2
from drivers._camera_settings import TIMEOUT_S
from drivers._picture_jpeg import trimmed

Clock = Callable[[], float]
_MOST_AGE_S = 60.0


@dataclass(frozen=True)
class Frame:
    """One picture: the camera's JPEG, and when it was complete on the port's clock."""

    jpeg: bytes
    at: float
    waited_s: float
    stamped: bool = False
    """Whether ``at`` is the driver's own time. Else it is that of arrival: what was not waited for may be old."""


class Source(ABC):
    """A stream of pictures. Constructors open it or raise a ``DeviceError``."""

    rest_s: ClassVar[float] = 0.0
    """So long may pass between two pictures while nobody wants one."""
    model: str | None = None
    serial: str | None = None
    simulated = False

    def __init__(self, where: str, clock: Clock) -> None:
        self.where = where
        self.clock = clock
        self.capture: Any = None

    @abstractmethod
    def next(self) -> Frame:
        """Return the next picture; raises ``DeviceLost`` or ``DeviceTimeout``."""

    def close(self) -> None:
        """Let go of the camera. Idempotent, never raises."""
        capture, self.capture = self.capture, None
        if capture is not None:
            with contextlib.suppress(cv2.error):
                capture.release()

    def grabbed(self) -> tuple[bytes, float, float]:
        """Return raw bytes, when they were asked for and when they had come."""
        began = self.clock()
        data = self.capture.retrieve()[1] if self.capture is not None and self.capture.grab() else None
        came = self.clock()
        if data is None or not data.size:
            raise self.failure(came - began)
        return trimmed(np.ascontiguousarray(data).tobytes()), began, came

    def failure(self, waited_s: float) -> Exception:
        """Return what it means that no picture came."""
        return problems.silent(self.where, waited_s) if waited_s > TIMEOUT_S / 2 else problems.lost(self.where)


class NodeSource(Source):
    """A V4L2 node: MJPG first, then the size, then what the picture should be like."""

    rest_s = 0.1  # what the kernel keeps in its four buffers is then 0.4 s old at most

    def __init__(self, node: str, clock: Clock, size: tuple[int, int] | None, controls: tuple[tuple[int, float], ...]):
        super().__init__(node, clock)
        facts = v4l2.look(node)
        if not facts.captures:
            raise problems.no_capture(node)
        if not facts.sizes:
            raise problems.no_mjpg(node)
        self.model, self.simulated = facts.model, facts.simulated
        self._size = size or facts.sizes[0]
        v4l2.check_free(node, *self._size)
        self.capture = cv2.VideoCapture(node, cv2.CAP_V4L2)
        if not self.capture.isOpened():
            self.close()
            raise self.failure(0.0)
        self._set_up(controls)

    def _set_up(self, controls: tuple[tuple[int, float], ...]) -> None:
        """Set format before size, and both before controls: a new format may reset what was set before it."""
        width, height = self._size
        self.capture.set(cv2.CAP_PROP_FOURCC, v4l2.MJPG)
        self.capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        self.capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        self.capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        if int(self.capture.get(cv2.CAP_PROP_FOURCC)) != v4l2.MJPG:
            self.close()
            raise problems.no_mjpg(self.where)
        for control, value in controls:
            self.capture.set(control, value)

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height that the camera has really taken."""
        sides = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
        return int(self.capture.get(sides[0])), int(self.capture.get(sides[1]))

    def next(self) -> Frame:
        data, began, came = self.grabbed()
        stamp = float(self.capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        true = 0 <= came - stamp < _MOST_AGE_S  # some kernels' drivers take another clock
        return Frame(data, stamp if true else came, came - began, stamped=true)

    def failure(self, waited_s: float) -> Exception:
        if not Path(self.where).exists():
            return problems.lost(self.where)
        if waited_s > TIMEOUT_S / 2:
            return problems.silent(self.where, waited_s)
        self.close()
        return v4l2.why_not(self.where, *self._size)


class HttpSource(Source):
    """A network camera's MJPEG stream. It is read for ever: what is not read grows old on its way."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url.split("?", 1)[0], clock)
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 1000 * TIMEOUT_S, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 1000 * TIMEOUT_S]
        self.capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, [*limits, cv2.CAP_PROP_FORMAT, -1])
        if not self.capture.isOpened():
            self.close()
            from drivers._camera_http import why_not

            raise why_not(url, self.where, TIMEOUT_S)

    def next(self) -> Frame:
        data, began, came = self.grabbed()
        return Frame(data, came, came - began)


class FilesSource(Source):
    """Pictures in a folder, again and again: a camera for trials."""

    rest_s = 0.5
    simulated = True

    def __init__(self, pattern: str, clock: Clock, fps: int, wait: Callable[[float], object]) -> None:
        super().__init__(pattern, clock)
        self.model = "pictures in a folder"
        self._wait, self._every_s = wait, 1 / fps
        self._due = clock()
        if not self._rewound():
            raise problems.no_files(pattern)

    def next(self) -> Frame:
        while (left := self._due - self.clock()) > 0:
            self._wait(left)
        number = self.capture.get(cv2.CAP_PROP_POS_FRAMES) if self.capture is not None else 0
        picture = self._read()
        if picture is None and self._rewound():
            number, picture = 0, self._read()
        if picture is None:
            raise problems.lost(self.where)
        came = self.clock()
        self._due = came + self._every_s
        return Frame(self._jpeg(int(number), picture), came, self._every_s, stamped=True)

    def _rewound(self) -> bool:
        """Begin with the first picture; return whether there is one."""
        self.close()
        self.capture = cv2.VideoCapture(self.where, cv2.CAP_IMAGES)
        if not self.capture.isOpened():
            self.close()
        return self.capture is not None

    def _read(self) -> Any:
        return self.capture.retrieve()[1] if self.capture is not None and self.capture.grab() else None

    def _jpeg(self, number: int, picture: Any) -> bytes:
        """Return the file itself when it is a JPEG that lies where the pattern says, else the picture as one."""
        with contextlib.suppress(OSError, TypeError, ValueError):
            if (data := Path(self.where % number).read_bytes()).startswith(b"\xff\xd8"):
                return data
        return cv2.imencode(".jpg", picture)[1].tobytes()
