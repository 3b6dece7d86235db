"""What follows from each status of libsane: one table, no I/O (SANE standard 1.06, 4.2.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivers._sane_abi import Status
from drivers._sane_library import SaneError
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
}
_KINDS: Mapping[str, tuple[type[EdgeError], str | None]] = {
    "SAN-100": (DeviceFault, "install it: apt install libsane1"),
    "SAN-101": (DeviceAbsent, "switch the scanner on, check its cable, and compare the address with `scanimage -L`"),
    "SAN-102": (DeviceBusy, "close the other scan program, or wait until its job is done"),
    "SAN-103": (DeviceAccess, "put the daemon's user into the group scanner, then plug the scanner in again"),
    "SAN-104": (DeviceFault, "switch the scanner off and on again; if it stays, call its supplier"),
    "SAN-105": (DeviceLost, "check the scanner, the network, and the service saned where it is plugged in"),
    "SAN-106": (DeviceLost, "switch the scanner on and check its cable or network"),
    "SAN-107": (DeviceFault, "scan with a lower resolution, or close other programs"),
    "SAN-108": (DeviceProtocol, "update the scanner's backend, or call its supplier"),
    "SAN-109": (DeviceProtocol, "update the scanner's backend, or call its supplier"),
    "SAN-110": (DeviceAttention, "take the jammed sheet out, then scan the rest of the pages"),
    "SAN-111": (DeviceAttention, "close the scanner's cover, then scan the rest of the pages"),
    "SAN-112": (DeviceBusy, "wait a minute and scan again"),
    "SAN-113": (DeviceAttention, "open the transport lock under the scanner, then switch it off and on again"),
    "SAN-114": (JobCancelled, "scan the rest of the pages if they are still wanted"),
    "SAN-115": (DeviceFault, "name the backend in dll.conf and compare with `scanimage -L`"),
    "SAN-116": (DeviceLost, "plug the scanner in again and switch it on"),
    "SAN-120": (Unsupported, "choose another source, or leave it to the scanner: source = auto"),
    "SAN-121": (Unsupported, "scan with a lower resolution or a smaller size"),
    "SAN-122": (DeviceProtocol, "compare `options` in the configuration with `scanimage -A -d NAME`"),
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
    kind, action = _KINDS[code]
    return kind(CODES[code], code=code, action=action)


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
