"""What a document camera can be told in its ``[[device]]`` table, and how its address is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from drivers._picture_papers import PAPERS_MM
from edge.driver import Settings
from edge.links.address import (
    SERIAL_NUMBER,
    USB_PORT,
    AddressForm,
    host_check,
    path_check,
    pattern_check,
)

_USB_ID = r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}"
NODE = AddressForm("v4l2://", path_check("v4l2://"), path=True)
USB = AddressForm(
    "v4l2:",
    pattern_check(_USB_ID, "v4l2:VVVV:PPPP, as lsusb shows them, or v4l2:///dev/v4l/by-path/…"),
    {"serial": SERIAL_NUMBER, "port": USB_PORT},
)
HTTP = AddressForm("http://", host_check("http://HOST:PORT/PATH", r"(/[\w.~%+/-]{0,200})?", 80))
FILES = AddressForm("frames://", path_check("frames://"), {"fps": range(1, 31)}, path=True)
ADDRESSES = (NODE, USB, HTTP, FILES)

TIMEOUT_S = 2
"""A camera that sends nothing for so long is silent."""
ENVIRONMENT = {
    "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": str(TIMEOUT_S),
    "OPENCV_LOG_LEVEL": "SILENT",
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "no_proxy": "*",  # a camera in the hall is never behind a proxy
}

Side = Annotated[int, Meta(ge=160, le=10_000)]


class CameraSettings(Settings, frozen=True, kw_only=True):
    """Keys of the ``[[device]]`` table."""

    content: Literal["personal", "public"] = "personal"
    width: Side | None = None
    height: Side | None = None
    view_mm: Annotated[float, Meta(ge=20, le=3000)] | None = None
    papers: tuple[str, ...] = ("A4", "A5", "A3", "ID-1", "ID-3")
    turn: Literal[0, 90, 180, 270] = 0
    quality: Annotated[int, Meta(ge=30, le=100)] = 85
    autofocus: bool | None = None
    focus: Annotated[int, Meta(ge=0, le=65535)] | None = None
    exposure: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    settle_s: Annotated[float, Meta(ge=0, le=5)] = 0.5
    query: Annotated[str, Meta(max_length=500, pattern=r"^[!-~]*$(?!\n)")] = ""

    def problems(self) -> dict[str, str]:
        return dict(self._problems())

    def needs_sealing(self) -> bool:
        """Return whether a page may say something about a person."""
        return self.content == "personal"

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the camera's pictures; ``None``: the largest it has."""
        return (self.width, self.height) if self.width and self.height else None

    def _problems(self) -> Iterator[tuple[str, str]]:
        if (self.width is None) != (self.height is None):
            yield "height" if self.height is None else "width", "must not stand without the other one"
        if self.focus is not None and self.autofocus:
            yield "focus", "is fixed, so autofocus cannot be true"
        unknown = [name for name in self.papers if name not in PAPERS_MM]
        if unknown:
            yield "papers", f"knows only {', '.join(PAPERS_MM)}"
