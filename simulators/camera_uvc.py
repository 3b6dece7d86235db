"""Behave like a document camera: a desk with a page, seen over HTTP (MJPEG) or in a folder of pictures."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from simulators.camera_film import LIGHTS, DarkRoom, Film, Look, develop
from simulators.desk_pictures import DESKS, PAPERS_MM, Desk, random_desk
from simulators.mjpeg_server import REASONS, MjpegServer, Part, Viewer
from simulators.model import Binder, Deed, Output
from simulators.served import Served
from simulators.words import ScenarioError, Words, to_number, to_seconds

STREAM, TRUTH = "/camera.mjpg", "/truth.json"
DRAW_LIMIT_S = 60.0
PATTERN = "picture_%03d.jpg"
_IDLE_S = 0.05


class DocumentCamera(Served):
    """Keep what the camera sees and how it misbehaves."""

    summary = "document camera, MJPEG over HTTP or a folder of pictures"
    options: ClassVar[Mapping[str, str]] = {
        "width": "pixels, default 3264",
        "height": "pixels, default 2448",
        "fps": "pictures a second, default 5",
        "quality": "of the JPEGs, default 85",
        "port": "of HTTP; default: a free one",
        "files": "1 = a folder of pictures instead of HTTP",
        "empty": "1 = no page at the beginning",
        "random": "a desk with clutter, shadow, a hand …, by its number",
        "desk": f"one of {', '.join(DESKS)}",
        "paper": f"one of {', '.join(PAPERS_MM)}",
        "page": "number of the page",
        "turn": "degrees",
        "qr": "text of a QR code on the page",
        "barcode": "12 or 13 digits of an EAN-13 on the page",
        "blank": "1 = an empty sheet",
        "down": "millimetres that the page lies below the middle",
        "view": "width of the desk in millimetres that is seen, default 460",
    }

    def __init__(self, place: Path, words: Words, seed: int) -> None:
        super().__init__(place, words, seed)
        self._fps = float(words.number("fps", 5, 1, 60))
        self._files = words.flag("files")
        empty = words.flag("empty")
        width, height = words.number("width", 3264, 320, 8000), words.number("height", 2448, 240, 6000)
        quality = words.number("quality", 85, 10, 100)
        port = words.number("port", 0, 0, 65535)
        desk = _desk(words, Desk(seed=seed, turn=4.0))
        words.done()
        self._look = Look(replace(desk, page=None) if empty else desk, width, height, quality)
        self._page = desk
        self._film: Film | None = None
        self._shown = threading.Condition(self.lock)
        self._plugged = self._frozen = self._stalled = False
        self._status, self._cut_short, self._over_s = 200, 0, 0.0
        self._last = b""
        self._room: DarkRoom | None = None
        self._server = MjpegServer(port or (0 if self._files else _free_port()), self._answer, self._next)

    @property
    def address(self) -> str:
        """Give what a window's configuration says."""
        return f"frames://{self.place / PATTERN}" if self._files else f"http://127.0.0.1:{self._server.port}{STREAM}"

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Give the true corners of the page in pixels, its upper left first, clockwise; none without a page."""
        with self.lock:
            return self._film.corners if self._film else ()

    def plug(self) -> None:
        with self.lock:
            if self._plugged:
                return
            look = self._look
            known = self._film is not None and self._film.look == look and not self._files
        if not known:
            self._develop(develop(look))
        self._room = DarkRoom(self._develop)
        with self.lock:
            self._plugged = True
        if not self._files:
            self._server.start()

    def unplug(self) -> None:
        with self._shown:
            was, self._plugged = self._plugged, False
            self._shown.notify_all()
        if was and self._room is not None:
            self._server.stop()
            self._room.close()
            for file in self.place.glob("*.jpg") if self._files else ():
                file.unlink()

    def actions(self) -> Mapping[str, Binder]:
        return {
            "place": self._bind_place,
            "remove": self._bind_remove,
            "hand": self._bind_hand,
            "glare": self._bind_glare,
            "light": self._bind_light,
            "blur": self._bind_blur,
            "freeze": self._bind_freeze,
            "stall": self._bind_stall,
            "truncate": self._bind_truncate,
            "slow": self._bind_slow,
            "refuse": self._bind_refuse,
            "drop": self._bind_drop,
        }

    # --- what viewers get ---

    def _answer(self, path: str) -> int | bytes:
        with self.lock:
            if path == TRUTH:
                return json.dumps({"corners": self._film.corners if self._film else []}).encode()
            return self._status if path.split("?", 1)[0] == STREAM else 404

    def _next(self, viewer: Viewer) -> Part | None:
        """Wait until it is time for the viewer's next picture."""
        part = None
        with self._shown:
            while part is None and self._plugged and not viewer.gone.is_set():
                number = int(time.monotonic() * self._fps)
                if number > viewer.seen and self._film is not None and not self._stalled:
                    viewer.seen = number
                    part = self._part(number, self._film)
                else:
                    until = (max(number, viewer.seen) + 1) / self._fps - time.monotonic()
                    self._shown.wait(_IDLE_S if self._stalled or self._film is None else max(until, 0.001))
        if part is not None:
            self.count("pictures")
        return part

    def _part(self, number: int, film: Film) -> Part:
        data = self._last if self._frozen and self._last else film.pictures[number % len(film.pictures)]
        self._last = data
        if self._cut_short:
            self._cut_short -= 1
            data = data[: len(data) * 3 // 5]
        return Part(data, self._over_s)

    def _develop(self, film: Film) -> None:
        """Take new pictures; a folder is written anew."""
        if self._files:
            self.place.mkdir(parents=True, exist_ok=True)
            for number, data in enumerate(film.pictures):
                new = self.place / f"new-{number}"
                new.write_bytes(data)
                new.rename(self.place / (PATTERN % number))
        with self._shown:
            self._film = film
            self._shown.notify_all()
        self.count("developed")

    # --- what a person does ---

    def _changing(self, **changes: object) -> Deed:
        """Make a deed that changes what is seen; it is done when pictures of it are."""

        def start(_: float) -> list[Output]:
            with self.lock:
                self._look = look = replace(self._look, **changes)  # type: ignore[arg-type]  # by name
                self._page = self._page if look.desk.page is None else look.desk
            if self._room is not None:
                self._room.want(look)
            return []

        def finished() -> bool:
            if self._room is not None and self._room.failure is not None:
                raise ScenarioError("the camera's picture cannot be drawn") from self._room.failure
            return not self._plugged or (self._film is not None and self._film.look == self._look)

        return Deed(start, finished, limit_s=DRAW_LIMIT_S)

    def _setting(self, **values: object) -> Deed:
        def start(_: float) -> list[Output]:
            with self._shown:
                for name, value in values.items():
                    setattr(self, name, value)
                self._shown.notify_all()
            return []

        return Deed(start)

    def _bind_place(self, words: Words) -> Deed:
        """``place [page=N turn=DEG desk=… paper=… qr=TEXT barcode=DIGITS blank=1 random=N]``: lay a page down."""
        desk = _desk(words, self._page)
        words.done()
        return self._changing(desk=desk)

    def _bind_remove(self, words: Words) -> Deed:
        """``remove``: take the page away."""
        words.done()
        return self._changing(desk=replace(self._page, page=None))

    def _bind_hand(self, words: Words) -> Deed:
        """``hand on|off``: hold a hand over the page."""
        return self._changing(hand=_switch(words))

    def _bind_glare(self, words: Words) -> Deed:
        """``glare on|off``: let a lamp shine on the page."""
        return self._changing(desk=replace(self._page, glare=0.8 if _switch(words) else 0.0))

    def _bind_light(self, words: Words) -> Deed:
        """``light normal|dark|black|over``: change the light."""
        light = words.required("normal, dark, black or over")
        words.done()
        if light not in LIGHTS:
            raise ScenarioError(f"light is one of {', '.join(LIGHTS)}, not {light!r}")
        return self._changing(light=light)

    def _bind_blur(self, words: Words) -> Deed:
        """``blur PX``: lose focus; pixels of a picture 3840 wide, 0 = sharp."""
        blur_px = to_seconds(words.required("PX"), "PX")
        words.done()
        return self._changing(blur_px=blur_px)

    def _bind_freeze(self, words: Words) -> Deed:
        """``freeze on|off``: send the last picture for ever."""
        return self._setting(_frozen=_switch(words))

    def _bind_stall(self, words: Words) -> Deed:
        """``stall on|off``: keep the connections and send nothing."""
        return self._setting(_stalled=_switch(words))

    def _bind_truncate(self, words: Words) -> Deed:
        """``truncate N``: cut the next N pictures short."""
        count = to_number(words.required("N"), "N", 0, 1_000_000)
        words.done()
        return self._setting(_cut_short=count)

    def _bind_slow(self, words: Words) -> Deed:
        """``slow S``: let every picture take S seconds on its way; 0 = as fast as it goes."""
        over_s = to_seconds(words.required("S"), "S")
        words.done()
        return self._setting(_over_s=over_s)

    def _bind_refuse(self, words: Words) -> Deed:
        """``refuse 401|403|404|503|200``: answer new viewers so; 200 = serve them again."""
        status = to_number(words.required("STATUS"), "STATUS", 200, 599)
        words.done()
        if status not in {200, *REASONS}:
            raise ScenarioError(f"STATUS is 200 or one of {', '.join(map(str, REASONS))}")
        return self._setting(_status=status)

    def _bind_drop(self, words: Words) -> Deed:
        """``drop``: cut every connection and go on listening."""
        words.done()

        def start(_: float) -> list[Output]:
            self._server.cut()
            return []

        return Deed(start)


def _desk(words: Words, before: Desk) -> Desk:
    """Return the desk that the words describe, for the rest like *before*."""
    if words.given("random"):
        before = random_desk(words.number("random", 0, 0, 1_000_000))
    return replace(
        before,
        colour=words.choice("desk", tuple(DESKS), before.colour),
        paper=words.choice("paper", tuple(PAPERS_MM), before.paper),
        page=words.number("page", before.page or 1, 1, 100_000),
        turn=float(words.number("turn", round(before.turn), -360, 360)),
        view_mm=float(words.number("view", round(before.view_mm), 50, 3000)),
        shift_mm=(before.shift_mm[0], float(words.number("down", round(before.shift_mm[1]), -1000, 1000))),
        qr=words.text("qr", before.qr or "") or None,
        barcode=words.text("barcode", before.barcode or "") or None,
        blank=words.flag("blank", default=before.blank),
    )


def _switch(words: Words) -> bool:
    wanted = words.required("on or off")
    words.done()
    if wanted not in ("on", "off"):
        raise ScenarioError(f"on or off, not {wanted!r}")
    return wanted == "on"


def _free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses: the camera keeps it when it is unplugged."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
