"""What can be wrong with a camera, and what to do then; the titles stand in ``drivers/messages/camera.toml``."""

from __future__ import annotations

from collections.abc import Mapping

from edge.driver import Named
from edge.errors import (
    DeviceAbsent,
    DeviceAccess,
    DeviceBusy,
    DeviceError,
    DeviceLost,
    DeviceProtocol,
    DeviceTimeout,
)
from edge.links.access import how_to_allow
from edge.links.holder import action_against, holder_of

_ACTIONS: Mapping[str, str] = {
    "CAM-101": "plug the camera's USB cable in",
    "CAM-104": "unplug the camera, wait five seconds and plug it in again",
    "CAM-105": "switch the camera off and on again",
    "CAM-106": "take the address that `hall-edge discover` shows for this camera",
    "CAM-107": "use a camera with MJPG: uncompressed pictures of this size do not go over the bus",
    "CAM-108": "plug the camera into a USB port of the PC itself, not into a hub",
    "CAM-109": "correct the path in the address: the camera's manual names that of its MJPEG stream",
    "CAM-110": "check the camera's cable and plug",
    "CAM-111": "plug the camera into another USB port",
    "CAM-112": "allow viewing without a password from this PC in the camera's settings",
    "CAM-113": "close the other program that watches this camera",
    "CAM-114": "set a smaller picture size at the camera: this PC cannot keep up with it",
    "CAM-115": "check the camera's power and network cable",
    "CAM-116": "put the pictures there, or correct the address",
}
HUNG = Named("CAM-117", "unplug the camera and plug it in again")
_HTTP = "http://"


def absent(where: str) -> DeviceAbsent:
    if where.startswith(_HTTP):
        return DeviceAbsent(f"no camera answers at {where}", code="CAM-115", action=_ACTIONS["CAM-115"])
    return DeviceAbsent(f"there is no camera at {where}", code="CAM-101", action=_ACTIONS["CAM-101"])


def no_files(pattern: str) -> DeviceAbsent:
    return DeviceAbsent(f"there are no pictures like {pattern}", code="CAM-116", action=_ACTIONS["CAM-116"])


def denied(node: str) -> DeviceAccess:
    action = how_to_allow(node, "video4linux")
    return DeviceAccess(f"no permission to open {node}", code="CAM-102", action=action)


def held(node: str) -> DeviceBusy:
    holder = holder_of(node)
    what = f"{node} is held by {holder or 'another program'}"
    return DeviceBusy(what, code="CAM-103", action=action_against(holder, node))


def silent(where: str, seconds: float) -> DeviceTimeout:
    what = f"the camera at {where} has sent no picture for {seconds:.1f} s"
    return DeviceTimeout(what, code="CAM-104", action=_ACTIONS["CAM-104"])


def frozen(seconds: float) -> DeviceTimeout:
    what = f"the camera has sent the same picture for {seconds:.1f} s"
    return DeviceTimeout(what, code="CAM-105", action=_ACTIONS["CAM-105"])


def no_capture(node: str) -> DeviceProtocol:
    return DeviceProtocol(f"{node} takes no pictures", code="CAM-106", action=_ACTIONS["CAM-106"])


def no_mjpg(node: str) -> DeviceProtocol:
    return DeviceProtocol(f"{node} offers no MJPG pictures", code="CAM-107", action=_ACTIONS["CAM-107"])


def no_room(node: str) -> DeviceError:
    what = f"the USB bus has no room for the pictures of {node}"
    return DeviceProtocol(what, code="CAM-108", action=_ACTIONS["CAM-108"])


def no_pictures(where: str, reply: str) -> DeviceProtocol:
    what = f"{where} answers {reply} instead of MJPEG pictures"
    return DeviceProtocol(what, code="CAM-109", action=_ACTIONS["CAM-109"])


def lost(where: str) -> DeviceLost:
    return DeviceLost(f"the camera at {where} went away", code="CAM-110", action=_ACTIONS["CAM-110"])


def unknown(where: str, why: str) -> DeviceProtocol:
    what = f"the camera at {where} cannot be opened ({why})"
    return DeviceProtocol(what, code="CAM-111", action=_ACTIONS["CAM-111"])


def refused(where: str, status: int) -> DeviceAccess:
    what = f"the camera at {where} refuses this PC (HTTP {status})"
    return DeviceAccess(what, code="CAM-112", action=_ACTIONS["CAM-112"])


def taken(where: str, status: int) -> DeviceBusy:
    what = f"the camera at {where} serves somebody else (HTTP {status})"
    return DeviceBusy(what, code="CAM-113", action=_ACTIONS["CAM-113"])


def late(seconds: float) -> DeviceTimeout:
    return DeviceTimeout(f"pictures are more than {seconds:.0f} s late", code="CAM-114", action=_ACTIONS["CAM-114"])
