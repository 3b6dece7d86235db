"""The self-test of a camera tells what is wrong with its picture, and keeps none."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from edge.driver import Finding
from edge.errors import DeviceTimeout
from edge.jobs import SelftestJob
from edge.messages import sentence
from tests.drivers.camera_rig import CameraRig, camera


def found(rig: CameraRig) -> list[Finding]:
    """Return what the self-test finds."""
    job = SelftestJob("internal", time.monotonic() + 20)
    return list(rig.driver.selftest("internal", job))


@pytest.mark.parametrize(
    ("line", "code", "result"),
    [
        ("light black", "CAM-204", "fail"),
        ("light over", "CAM-203", "fail"),
        ("light dark", "CAM-202", "warn"),
        ("glare on", "CAM-205", "warn"),
        ("blur 40", "CAM-201", "warn"),
        ("blur 9", "CAM-201", "warn"),
        ("truncate 1000", "CAM-206", "fail"),
    ],
)
def test_what_is_wrong_with_the_picture_is_told(tmp_path: Path, line: str, code: str, result: str) -> None:
    with camera(tmp_path) as rig:
        rig.do(line)
        assert [(finding.code, finding.result) for finding in found(rig)] == [(code, result)]
        assert not rig.blobs
        assert not sentence(code, "", "zh").isascii()


@pytest.mark.parametrize("desk", ["", "dark", "white"])
def test_an_empty_desk_is_nothing_wrong(tmp_path: Path, desk: str) -> None:
    """Dark ones are usual: they show pages best."""
    options: dict[str, Any] = {"desk": desk, "empty": 1} if desk else {}
    with camera(tmp_path, **options) as rig:
        (finding,) = found(rig)
        assert (finding.code, finding.result) == ("CAM-000", "ok")
        assert finding.details["width"] == 960
        assert "实时画面 960 x 720" in sentence(finding.code, finding.seen, "zh")


def test_a_frozen_picture_is_a_camera_that_does_not_answer(tmp_path: Path) -> None:
    with camera(tmp_path) as rig:
        rig.do("freeze on")
        rig.driver.poll(0.2)
        with pytest.raises(DeviceTimeout) as caught:
            found(rig)
        assert caught.value.code == "CAM-105"
