"""What can be wrong with a camera: one table of codes, and how each is told."""

from __future__ import annotations

from edge.errors import (
    DeviceAbsent,
    DeviceAccess,
    DeviceBusy,
    DeviceError,
    DeviceLost,
    DeviceProtocol,
    DeviceTimeout,
)

CODES: dict[str, str] = {
    "CAM-101": "there is no camera at the address",
    "CAM-102": "no permission to open the camera",
    "CAM-103": "another program uses the camera",
    "CAM-104": "the camera sends no pictures",
    "CAM-105": "the camera sends the same picture again and again",
    "CAM-106": "the address names no camera that takes pictures",
    "CAM-107": "the camera offers no MJPG pictures",
    "CAM-108": "the USB bus has no room for the camera's pictures",
    "CAM-109": "what answers at the address sends no pictures",
    "CAM-110": "the camera went away",
    "CAM-111": "the camera cannot be opened, and does not say why",
    "CAM-112": "the camera asks for a password or refuses this PC",
    "CAM-113": "the camera serves somebody else and refuses another viewer",
    "CAM-114": "the camera's pictures arrive later and later",
}


def absent(where: str) -> DeviceAbsent:
    return DeviceAbsent(f"there is no camera at {where}", code="CAM-101")


def denied(node: str) -> DeviceAccess:
    action = f"let the daemon's user read and write it: ls -lL {node}; group video or a udev rule"
    return DeviceAccess(f"no permission to open {node}", code="CAM-102", action=action)


def held(node: str, holder: str | None) -> DeviceBusy:
    action = f"close {holder}" if holder else "close the other program (lsof names it)"
    return DeviceBusy(f"{node} is held by {holder or 'another program'}", code="CAM-103", action=action)


def silent(where: str, seconds: float) -> DeviceTimeout:
    return DeviceTimeout(f"the camera at {where} has sent no picture for {seconds:.1f} s", code="CAM-104")


def frozen(seconds: float) -> DeviceTimeout:
    return DeviceTimeout(f"the camera has sent the same picture for {seconds:.1f} s", code="CAM-105")


def no_capture(node: str) -> DeviceProtocol:
    action = "use the address that `hall-edge discover` shows; a camera's second node often carries only metadata"
    return DeviceProtocol(f"{node} takes no pictures", code="CAM-106", action=action)


def no_mjpg(node: str) -> DeviceProtocol:
    action = "use a camera or a USB mode with MJPG: uncompressed pictures of this size do not go over the bus"
    return DeviceProtocol(f"{node} offers no MJPG pictures", code="CAM-107", action=action)


def no_room(node: str) -> DeviceError:
    action = "put the camera on a USB port of its own (not on a hub), or set a smaller width and height"
    return DeviceProtocol(f"the USB bus has no room for the pictures of {node}", code="CAM-108", action=action)


def no_pictures(where: str, what: str) -> DeviceProtocol:
    action = "check the path of the address: the camera's manual names that of its MJPEG stream"
    return DeviceProtocol(f"{where} answers {what} instead of MJPEG pictures", code="CAM-109", action=action)


def lost(where: str) -> DeviceLost:
    return DeviceLost(f"the camera at {where} went away", code="CAM-110")


def unknown(where: str, why: str) -> DeviceProtocol:
    action = "unplug the camera and plug it in again; if it stays, look into the kernel's log (dmesg)"
    return DeviceProtocol(f"the camera at {where} cannot be opened ({why})", code="CAM-111", action=action)


def refused(where: str, status: int) -> DeviceAccess:
    action = "allow viewing without a password from this PC in the camera's settings"
    return DeviceAccess(f"the camera at {where} refuses this PC (HTTP {status})", code="CAM-112", action=action)


def taken(where: str, status: int) -> DeviceBusy:
    action = "close the other program that watches this camera"
    return DeviceBusy(f"the camera at {where} serves somebody else (HTTP {status})", code="CAM-113", action=action)


def late(seconds: float) -> DeviceTimeout:
    action = "lower the camera's frame rate or size: this PC cannot keep up with its pictures"
    return DeviceTimeout(f"pictures are more than {seconds:.0f} s late", code="CAM-114", action=action)
