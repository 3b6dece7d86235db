"""What follows from each status of libsane: one table, no I/O (SANE standard 1.06, 4.2.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivers._sane_abi import Status
from drivers._sane_library import SaneError
from edge.driver import Named
from edge.errors import (
    DeviceAbsent,
    DeviceAccess,
    DeviceAttention,
    DeviceBusy,
    DeviceError,
    DeviceFault,
    DeviceLost,
    DeviceProtocol,
    EdgeError,
    JobCancelled,
    Unsupported,
)
from edge.events import StopReason

CODES: dict[str, str] = {
    "SAN-100": "the library libsane is not installed, or cannot be loaded",
    "SAN-101": "no scanner answers to this name",
    "SAN-102": "another program has the scanner",
    "SAN-103": "the daemon may not use the scanner",
    "SAN-104": "the scanner's backend broke off with an input/output error",
    "SAN-105": "the scanner's connection is gone: it says it works and sends nothing",
    "SAN-106": "the scanner was there and does not answer any more",
    "SAN-107": "the scanner's backend ran out of memory",
    "SAN-108": "the scanner's backend refuses what it offers itself",
    "SAN-109": "the scanner sends pages of a form that no backend should send",
    "SAN-110": "paper is jammed in the scanner",
    "SAN-111": "the scanner's cover is open",
    "SAN-112": "the scanner is warming up",
    "SAN-113": "the scanner's transport lock is closed",
    "SAN-114": "the job was cancelled at the scanner",
    "SAN-115": "no scanner driver (backend) of libsane is set up, or it failed to start",
    "SAN-116": "the scanner was unplugged",
    "SAN-120": "the scanner cannot scan from there",
    "SAN-121": "a page of this size and resolution does not fit into the memory of this driver",
    "SAN-122": "the scanner has no such option, or does not take this value",
    "SAN-000": "the scanner answers",
    "SAN-201": "the scanner scans from its glass",
    "SAN-202": "the scanner has no glass to try it with",
    "SAN-203": "no page came from the scanner's glass",
}
_ACTIONS: Mapping[str, str] = {
    "SAN-100": "install it: sudo apt install libsane1",
    "SAN-101": "switch the scanner on and check its cable",
    "SAN-102": "close the other scan program",
    "SAN-103": "run sudo usermod -aG scanner hall-edge && sudo systemctl restart hall-edge",
    "SAN-104": "switch the scanner off and on again",
    "SAN-105": "check the network between this PC and the scanner",
    "SAN-106": "wake the scanner up with its power key",
    "SAN-107": "close other programs on this PC",
    "SAN-108": "scan with another size or resolution",
    "SAN-109": "update the scanner's driver for SANE",
    "SAN-110": "open the scanner's cover and take the jammed sheet out",
    "SAN-111": "close the scanner's cover",
    "SAN-112": "wait a minute and scan again",
    "SAN-113": "open the transport lock under the scanner",
    "SAN-114": "scan again if the pages are still wanted",
    "SAN-115": "add the scanner's backend to /etc/sane.d/dll.conf",
    "SAN-116": "plug the scanner's USB cable in again",
    "SAN-120": "choose another source, or leave it to the scanner: source = auto",
    "SAN-121": "scan with a lower resolution",
    "SAN-122": "correct `options` in the configuration: `scanimage -A` shows what there is",
}
HUNG = Named("SAN-117", "unplug the scanner's power for ten seconds, then switch it on again")
_KINDS: Mapping[str, type[EdgeError]] = {
    "SAN-100": DeviceFault,
    "SAN-101": DeviceAbsent,
    "SAN-102": DeviceBusy,
    "SAN-103": DeviceAccess,
    "SAN-104": DeviceFault,
    "SAN-105": DeviceLost,
    "SAN-106": DeviceLost,
    "SAN-107": DeviceFault,
    "SAN-108": DeviceProtocol,
    "SAN-109": DeviceProtocol,
    "SAN-110": DeviceAttention,
    "SAN-111": DeviceAttention,
    "SAN-112": DeviceBusy,
    "SAN-113": DeviceAttention,
    "SAN-114": JobCancelled,
    "SAN-115": DeviceFault,
    "SAN-116": DeviceLost,
    "SAN-120": Unsupported,
    "SAN-121": Unsupported,
    "SAN-122": DeviceProtocol,
}


@dataclass(frozen=True)
class Meaning:
    """A row of the table: what a status means when a device is opened, and while it scans."""

    opening: str
    scanning: str
    reason: StopReason = "device-error"


_MEANINGS: Mapping[int, Meaning] = {
    Status.UNSUPPORTED: Meaning("SAN-101", "SAN-108"),
    Status.CANCELLED: Meaning("SAN-101", "SAN-114", "cancelled"),
    Status.DEVICE_BUSY: Meaning("SAN-102", "SAN-102"),
    Status.INVAL: Meaning("SAN-101", "SAN-108"),
    Status.JAMMED: Meaning("SAN-110", "SAN-110", "jam"),
    Status.COVER_OPEN: Meaning("SAN-111", "SAN-111", "cover-open"),
    Status.IO_ERROR: Meaning("SAN-101", "SAN-104"),
    Status.NO_MEM: Meaning("SAN-107", "SAN-107"),
    Status.ACCESS_DENIED: Meaning("SAN-103", "SAN-103"),
    Status.WARMING_UP: Meaning("SAN-112", "SAN-112"),
    Status.HW_LOCKED: Meaning("SAN-113", "SAN-113"),
}
_UNKNOWN = Meaning("SAN-104", "SAN-104")


def error(code: str) -> EdgeError:
    """Return the error that carries *code*."""
    return _KINDS[code](CODES[code], code=code, action=_ACTIONS[code])


def device_error(code: str) -> DeviceError:
    """Return the error that carries *code*, which is one of a device's."""
    made = error(code)
    if not isinstance(made, DeviceError):
        raise TypeError(f"{code} is no error of a device")
    return made


def opening(failed: SaneError) -> DeviceError:
    """Return why a device could not be opened."""
    if failed.call == "sane_init":
        return device_error("SAN-115")
    return device_error(_MEANINGS.get(failed.status, _UNKNOWN).opening)


def scanning(failed: SaneError) -> tuple[StopReason, EdgeError]:
    """Return why a job ended early, for its event and for the core."""
    meaning = _MEANINGS.get(failed.status, _UNKNOWN)
    return meaning.reason, error(meaning.scanning)
