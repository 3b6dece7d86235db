"""A camera that looks no more is noticed within 3 s, and each reason for having no camera is told by its own code."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from drivers.camera_uvc import OPENING_S
from edge.errors import (
    DeviceAbsent,
    DeviceAccess,
    DeviceBusy,
    DeviceError,
    DeviceLost,
    DeviceProtocol,
    DeviceTimeout,
)
from tests.drivers.camera_rig import SOON_S, camera, unopened


@pytest.mark.parametrize(
    ("line", "error_type", "code"),
    [
        ("unplug", DeviceLost, "CAM-110"),
        ("drop", DeviceLost, "CAM-110"),
        ("stall on", DeviceTimeout, "CAM-104"),
        ("freeze on", DeviceTimeout, "CAM-105"),
    ],
)
def test_a_dead_camera_is_noticed(tmp_path: Path, line: str, error_type: type[DeviceError], code: str) -> None:
    with camera(tmp_path) as rig:
        rig.driver.poll(0.1)
        rig.do(line)
        error, took_s = rig.noticed()
        assert isinstance(error, error_type)
        assert error.code == code
        assert took_s < SOON_S


def test_a_covered_lens_is_not_dead(tmp_path: Path) -> None:
    """Pictures that show nothing may be equal: that says nothing about the camera."""
    with camera(tmp_path) as rig:
        rig.do("light black")
        rig.bench.wait_count("cam", "pictures", rig.bench.counters("cam")["pictures"] + 2)
        rig.do("freeze on")
        end = time.monotonic() + SOON_S
        while time.monotonic() < end:
            rig.driver.poll(0.5)


def test_a_slow_camera_is_not_dead(tmp_path: Path) -> None:
    with camera(tmp_path) as rig:
        rig.do("slow 0.9")
        end = time.monotonic() + SOON_S
        while time.monotonic() < end:
            rig.driver.poll(0.5)
        assert rig.port.last_proof is not None


def test_a_frozen_camera_does_not_open(tmp_path: Path) -> None:
    with camera(tmp_path) as rig:
        rig.do("freeze on")
        rig.driver.close()
        with pytest.raises(DeviceTimeout) as caught:
            rig.driver.open()
        assert caught.value.code == "CAM-105"
        rig.do("freeze off")
        rig.driver.open()


@pytest.mark.parametrize(
    ("status", "error_type", "code"),
    [
        (401, DeviceAccess, "CAM-112"),
        (403, DeviceAccess, "CAM-112"),
        (503, DeviceBusy, "CAM-113"),
        (404, DeviceProtocol, "CAM-109"),
    ],
)
def test_a_refusal_says_why(tmp_path: Path, status: int, error_type: type[DeviceError], code: str) -> None:
    with unopened(tmp_path) as rig:
        rig.do(f"refuse {status}")
        with pytest.raises(error_type) as caught:
            rig.driver.open()
        assert caught.value.code == code
        rig.do("refuse 200")
        rig.driver.open()


def test_nothing_at_the_address_is_absent(tmp_path: Path) -> None:
    with unopened(tmp_path) as rig:
        rig.do("unplug")
        with pytest.raises(DeviceAbsent) as caught:
            rig.driver.open()
        assert caught.value.code == "CAM-115"


def test_a_mute_server_is_given_up_in_time(tmp_path: Path) -> None:
    with unopened(tmp_path) as rig:
        rig.do("unplug")
        port = int(rig.address.rpartition(":")[2].partition("/")[0])
        with socket.create_server(("127.0.0.1", port)):
            began = time.monotonic()
            with pytest.raises(DeviceTimeout) as caught:
                rig.driver.open()
        assert caught.value.code == "CAM-104"
        assert time.monotonic() - began < OPENING_S


def test_what_is_no_camera_is_told(tmp_path: Path) -> None:
    with unopened(tmp_path) as rig:
        rig.port.address = type(rig.port.address)(
            "http", rig.port.address.target.replace("camera.mjpg", "truth.json"), {}
        )
        with pytest.raises(DeviceProtocol) as caught:
            rig.driver.open()
        assert caught.value.code == "CAM-109"


def test_a_camera_closes_at_once_and_opens_again(tmp_path: Path) -> None:
    with camera(tmp_path) as rig:
        for _ in range(3):
            began = time.monotonic()
            rig.driver.close()
            assert time.monotonic() - began < 0.5
            rig.driver.open()


def test_messages_never_hold_the_query(tmp_path: Path) -> None:
    with unopened(tmp_path, {"query": "token=geheim"}) as rig:
        rig.do("unplug")
        with pytest.raises(DeviceAbsent) as caught:
            rig.driver.open()
        assert "geheim" not in str(caught.value)
