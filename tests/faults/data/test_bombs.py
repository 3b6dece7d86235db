"""P1: pictures that would fill the memory are refused by their bytes and pixels, before anything decodes them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from drivers import _camera_change as change
from drivers import _escl_pages as pages
from drivers import _picture_checks as checks
from drivers._camera_settings import CameraSettings
from drivers._camera_shot import develop
from drivers._scan_blank import is_blank
from drivers._scan_pages import MOST_PIXELS, BadPageError, HugePageError, check_page
from edge.errors import DeviceError
from edge.events import Capture

HUGE = 40_000


def jpeg(width: int = 64, height: int = 64, *, progressive: bool = False) -> bytes:
    """Return a small JPEG whose head says that it has *width* × *height* pixels."""
    flags = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    data = bytearray(cv2.imencode(".jpg", np.full((64, 64, 3), 200, np.uint8), flags)[1].tobytes())
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0") + 5
    data[at : at + 4] = height.to_bytes(2) + width.to_bytes(2)
    return bytes(data)


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def png(side: int, depth: int = 8, color: int = 2) -> bytes:
    """Return a whole PNG of one colour: 40,000 × 40,000 pixels of one bit are 200 MB, and 200 kB as they travel."""
    row = b"\0" + bytes(side * {2: 3, 0: 1}[color] * depth // 8)
    packer, body = zlib.compressobj(1), b""
    for _ in range(side):
        body += packer.compress(row)
    head = side.to_bytes(4) * 2 + bytes((depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body + packer.flush()) + chunk(b"IEND", b"")


def pdf(inside: bytes, width: int, height: int) -> bytes:
    head = b"%%PDF-1.4\n1 0 obj\n<< /Subtype /Image /Width %d /Height %d /Filter /DCTDecode >>\nstream\n" % (
        width,
        height,
    )
    return head + inside + b"\nendstream\nendobj\n/MediaBox [0 0 595 842]\n%%EOF"


def tiff(side: int) -> bytes:
    entries = [(256, 4, 1, side), (257, 4, 1, side), (273, 4, 1, 8), (279, 4, 1, 4)]
    body = b"".join(
        tag.to_bytes(2, "little")
        + kind.to_bytes(2, "little")
        + count.to_bytes(4, "little")
        + value.to_bytes(4, "little")
        for tag, kind, count, value in entries
    )
    return b"II*\0" + (8).to_bytes(4, "little") + len(entries).to_bytes(2, "little") + body + bytes(4)


@pytest.fixture(scope="module")
def bombs() -> dict[str, tuple[str, bytes]]:
    return {
        "jpeg": ("image/jpeg", jpeg(HUGE, HUGE)),
        "progressive jpeg": ("image/jpeg", jpeg(HUGE, HUGE, progressive=True)),
        "largest jpeg": ("image/jpeg", jpeg(65_535, 65_535)),
        "png": ("image/png", png(HUGE, depth=1, color=0)),
        "pdf": ("application/pdf", pdf(jpeg(), 999_999, 999_999)),
        "pdf with a jpeg": ("application/pdf", pdf(jpeg(HUGE, HUGE), 64, 64)),
        "tiff": ("image/tiff", tiff(HUGE)),
    }


NAMES = ["jpeg", "progressive jpeg", "largest jpeg", "png", "pdf", "pdf with a jpeg", "tiff"]
JPEGS = NAMES[:3]


@pytest.fixture
def undecoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be decoded."""

    def decode(*_: Any, **__: Any) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(cv2, "imdecode", decode)


Bombs = dict[str, tuple[str, bytes]]


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("name", JPEGS)
def test_a_camera_does_not_decode_a_bomb(bombs: Bombs, name: str) -> None:
    _, data = bombs[name]
    assert develop(data, Capture(), CameraSettings(), lambda: None) == "truncated"
    assert change.glance(data) is None
    assert checks.reduced(data) is None


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("name", NAMES)
def test_a_scanners_page_that_is_a_bomb_is_refused_with_a_code_of_its_own(bombs: Bombs, name: str) -> None:
    media_type, data = bombs[name]
    if name != "pdf":  # which lies about a small picture
        assert is_blank(data, media_type, 1.0) is False
    if name != "pdf with a jpeg":
        with pytest.raises(HugePageError):
            check_page(data, media_type)
    with pytest.raises(DeviceError) as refused:
        pages.reshaped(pages.check(data, 300), "jpeg", 300, upside_down=False)
    assert refused.value.code == "ESC-144"
    assert "resolution" in refused.value.action


@pytest.mark.usefixtures("undecoded")
@pytest.mark.parametrize("side", [12_300, 17_000])
def test_a_large_page_that_is_no_bomb_is_passed_on_and_not_decoded(side: int) -> None:
    page = jpeg(side, side)
    assert pages.check(page, 300).width == side
    assert is_blank(page, "image/jpeg", 1.0) is False
    with pytest.raises(DeviceError) as refused:
        pages.reshaped(pages.check(page, 300), "png", 300, upside_down=False)
    assert refused.value.code == "ESC-144"


@pytest.mark.parametrize(
    "tall",
    [lambda width: MOST_PIXELS // width, lambda width: min(65_535, MOST_PIXELS // width + 1)],
    ids=["most", "more"],
)
@pytest.mark.parametrize("width", [20_000, 30_000, 65_535])
def test_the_limit_is_where_it_is_said_to_be(width: int, tall: Callable[[int], int]) -> None:
    height = tall(width)
    data = jpeg(width, height)
    if width * height > MOST_PIXELS:
        with pytest.raises(BadPageError, match="more than 300000000 pixels"):
            check_page(data, "image/jpeg")
    else:
        assert check_page(data, "image/jpeg").height == height
