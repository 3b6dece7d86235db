"""JPEG facts, picture checks, true shapes, PDF: each by itself."""

from __future__ import annotations

import math
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from drivers import _picture_output as output
from drivers._camera_settings import ADDRESSES, CameraSettings
from drivers._camera_shot import develop
from drivers._picture_checks import is_torn, quality_of
from drivers._picture_codes import read_codes
from drivers._picture_geometry import fitting_paper, shape_of
from drivers._picture_jpeg import facts_of, trimmed
from drivers._picture_pdf import PdfPage, write_pdf
from edge.errors import ConfigError
from edge.events import Capture
from edge.links.address import parse_address
from simulators.desk_pictures import Desk, corners_of
from simulators.pictures import draw_page
from tests.drivers.pdf_reader import read_pdf

PAGE = draw_page(1, 2, 620, 877, qr="A")


def jpeg_of(picture: NDArray[Any]) -> bytes:
    return cv2.imencode(".jpg", picture)[1].tobytes()


# --- JPEG ---


def test_facts_of_a_jpeg() -> None:
    data = jpeg_of(PAGE)
    facts = facts_of(data[:2] + b"\xff\xfe\x00\x07hello" + data[2:])
    assert facts is not None
    assert (facts.width, facts.height, facts.channels, facts.comments) == (620, 877, 3, (b"hello",))
    assert facts.whole
    assert facts.decodable


def test_what_stands_behind_the_end_is_cut_off() -> None:
    data = jpeg_of(PAGE)
    assert trimmed(data + bytes(5000)) == data


@given(st.integers(min_value=0, max_value=100))
def test_a_cut_picture_is_never_whole(percent: int) -> None:
    data = jpeg_of(PAGE)
    cut = data[: (len(data) - 3) * percent // 100]
    facts = facts_of(cut)
    assert facts is None or not facts.whole
    assert develop(cut, Capture(), CameraSettings(), lambda: None) == "truncated"


@given(st.binary(max_size=300))
def test_noise_is_no_picture(noise: bytes) -> None:
    assert develop(b"\xff\xd8" + noise, Capture(), CameraSettings(), lambda: None) == "truncated"


def test_a_picture_that_would_fill_the_memory_is_not_decoded() -> None:
    """A bomb: the head says 40,000 × 40,000 pixels."""
    data = bytearray(jpeg_of(np.zeros((64, 64, 3), np.uint8)))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = (40_000).to_bytes(2) * 2
    facts = facts_of(bytes(data))
    assert facts is not None
    assert not facts.decodable
    assert develop(bytes(data), Capture(), CameraSettings(), lambda: None) == "truncated"


def test_a_picture_that_lost_its_lower_part_is_torn() -> None:
    torn = PAGE.copy()
    torn[600:] = 128
    assert is_torn(torn)
    assert quality_of(torn).flaw == "truncated"
    assert not is_torn(PAGE)


# --- shape and size ---


@pytest.mark.parametrize("tilt", [(0, 0), (10, 0), (0, -12), (8, 9), (-14, 5)])
@pytest.mark.parametrize("paper", ["A4", "ID-1"])
def test_the_true_shape_is_seen_through_perspective(paper: str, tilt: tuple[float, float]) -> None:
    desk = Desk(paper=paper, tilt=tilt, turn=90 if paper == "A4" else 0, view_mm=460)
    shape = shape_of(np.roll(np.array(corners_of(desk, 1920, 1080)), -3 if paper == "A4" else 0, axis=0), 1920, 1080)
    assert abs(math.log(shape.ratio)) == pytest.approx(math.log(297 / 210 if paper == "A4" else 85.6 / 53.98), abs=0.01)


def test_size_tells_papers_of_one_shape_apart() -> None:
    names = ("A4", "A5", "A3")
    for long_side, expected in ((297, "A4"), (210, "A5"), (418, "A3"), (None, "A4")):
        paper = fitting_paper(210 / 297, names, long_side)
        assert paper is not None
        assert paper.name == expected
        assert paper.width_mm < paper.height_mm
    assert fitting_paper(1.0, names, None) is None
    assert fitting_paper(210 / 297, names, 250) is None


def test_enlarging_is_told() -> None:
    corners = np.array([(0, 0), (700, 0), (700, 990), (0, 990)], np.float64)
    small = output.target_of(corners, 1000, 1000, dpi=200, papers=("A4",), view_mm=None)
    assert (small.width, small.height, small.enlarged) == (1654, 2339, True)
    assert not output.target_of(corners, 1000, 1000, dpi=72, papers=("A4",), view_mm=None).enlarged


# --- codes ---


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_codes_are_read_in_every_quarter_turn(turn: int) -> None:
    page = np.rot90(draw_page(3, 4, 1240, 1754, qr="示例 市", barcode="690123456789"), turn)
    assert {code.text for code in read_codes(np.ascontiguousarray(page))} == {"示例 市", "6901234567892"}


def test_a_page_without_codes_has_none() -> None:
    assert read_codes(draw_page(5, 6, 1240, 1754)) == ()


# --- PDF ---


def test_a_pdf_shows_every_jpeg_untouched_at_its_size() -> None:
    color, gray = jpeg_of(PAGE), jpeg_of(cv2.cvtColor(PAGE, cv2.COLOR_BGR2GRAY))
    one, two, three = read_pdf(write_pdf([PdfPage(color, 75), PdfPage(gray, 150), PdfPage(color)]))
    assert (one.jpeg, two.jpeg, three.jpeg) == (color, gray, color)
    assert one.size_points == pytest.approx((620 / 75 * 72, 877 / 75 * 72), abs=0.01)
    assert (one.size_px, one.space, two.space) == ((620, 877), "DeviceRGB", "DeviceGray")


@pytest.mark.parametrize("pages", [[], [PdfPage(b"no picture")]])
def test_a_pdf_of_nothing_is_refused(pages: list[PdfPage]) -> None:
    with pytest.raises(ValueError, match="PDF"):
        write_pdf(pages)


# --- settings ---


@pytest.mark.parametrize(
    "address",
    [
        "v4l2:///dev/v4l/by-path/pci-0000:00:14.0-usb-0:4:1.0-video-index0",
        "v4l2:1b3f:2247?port=1-1.4&serial=A%2001",
        "http://192.0.2.7:8080/video/camera.mjpg",
        "http://192.0.2.7",
        "frames:///var/tmp/page_%03d.jpg?fps=3",
    ],
)
def test_addresses_of_cameras(address: str) -> None:
    assert parse_address(address, ADDRESSES).scheme == address.partition(":")[0]


@pytest.mark.parametrize(
    "address",
    ["http://user:word@192.0.2.7/", "http://192.0.2.7/a?b=c", "v4l2:1b3f", "frames://here.jpg", "rtsp://192.0.2.7/"],
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ConfigError):
        parse_address(address, ADDRESSES)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"width": 1920}, "height"),
        ({"height": 1080}, "width"),
        ({"autofocus": True, "focus": 100}, "focus"),
        ({"papers": ["A4", "A99"]}, "papers"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, object], key: str) -> None:
    assert list(msgspec.convert(settings, CameraSettings).problems()) == [key]
