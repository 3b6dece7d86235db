"""Open the source that an address names."""

from __future__ import annotations

import cv2

from drivers import _camera_problems as problems
from drivers import _camera_v4l2 as v4l2
from drivers._camera_settings import CameraSettings
from drivers._camera_source import FilesSource, HttpSource, NodeSource, Source
from edge.driver import Port
from edge.plugging.plugged import nodes, of_one_device

_FILES_FPS = 5
_MANUAL = 1
"""Of V4L2_CID_EXPOSURE_AUTO."""


def open_source(port: Port, settings: CameraSettings) -> Source:
    """Return the opened source; raises a ``DeviceError``."""
    address, clock = port.address, port.monotonic
    if address.scheme == "http":
        query = f"?{settings.query}" if settings.query else ""
        return HttpSource(f"http://{address.target}{query}", clock)
    if address.scheme == "frames":
        return FilesSource(address.target, clock, int(address.options.get("fps", _FILES_FPS)), port.idle)
    node, serial = (address.target, None) if address.target.startswith("/") else _node_of(port)
    source = NodeSource(node, clock, settings.size, controls(settings))
    source.serial = serial
    got = source.size
    if settings.size is not None and got != settings.size:
        port.log("the camera takes another size than the configured one", width=got[0], height=got[1])
    return source


def controls(settings: CameraSettings) -> tuple[tuple[int, float], ...]:
    """Return the camera's controls in their order: what is automatic is switched off before a value is set."""
    found: list[tuple[int, float]] = []
    if settings.autofocus is not None or settings.focus is not None:
        found.append((cv2.CAP_PROP_AUTOFOCUS, float(bool(settings.autofocus))))
    if settings.focus is not None:
        found.append((cv2.CAP_PROP_FOCUS, float(settings.focus)))
    if settings.exposure is not None:
        found += [(cv2.CAP_PROP_AUTO_EXPOSURE, _MANUAL), (cv2.CAP_PROP_EXPOSURE, float(settings.exposure))]
    return tuple(found)


def _node_of(port: Port) -> tuple[str, str | None]:
    """Return the node of a USB device that takes pictures (it has others, for metadata), and its serial number."""
    target, options = port.address.target, port.address.options
    vendor_id, product_id = (int(part, 16) for part in target.split(":"))
    found = nodes("video4linux", vendor_id, product_id, options.get("serial"), options.get("port"))
    for one in of_one_device(found, f"v4l2:{target}"):
        if one.node is not None and v4l2.captures(one.node):
            return one.node, one.serial
    raise problems.no_capture(f"the camera {target}")
