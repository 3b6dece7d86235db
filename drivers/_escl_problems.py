"""What can be wrong with an eSCL scanner and what follows from it: one table, no I/O."""

from __future__ import annotations

from collections.abc import Mapping

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
}
_REST = "then scan the rest of the pages"
_RESTART = "switch the scanner off and on again; if it stays, call its supplier"
_KINDS: Mapping[str, tuple[type[EdgeError], str | None]] = {
    "ESC-101": (DeviceTimeout, "switch the scanner off and on again"),
    "ESC-102": (DeviceAbsent, "switch the scanner on, check its network cable, and compare the address with its menu"),
    "ESC-103": (DeviceAccess, "set ca to the CA that made the scanner's certificate, or to that certificate itself"),
    "ESC-104": (DeviceProtocol, "compare the address with the scanner's menu; switch AirScan (eSCL) on there"),
    "ESC-105": (DeviceProtocol, _RESTART),
    "ESC-106": (DeviceProtocol, "compare the address with the scanner's menu; scan with a lower resolution"),
    "ESC-107": (DeviceLost, f"check the scanner's network cable and power, {_REST}"),
    "ESC-108": (DeviceAccess, "allow scanning without a password in the scanner's menu"),
    "ESC-109": (DeviceAbsent, "switch the scanner on, or write escl://HOST:PORT/eSCL as its address"),
    "ESC-110": (DeviceFault, _RESTART),
    "ESC-111": (DeviceAccess, "name a PEM file in ca that the daemon's user may read"),
    "ESC-112": (DeviceFault, "pip install zeroconf, or apt install python3-zeroconf, or write escl://HOST:PORT/eSCL"),
    "ESC-121": (DeviceBusy, "wait until the scanner's other job is done"),
    "ESC-122": (Unsupported, "choose another size, resolution or colour"),
    "ESC-123": (Unsupported, "choose another source, or leave it to the scanner: source = auto"),
    "ESC-131": (DeviceAttention, f"take the jammed sheet out, {_REST}"),
    "ESC-132": (DeviceAttention, f"close the feeder's cover, {_REST}"),
    "ESC-134": (DeviceAttention, f"fan the sheets and put them in straight, {_REST}"),
    "ESC-135": (DeviceAttention, f"take the last two sheets apart, {_REST}"),
    "ESC-136": (DeviceAttention, "scan this sheet on the glass, or only its front"),
    "ESC-137": (DeviceAttention, _RESTART),
    "ESC-138": (DeviceAttention, f"put fewer sheets into the feeder, {_REST}"),
    "ESC-139": (DeviceAttention, "look at the scanner's display"),
    "ESC-141": (DeviceProtocol, "scan this page again; if it stays, check the network cable"),
    "ESC-142": (DeviceTimeout, "switch the scanner off and on again"),
    "ESC-143": (DeviceFault, f"look at the scanner's display, {_REST}"),
    "ESC-144": (DeviceProtocol, "scan at a lower resolution, or as JPEG"),
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
    kind, action = _KINDS[code]
    return kind(CODES[code], code=code, action=action)


def device_error(code: str) -> DeviceError:
    """Return the error that carries *code*, which is one of a device's."""
    made = error(code)
    if not isinstance(made, DeviceError):
        raise TypeError(f"{code} is no error of a device")
    return made


def reason_of(failed: EdgeError) -> StopReason | None:
    """Return why a job stopped, where the code says it."""
    return _REASONS.get(failed.code)
