"""What `capture` gives: the page as it lies there now, straightened, in the format that was asked for."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.events import Captured
from tests.drivers.camera_rig import CameraRig, camera, picture_of, unopened
from tests.support.wait import wait_until

A4_MM = (210.0, 297.0)
FULL_S = 0.4
"""A camera of 20 pictures a second that sends none for so long cannot."""


def sent_by(rig: CameraRig, count: int) -> list[bytes]:
    """Return pictures of the stream, read without OpenCV."""
    host, _, rest = rig.address.removeprefix("http://").partition(":")
    port, slash, path = rest.partition("/")
    pictures: list[bytes] = []
    with socket.create_connection((host, int(port))) as line, line.makefile("rb") as stream:
        line.sendall(f"GET {slash}{path} HTTP/1.0\r\n\r\n".encode())
        while len(pictures) < count:
            if (head := stream.readline()).lower().startswith(b"content-length:"):
                stream.readline()
                pictures.append(stream.read(int(head.split(b":")[1])))
    return pictures


def density(data: bytes) -> tuple[int, int]:
    """Return unit and density of a JFIF head."""
    assert data[6:11] == b"JFIF\0"
    return data[13], int.from_bytes(data[14:16])


def fill_buffers(rig: CameraRig) -> None:
    """Wait until the camera cannot send any more, because nobody reads."""
    sent, since = -1, 0.0

    def full() -> bool:
        nonlocal sent, since
        if (now := rig.bench.counters("cam")["pictures"]) != sent:
            sent, since = now, time.monotonic()
        return time.monotonic() - since > FULL_S

    wait_until(full, 20, "the camera cannot send any more")


def test_a_page_is_cut_out_straightened_and_scaled(tmp_path: Path) -> None:
    with camera(tmp_path, {"view_mm": 460}, turn=7, width=1440, height=1080) as rig:
        event = rig.shot(dpi=72, codes=False)
        picture = picture_of(rig.data(event))
        assert event.blob.media_type == "image/jpeg"
        assert event.corrected
        assert event.dpi == 72
        assert (event.width, event.height) == (round(210 / 25.4 * 72), round(297 / 25.4 * 72))
        assert picture.shape == (event.height, event.width, 3)
        assert density(rig.data(event)) == (1, 72)
        assert not event.warnings
        assert picture[5:-5, 5:-5].min() >= 0
        assert picture[[3, -4], :, :].mean() > 170  # paper up to its edge, no desk
        assert picture[:, [3, -4], :].mean() > 170


def test_the_corners_are_those_of_the_page(tmp_path: Path) -> None:
    with camera(tmp_path, turn=12, view=520, desk="blue") as rig:
        event = rig.shot()
        width, height = 960, 720
        found = np.array([(point.x * width, point.y * height) for point in event.corners])
        truth = np.array(rig.truth())
        diagonal = float(np.linalg.norm(truth[0] - truth[2]))
        assert np.linalg.norm(found - truth, axis=1).max() < 0.005 * diagonal


def test_the_device_says_itself_that_it_is_simulated(tmp_path: Path) -> None:
    with unopened(tmp_path) as rig:
        info = rig.driver.open()
        assert info.simulated
        assert info.model == "SIMULATED document camera"


def test_what_waited_in_buffers_is_never_the_picture(tmp_path: Path) -> None:
    """Nobody polls for a while: pictures pile up on their way. The first one is still the one that counts."""
    with camera(tmp_path, qr="OLD", width=1280, height=960) as rig:
        assert [code.text for code in rig.shot(dpi=150).codes or ()] == ["OLD"]
        fill_buffers(rig)
        rig.do("place qr=NEW")
        event = rig.shot(dpi=150)
        assert [code.text for code in event.codes or ()] == ["NEW"]
        assert event.after_ms >= 0


def test_the_cameras_own_jpeg_is_untouched(tmp_path: Path) -> None:
    with camera(tmp_path) as rig:
        event = rig.shot(format="original", codes=False)
        assert rig.data(event) in sent_by(rig, 8)
        assert not event.corrected
        assert len(event.corners) == 4
        whole = rig.shot(crop=False, codes=False)
        assert rig.data(whole) in sent_by(rig, 8)
        assert not whole.corrected


def test_png_has_no_losses_and_says_its_resolution(tmp_path: Path) -> None:
    with camera(tmp_path, {"view_mm": 460}) as rig:
        event = rig.shot(format="png", dpi=96, codes=False)
        data = rig.data(event)
        assert event.blob.media_type == "image/png"
        assert picture_of(data).shape == (event.height, event.width, 3)
        at = data.index(b"pHYs") + 4
        assert int.from_bytes(data[at : at + 4]) == round(96 / 0.0254)


def test_gray_has_one_channel(tmp_path: Path) -> None:
    with camera(tmp_path) as rig:
        assert picture_of(rig.data(rig.shot(color="gray", dpi=72, codes=False))).ndim == 2


def test_codes_on_the_page_are_read_in_any_position(tmp_path: Path) -> None:
    with camera(tmp_path, qr="示例-000123", barcode="690123456789", turn=93, view=380, width=1600, height=1200) as rig:
        event = rig.shot(dpi=200)
        assert {(code.symbology, code.text) for code in event.codes or ()} == {
            ("qr-code", "示例-000123"),
            ("ean-13", "6901234567892"),
        }
        assert "low-resolution" in event.warnings  # 97 dpi were there
        assert rig.shot(codes=False).codes is None
        assert {code.text for code in rig.shot(crop=False).codes or ()} == {"示例-000123", "6901234567892"}


def test_codes_are_sealed_unless_all_is_public(tmp_path: Path) -> None:
    with camera(tmp_path, {"content": "public"}) as rig:
        event = rig.shot(codes=True)
        assert event.hidden() == frozenset()
        assert not rig.driver.settings.needs_sealing()
    with camera(tmp_path / "personal") as rig:
        event = rig.shot(codes=True)
        assert "codes" in event.hidden()
        assert "codes" not in event.view(sealed=False)
        assert rig.driver.settings.needs_sealing()


def test_a_camera_may_be_mounted_turned(tmp_path: Path) -> None:
    with camera(tmp_path, turn=0) as rig:
        straight = small_of(rig)
        for turn in (90, 180, 270):
            turned = CameraRig(rig.bench, {"turn": turn})
            turned.driver.open()
            found = small_of(turned)
            turned.driver.close()
            expected = cv2.resize(np.rot90(straight, -turn // 90), (300, 300))
            assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9


def small_of(rig: CameraRig) -> NDArray[Any]:
    """Take a picture and return it in gray, as a square."""
    data = rig.data(rig.shot(dpi=72, codes=False, color="gray"))
    return cv2.resize(picture_of(data), (300, 300), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(("paper", "size_mm"), [("A4", A4_MM), ("A5", (148.0, 210.0)), ("ID-1", (85.6, 53.98))])
def test_the_camera_knows_papers_by_size(tmp_path: Path, paper: str, size_mm: tuple[float, float]) -> None:
    with camera(tmp_path, {"view_mm": 460}, paper=paper, turn=0) as rig:
        event = rig.shot(dpi=72, codes=False)
        assert (event.width, event.height) == tuple(round(side / 25.4 * 72) for side in size_mm)


def test_without_a_view_a_page_of_that_shape_counts_as_a4(tmp_path: Path) -> None:
    with camera(tmp_path, paper="A5") as rig:
        event = rig.shot(dpi=72, codes=False)
        assert (event.width, event.height) == tuple(round(side / 25.4 * 72) for side in A4_MM)


def test_paper_that_nobody_knows_has_no_resolution(tmp_path: Path) -> None:
    with camera(tmp_path, {"papers": ["ID-1"]}) as rig:
        event = rig.shot(dpi=300, codes=False)
        assert event.dpi is None
        assert "low-resolution" not in event.warnings  # nothing was enlarged
        assert event.height / event.width == pytest.approx(297 / 210, rel=0.01)


def test_a_folder_of_pictures_is_a_camera(tmp_path: Path) -> None:
    with camera(tmp_path, files=1, qr="FILES", width=1600, height=1200) as rig:
        assert rig.address.startswith("frames:///")
        for _ in range(2):
            event = rig.shot(dpi=150)
            assert [code.text for code in event.codes or ()] == ["FILES"]
        original = rig.shot(format="original", codes=False)
        files = [file.read_bytes() for file in tmp_path.glob("cam/*.jpg")]
        assert rig.data(original) in files
        rig.do("unplug")
        error, _ = rig.noticed()
        assert error.code == "CAM-110"


def test_events_fit_the_contract(tmp_path: Path) -> None:
    with camera(tmp_path) as rig:
        event = rig.shot()
        assert isinstance(event, Captured)
        assert event.shots == event.shot == 1
        assert 0 < (event.sharpness or 0) <= 1
