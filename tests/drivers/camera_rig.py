"""A simulated document camera with its driver, for tests of the driver in this process."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers._camera_settings import ADDRESSES, CameraSettings
from drivers.camera_uvc import DocumentCamera
from edge.errors import DeviceError, EdgeError
from edge.events import Capture, Captured, Payload, revealed
from edge.jobs import DeviceJob
from edge.links.address import parse_address
from edge.port import DevicePort
from simulators.bench import Bench

REQUEST_ID = "00000000-0000-4000-8000-000000000001"
SMALL: Mapping[str, object] = {"width": 960, "height": 720, "fps": 20}
QUICK: Mapping[str, Any] = {"settle_s": 0.05}
SOON_S = 3.0
"""A dead camera is noticed within this."""


class CameraRig:
    """One camera on the bench ``cam`` and a driver that looks at it."""

    def __init__(self, bench: Bench, settings: Mapping[str, Any], address: str | None = None) -> None:
        self.bench = bench
        self.address = address or bench.address("cam")
        self.port = DevicePort("camera-1", parse_address(self.address, ADDRESSES), b"key")
        checked = msgspec.convert({**QUICK, **settings}, CameraSettings)
        assert checked.problems() == {}
        self.driver = DocumentCamera(checked, self.port)
        self.steps: list[tuple[str, int | None, int | None]] = []
        """Progress that was reported."""
        self.blobs: dict[str, bytes] = {}
        self.ended_by: EdgeError | None = None

    def do(self, line: str) -> None:
        """Do something at the camera."""
        self.bench.do(f"cam {line}")

    def truth(self) -> list[tuple[float, float]]:
        """Return the true corners of the page in pixels, as the camera tells them."""
        host = self.address.removeprefix("http://").partition("/")[0]
        with urllib.request.urlopen(f"http://{host}/truth.json", timeout=5) as answer:
            corners: list[tuple[float, float]] = json.load(answer)["corners"]
        return corners

    def job(self, command: Capture, limit_s: float = 30.0) -> DeviceJob:
        """Return a job whose progress is kept."""
        deadline = time.monotonic() + limit_s
        return DeviceJob(REQUEST_ID, command, deadline, progress=lambda *step: self.steps.append(step))

    def events(self, job: DeviceJob) -> Iterator[Payload]:
        """Yield what comes of *job*; blobs are taken as the core would take them."""
        for event in self.driver.execute(job.command, job):
            if isinstance(event, Captured):
                assert event.blob.id not in self.blobs
                self.blobs[event.blob.id] = bytes(self.port.take_blob(event.blob.id))
            yield event

    def outcome(self, job: DeviceJob) -> tuple[list[Payload], EdgeError | None]:
        """Return all events of *job*, and the error that ended it."""
        events: list[Payload] = []
        try:
            for event in self.events(job):
                events.append(event)  # noqa: PERF402  # those before an error are kept
        except EdgeError as error:
            return events, error
        return events, None

    def capture(self, **wanted: Any) -> Payload:
        """Take one picture and return its event."""
        (event,) = self.events(self.job(Capture(**wanted)))
        return event

    def shot(self, **wanted: Any) -> Captured:
        """Take one picture that has to be worth keeping."""
        event = self.capture(**wanted)
        assert isinstance(event, Captured), revealed(event)
        return event

    def data(self, event: Captured) -> bytes:
        """Return the document of an event."""
        return self.blobs[event.blob.id]

    def noticed(self) -> tuple[DeviceError, float]:
        """Poll until the driver gives the camera up; return the error and how long that took."""
        began = time.monotonic()
        while time.monotonic() - began < 4 * SOON_S:
            try:
                self.driver.poll(0.5)
            except DeviceError as error:
                return error, time.monotonic() - began
        raise AssertionError("the driver goes on believing in a dead camera")


@contextmanager
def camera(folder: Path, settings: Mapping[str, Any] | None = None, **options: object) -> Iterator[CameraRig]:
    """Yield a camera and its opened driver."""
    with unopened(folder, settings, **options) as rig:
        rig.driver.open()
        yield rig


@contextmanager
def unopened(folder: Path, settings: Mapping[str, Any] | None = None, **options: object) -> Iterator[CameraRig]:
    """Yield a camera and its driver, which is not open yet."""
    with Bench(folder) as bench:
        bench.add("cam", "camera_uvc", **{**SMALL, **options})
        rig = CameraRig(bench, settings or {})
        try:
            yield rig
        finally:
            rig.driver.close()


def picture_of(data: bytes) -> NDArray[Any]:
    """Decode a JPEG or PNG as it is."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return np.asarray(picture)
