"""Document cameras (高拍仪) of the USB video class, and network cameras with an MJPEG stream.

What it is
    One camera head over the desk. It is watched all the time; a picture is taken by the command ``capture``,
    and only one that was exposed after the request counts.

Config example
    ::

        [[device]]
        name = "camera-1"
        driver = "camera_uvc"
        address = "v4l2:///dev/v4l/by-path/pci-0000:00:14.0-usb-0:4:1.0-video-index0"
        view_mm = 420          # width of the desk that the camera sees: gives every page its true size

    Other addresses: ``v4l2:1b3f:2247?port=1-1.4`` (by USB identity), ``http://192.0.2.7:8080/video`` and
    ``frames:///folder/page_%03d.jpg`` (for trials, always simulated).
    All settings are told in docs/devices/camera_uvc.md.

What it needs
    ``opencv-python-headless``; read and write access to the node (group ``video``, or the shipped udev rule).

What its simulator does not do
    USB, focus and exposure controls, lens distortion, handwriting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from drivers import _camera_problems as problems
from drivers._camera_settings import ADDRESSES, ENVIRONMENT, CameraSettings
from drivers._camera_usb import offer
from edge.driver import DeviceInfo, Driver, Finding, Job, Port
from edge.errors import Unsupported
from edge.events import Capture, Params, Payload
from edge.links.address import Address
from edge.needs import Match, Needs
from edge.plugging.plugged import Offer, Plugged
from edge.selftest.model import Level

if TYPE_CHECKING:
    from drivers._camera_session import CameraSession

if find_spec("cv2") is None:  # it is loaded by the process that has the camera alone: 60 MiB
    raise ModuleNotFoundError("No module named 'cv2'", name="cv2")

OPENING_S = 10.0
NEEDS = Needs(
    devices=("char-video4linux",),
    groups=("video",),
    matches=(Match(subsystem="video4linux", properties={"ID_V4L_CAPABILITIES": "*:capture:*"}, taken=False),),
    network=("http:*",),
)
"""A camera's node stays with the group that Debian gives it: others may want to look through it, too."""


class DocumentCamera(Driver):
    """A camera; everything that needs OpenCV is in its session."""

    kind = "document-camera"
    settings_type = CameraSettings
    addresses = ADDRESSES
    needs = NEEDS
    lane = "process"
    memory_mb = 1024
    commands = (Capture,)
    hung = silent = problems.HUNG
    poll_limit_s = 2.0
    """A read ends after a second: ENVIRONMENT, and the same for MJPEG."""
    proof_s = 3.0

    def __init__(self, settings: CameraSettings, port: Port) -> None:
        super().__init__(settings, port)
        self._own = settings
        self._session: CameraSession | None = None

    def open(self) -> DeviceInfo:
        """Open the camera and wait until its pictures are settled."""
        from drivers._camera_session import CameraSession

        self.close()
        with self.port.slow(OPENING_S):
            self._session = session = CameraSession(self.port, self._own)
        try:
            with self.port.slow(OPENING_S):
                return session.settle()
        except BaseException:
            self.close()
            raise

    def poll(self, wait_s: float) -> list[Payload]:
        """Take pictures and forget them: the next command finds none that is old, a dead camera is noticed."""
        self._opened().watch(wait_s)
        return []

    def execute(self, command: Params, job: Job) -> Iterator[Payload]:
        """Take the pictures of one ``capture``."""
        if not isinstance(command, Capture):
            raise Unsupported(f"a document camera does not know {command.command}")
        yield from self._opened().capture(command, job)

    def selftest(self, level: Level, job: Job) -> list[Finding]:
        """Look at one picture: there is nothing to move or to ask."""
        del level
        return self._opened().tested(job)

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    @classmethod
    def fits(cls, found: Plugged) -> Offer | None:
        return offer(found)

    @classmethod
    def environment(cls, settings: CameraSettings, address: Address) -> Mapping[str, str]:
        """Return OpenCV's time-outs, which it reads once, when it is loaded."""
        del settings, address
        return ENVIRONMENT

    def _opened(self) -> CameraSession:
        if self._session is None:
            raise problems.lost("its address")
        return self._session
