"""Pictures that are worth nothing are taken again, and named when that does not help."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import DeviceLost, DeviceTimeout
from edge.events import Capture, Captured, LostPicture, Payload
from tests.drivers.camera_rig import camera


def flaw_of(event: Payload) -> str:
    assert isinstance(event, LostPicture), event
    return event.flaw


@pytest.mark.parametrize(
    ("line", "flaw"),
    [
        ("light black", "black"),
        ("light over", "over-exposed"),
        ("blur 40", "blurred"),
        ("truncate 1000", "truncated"),
        ("freeze on", "frozen"),
    ],
)
def test_a_bad_picture_is_named_and_the_next_good_one_is_taken(tmp_path: Path, line: str, flaw: str) -> None:
    with camera(tmp_path) as rig:
        rig.do(line)
        assert flaw_of(rig.capture(codes=False)) == flaw
        name, _, _ = line.partition(" ")
        rig.do({"light": "light normal", "freeze": "freeze off"}.get(name, f"{name} 0"))
        assert isinstance(rig.capture(codes=False), Captured)


def test_a_torn_picture_is_taken_again_twice(tmp_path: Path) -> None:
    with camera(tmp_path, fps=10) as rig:
        rig.do("truncate 2")
        assert isinstance(rig.capture(codes=False), Captured)


@pytest.mark.parametrize(
    ("line", "warning"),
    [("remove", "no-page"), ("light dark", "under-exposed"), ("blur 8", "blurred"), ("glare on", "over-exposed")],
)
def test_a_poor_picture_is_kept_with_a_warning(tmp_path: Path, line: str, warning: str) -> None:
    with camera(tmp_path) as rig:
        rig.do(line)
        event = rig.shot(codes=False)
        assert warning in event.warnings


def test_a_page_partly_outside_is_told_and_nothing_of_it_is_cut_away(tmp_path: Path) -> None:
    with camera(tmp_path, {"view_mm": 460}, desk="blue", down=90) as rig:
        event = rig.shot(codes=False, dpi=72)
        assert "page-cut-off" in event.warnings
        assert event.corners[2].y > 0.99
        assert event.corners[3].y > 0.99
        assert event.height / 72 * 25.4 == pytest.approx(297 / 2 + 460 * 0.75 / 2 - 90, abs=12)


def test_a_page_that_fills_the_picture_is_kept_whole(tmp_path: Path) -> None:
    with camera(tmp_path, view=280) as rig:
        event = rig.shot(codes=False)
        assert {"page-cut-off", "no-page"} & {*event.warnings}
        assert event.width * event.height > 0.5 * 960 * 720


def test_without_a_page_the_whole_picture_is_kept(tmp_path: Path) -> None:
    with camera(tmp_path, {"view_mm": 460}, empty=1) as rig:
        event = rig.shot(dpi=72)
        assert not event.corrected
        assert event.corners == ()
        assert (event.width, event.dpi) == (round(460 / 25.4 * 72), 72)
        assert event.codes == ()


@pytest.mark.parametrize("line", ["stall on", "unplug"])
def test_a_camera_that_dies_during_a_capture_loses_the_picture(tmp_path: Path, line: str) -> None:
    with camera(tmp_path) as rig:
        rig.do(line)
        events, error = rig.outcome(rig.job(Capture()))
        assert [flaw_of(event) for event in events] == ["no-picture"]
        assert isinstance(error, DeviceTimeout if line == "stall on" else DeviceLost)
