"""What can be wrong with an eSCL scanner and what follows from it: one table, no I/O."""

from __future__ import annotations

from collections.abc import Mapping

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
    DeviceTimeout,
    EdgeError,
    Unsupported,
)
from edge.events import StopReason

CODES: dict[str, str] = {
    "ESC-101": "the scanner takes the connection and does not answer",
    "ESC-102": "nothing answers at the scanner's address",
    "ESC-103": "the scanner's TLS certificate is not accepted",
    "ESC-104": "what answers at the address is no eSCL scanner",
    "ESC-105": "the scanner's answer is damaged",
    "ESC-106": "the scanner's answer is too large",
    "ESC-107": "the connection to the scanner broke",
    "ESC-108": "the scanner asks for a password",
    "ESC-109": "no scanner of this name announces itself on the network",
    "ESC-110": "the scanner says that it is out of order",
    "ESC-111": "the file with the scanner's CA certificate cannot be used",
    "ESC-112": "the package zeroconf, which finds scanners by their names, is not installed",
    "ESC-113": "this PC has no network to look for the scanner in",
    "ESC-121": "the scanner is busy with another job",
    "ESC-122": "the scanner rejects the settings of the scan",
    "ESC-123": "the scanner cannot scan from there",
    "ESC-131": "paper is jammed in the scanner's feeder",
    "ESC-132": "the cover of the scanner's feeder is open",
    "ESC-134": "the scanner's feeder could not pick the next sheet",
    "ESC-135": "the scanner's feeder pulled in two sheets at once",
    "ESC-136": "a sheet is too short or too long for scanning both sides",
    "ESC-137": "the tray of the scanner's feeder does not work",
    "ESC-138": "there is too much paper in the scanner's feeder",
    "ESC-139": "the scanner has stopped and waits for somebody",
    "ESC-141": "a page arrived damaged from the scanner",
    "ESC-142": "the scanner does not get a page ready",
    "ESC-143": "the scanner ended the job by itself",
    "ESC-144": "a page has more pixels than this PC can take",
    "ESC-000": "the scanner answers",
    "ESC-001": "the scanner is busy with another job",
    "ESC-201": "the scanner scans from its glass",
    "ESC-202": "the scanner has no glass to try it with",
    "ESC-203": "no page came from the scanner's glass",
}
_ACTIONS: Mapping[str, str] = {
    "ESC-101": "unplug the scanner's power for ten seconds, then switch it on again",
    "ESC-102": "switch the scanner on and check its network cable",
    "ESC-103": "set ca to the CA that made the scanner's certificate, or to that certificate itself",
    "ESC-104": "write the address that the scanner shows in its menu",
    "ESC-105": "load newer firmware into the scanner",
    "ESC-106": "scan with a lower resolution",
    "ESC-107": "check the scanner's network cable",
    "ESC-108": "allow scanning without a password in the scanner's menu",
    "ESC-109": "switch the scanner on and wait a minute: it announces itself then",
    "ESC-110": "switch the scanner off and on again",
    "ESC-111": "name a PEM file in ca that the service may read",
    "ESC-112": "install it: sudo apt install python3-zeroconf",
    "ESC-113": "plug the network cable of this PC in",
    "ESC-121": "wait until the scanner's other job is done",
    "ESC-122": "choose another size, resolution or colour",
    "ESC-123": "choose another source, or leave it to the scanner: source = auto",
    "ESC-131": "open the feeder's cover and take the jammed sheet out",
    "ESC-132": "close the feeder's cover",
    "ESC-134": "fan the sheets and put them in straight",
    "ESC-135": "take the sheets apart that stick together",
    "ESC-136": "scan this sheet on the glass",
    "ESC-137": "empty the feeder's tray and put it in place again",
    "ESC-138": "put fewer sheets into the feeder",
    "ESC-139": "do what the scanner's display says",
    "ESC-141": "scan this page again",
    "ESC-142": "cancel the job at the scanner's display",
    "ESC-143": "scan the rest of the pages again",
    "ESC-144": "scan with a lower resolution, or as JPEG",
}
STUCK = Named("ESC-101", _ACTIONS["ESC-101"])
_KINDS: Mapping[str, type[EdgeError]] = {
    "ESC-101": DeviceTimeout,
    "ESC-102": DeviceAbsent,
    "ESC-103": DeviceAccess,
    "ESC-104": DeviceProtocol,
    "ESC-105": DeviceProtocol,
    "ESC-106": DeviceProtocol,
    "ESC-107": DeviceLost,
    "ESC-108": DeviceAccess,
    "ESC-109": DeviceAbsent,
    "ESC-110": DeviceFault,
    "ESC-111": DeviceAccess,
    "ESC-112": DeviceFault,
    "ESC-113": DeviceAbsent,
    "ESC-121": DeviceBusy,
    "ESC-122": Unsupported,
    "ESC-123": Unsupported,
    "ESC-131": DeviceAttention,
    "ESC-132": DeviceAttention,
    "ESC-134": DeviceAttention,
    "ESC-135": DeviceAttention,
    "ESC-136": DeviceAttention,
    "ESC-137": DeviceAttention,
    "ESC-138": DeviceAttention,
    "ESC-139": DeviceAttention,
    "ESC-141": DeviceProtocol,
    "ESC-142": DeviceTimeout,
    "ESC-143": DeviceFault,
    "ESC-144": DeviceProtocol,
}
_REASONS: Mapping[str, StopReason] = {
    "ESC-131": "jam",
    "ESC-132": "cover-open",
    "ESC-134": "jam",
    "ESC-135": "double-feed",
}
FEEDER: Mapping[str, str] = {
    "ScannerAdfJam": "ESC-131",
    "ScannerAdfHatchOpen": "ESC-132",
    "ScannerAdfDoorOpen": "ESC-132",
    "ScannerAdfMispick": "ESC-134",
    "ScannerAdfMultipickDetected": "ESC-135",
    "ScannerAdfDuplexPageTooShort": "ESC-136",
    "ScannerAdfDuplexPageTooLong": "ESC-136",
    "ScannerAdfInputTrayFailed": "ESC-137",
    "ScannerAdfInputTrayOverloaded": "ESC-138",
}
"""AdfState and what it means."""
STANDING = frozenset({"ESC-131", "ESC-132"})
"""What a person sees and mends without a new job. The others may stay until the next job: they count only in one."""


def error(code: str) -> EdgeError:
    """Return the error that carries *code*."""
    return _KINDS[code](CODES[code], code=code, action=_ACTIONS[code])


def device_error(code: str) -> DeviceError:
    """Return the error that carries *code*, which is one of a device's."""
    made = error(code)
    if not isinstance(made, DeviceError):
        raise TypeError(f"{code} is no error of a device")
    return made


def reason_of(failed: EdgeError) -> StopReason | None:
    """Return why a job stopped, where the code says it."""
    return _REASONS.get(failed.code)
