"""What a simulated document camera sees, as a few JPEG pictures with other noise each: none is like the one before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from simulators.desk_pictures import Desk, draw_desk

TAKES = 4
MARK = b"SIMULATED document camera"
"""Stands as a comment in every picture: the camera says itself that it is none."""
LIGHTS = {"normal": 1.0, "dark": 0.3, "black": 0.0, "over": 5.0}


@dataclass(frozen=True)
class Look:
    """Everything that changes the picture."""

    desk: Desk
    width: int
    height: int
    quality: int = 85
    light: str = "normal"
    blur_px: float = 0.0
    hand: bool = False


@dataclass(frozen=True)
class Film:
    """The developed pictures of one look; *corners* of the page in pixels, upper left of the page first."""

    look: Look
    pictures: tuple[bytes, ...]
    corners: tuple[tuple[float, float], ...]


def develop(look: Look) -> Film:
    """Draw the desk once, and take a few pictures of it."""
    import cv2

    from simulators.desk_things import noisy

    desk = replace(look.desk, noise=0.0, hand=0.3 if look.hand else look.desk.hand)
    view = draw_desk(desk, look.width, look.height)
    picture = view.picture
    if look.blur_px:
        picture = cv2.GaussianBlur(picture, (0, 0), look.blur_px * look.width / 3840)
    gain = LIGHTS[look.light]
    if gain != 1.0:
        picture = cv2.convertScaleAbs(picture, alpha=gain, beta=2.0)
    flags = [cv2.IMWRITE_JPEG_QUALITY, look.quality]
    noise = look.desk.noise * min(gain, 1.0)
    pictures = []
    for take in range(TAKES):
        _, data = cv2.imencode(".jpg", noisy(picture, max(noise, 0.7), look.desk.seed + take), flags)
        pictures.append(marked(data.tobytes()))
    return Film(look, tuple(pictures), view.corners)


def marked(jpeg: bytes) -> bytes:
    """Put the comment behind the head of a JPEG."""
    return b"".join((jpeg[:2], b"\xff\xfe", (len(MARK) + 2).to_bytes(2, "big"), MARK, jpeg[2:]))


class DarkRoom:
    """Develops one look after the other in a thread of its own; only the newest wish counts."""

    def __init__(self, done: Callable[[Film], None]) -> None:
        self._done = done
        self._wanted: Look | None = None
        self._changed = threading.Condition()
        self._closed = False
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="dark-room", daemon=True)
        self._thread.start()

    def want(self, look: Look) -> None:
        """Ask for pictures of *look*."""
        with self._changed:
            self._wanted = look
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread; it finishes what it draws."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._wanted is not None)
                look, self._wanted = self._wanted, None
                if self._closed or look is None:
                    return
            try:
                self._done(develop(look))
            except BaseException as error:  # noqa: BLE001 - told by whoever waits for the pictures
                self.failure = error
