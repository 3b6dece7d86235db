"""OpenCV's real V4L2 backend, on a camera that a preloaded library plays: nodes, formats, refusals, unplug, silence."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.drivers.v4l2_camera import METADATA, NODE, DriverChild, V4l2Camera
from tests.support.project import ROOT

SOON_S = 3.0
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the library."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: V4L2 is not tested (apt install gcc libc6-dev)")
    library = tmp_path_factory.mktemp("shim") / "v4l2_shim.so"
    source = ROOT / "tests" / "drivers" / "v4l2_shim.c"
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", str(library), str(source), "-ldl"], check=True)
    return library


@contextmanager
def plugged(folder: Path, shim: Path, node: str = NODE, **settings: object) -> Iterator[tuple[V4l2Camera, DriverChild]]:
    """Yield a camera and the driver's process, which has not opened it yet."""
    with (
        V4l2Camera(folder) as camera,
        DriverChild(folder, shim, f"v4l2://{folder / node}", {"settle_s": 0.1, **settings}) as child,
    ):
        yield camera, child


def test_mjpg_comes_before_the_size_and_the_size_before_the_focus(tmp_path: Path, shim: Path) -> None:
    with plugged(tmp_path, shim, width=1280, height=960, focus=120) as (camera, child):
        info = child.ask("open")
        assert info["model"] == "Simulated DocCam"
        assert info["simulated"]
        event = child.ask("capture", format="original")
        assert (event["type"], event["width"], event["height"]) == ("captured", 1280, 960)
        log = camera.log()
        last = len(log) - log[::-1].index("width 1280") - 1
        assert log[last - 1] == "format 1"
        assert log[last + 1 :] == ["autofocus 0", "focus 120"]


def test_without_a_setting_the_largest_size_is_taken(tmp_path: Path, shim: Path) -> None:
    with plugged(tmp_path, shim) as (_, child):
        assert child.ask("look", node=str(tmp_path / NODE))["sizes"][0] == [1600, 1200]
        child.ask("open")
        event = child.ask("capture", crop=False)
        assert (event["width"], event["height"]) == (1600, 1200)
        assert 0 <= event["after_ms"] < 3000


def test_pictures_from_before_the_request_do_not_count(tmp_path: Path, shim: Path) -> None:
    """Their times say when they were taken: with a long way every fresh one has to be waited for."""
    with plugged(tmp_path, shim, width=640, height=480) as (camera, child):
        camera.late_s = 1.0
        child.ask("open")
        event = child.ask("capture")
        assert event["type"] == "captured"
        assert 1.0 <= event["took_s"] < 3.0
        assert event["after_ms"] < 500


def test_the_metadata_node_is_no_camera(tmp_path: Path, shim: Path) -> None:
    with plugged(tmp_path, shim, METADATA) as (_, child):
        assert not child.ask("look", node=str(tmp_path / METADATA))["captures"]
        assert child.ask("open")["code"] == "CAM-106"


@pytest.mark.parametrize(
    ("mode", "error", "code"),
    [
        ("busy", "DeviceBusy", "CAM-103"),
        ("nospace", "DeviceProtocol", "CAM-108"),
        ("yuyv", "DeviceProtocol", "CAM-107"),
        ("denied", "DeviceAccess", "CAM-102"),
    ],
)
def test_what_the_kernel_refuses_is_told(tmp_path: Path, shim: Path, mode: str, error: str, code: str) -> None:
    with plugged(tmp_path, shim) as (camera, child):
        camera.mode(mode)
        answer = child.ask("open")
        assert (answer["error"], answer["code"]) == (error, code)
        camera.mode("")
        assert "error" not in child.ask("open")


def test_a_missing_node_is_absent(tmp_path: Path, shim: Path) -> None:
    with plugged(tmp_path, shim) as (camera, child):
        camera.unplug()
        assert child.ask("open")["code"] == "CAM-101"
        camera.plug()
        assert "error" not in child.ask("open")


@pytest.mark.parametrize(("how", "code"), [("unplug", "CAM-110"), ("stall", "CAM-104"), ("freeze", "CAM-105")])
def test_a_dead_camera_is_noticed(tmp_path: Path, shim: Path, how: str, code: str) -> None:
    """OpenCV alone would wait for 10 s, or return the last picture for ever."""
    with plugged(tmp_path, shim, width=640, height=480) as (camera, child):
        child.ask("open")
        assert child.ask("poll", seconds=0.5)["proved"]
        if how == "unplug":
            camera.unplug()
        camera.stalled, camera.frozen = how == "stall", how == "freeze"
        answer = child.ask("poll", seconds=4 * SOON_S)
        assert answer["code"] == code
        assert answer["took_s"] < SOON_S
