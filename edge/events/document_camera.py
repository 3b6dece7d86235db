"""Document cameras (高拍仪): one picture at a time, of the page that lies under them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.events.base import Params, Payload, Personal, RequestId
from edge.events.blob import WithBlob

Ratio = Annotated[float, Meta(ge=0.0, le=1.0)]
PictureFlaw = Literal["frozen", "black", "over-exposed", "blurred", "truncated", "no-picture"]
CaptureWarning = Literal["blurred", "over-exposed", "under-exposed", "no-page", "page-cut-off", "low-resolution"]


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A place in the camera's picture, as parts of its width and height."""

    x: Ratio
    y: Ratio


class CodeOnPage(Personal, frozen=True, kw_only=True):
    """A bar code or QR code that the page shows."""

    symbology: str
    text: Annotated[str, Meta(max_length=4296)]


class Captured(WithBlob, frozen=True, kw_only=True):
    """A picture was taken after it was asked for. ``corners`` of the page, clockwise from the upper left."""

    kind = "document-camera"
    type = "captured"
    sealed_fields = frozenset({"blob_key", "codes"})
    session: RequestId
    shots: Annotated[int, Meta(ge=1, description="pictures in the blob; more than one in a PDF")] = 1
    shot: Annotated[int, Meta(ge=1, description="number of this blob in its session")] = 1
    width: Annotated[int, Meta(ge=1, description="pixels of the first picture")]
    height: Annotated[int, Meta(ge=1)]
    dpi: int | None = None
    corrected: bool
    """Whether page, perspective and rotation were corrected; false: the camera's own picture."""
    corners: Annotated[tuple[Point, ...], Meta(max_length=4)] = ()
    sharpness: Annotated[float, Meta(ge=0.0)] | None = None
    after_ms: Annotated[int, Meta(ge=0, description="from the request to the exposure of the picture")]
    warnings: tuple[CaptureWarning, ...] = ()
    codes: Annotated[tuple[CodeOnPage, ...], Meta(max_length=32)] | None = None


class LostPicture(Payload, frozen=True, kw_only=True):
    """A picture was asked for, and the camera gave none that is worth keeping."""

    kind = "document-camera"
    type = "lost-picture"
    session: RequestId
    flaw: PictureFlaw


class Capture(Params, frozen=True, kw_only=True):
    """Take ``shots`` pictures of the page under the camera: the first now, each other when the page was changed."""

    kind = "document-camera"
    command = "capture"
    tier = "act"
    format: Literal["jpeg", "png", "pdf", "original"] = "jpeg"
    """``original``: the camera's own JPEG, untouched. ``pdf``: all shots in one document."""
    crop: bool = True
    dpi: Annotated[int, Meta(ge=72, le=600)] = 200
    color: Literal["color", "gray"] = "color"
    shots: Annotated[int, Meta(ge=1, le=20)] = 1
    codes: bool = True
