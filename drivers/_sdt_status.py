"""Status codes (SW3) of SDT readers and what follows from each: one table, no I/O (GA/T 467)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from edge.driver import Named
from edge.errors import DeviceError, DeviceFault, DeviceProtocol, DeviceTimeout
from edge.events import Advice, CardRejection

OK, CARD_FOUND, EMPTY, NO_CARD, NOT_SELECTED = 0x90, 0x9F, 0x91, 0x80, 0x81
BAD_CHECKSUM, BAD_LENGTH, UNKNOWN_COMMAND, NOT_PERMITTED = 0x10, 0x11, 0x21, 0x23

CODES: dict[str, str] = {
    "IDC-101": "the ID-card reader answers at none of the line's rates",
    "IDC-102": "what answers is not an SDT ID-card reader",
    "IDC-103": "the ID-card reader stopped answering",
    "IDC-104": "the ID-card reader's answers arrive damaged",
    "IDC-110": "the ID-card reader says that our frames arrive damaged (checksum)",
    "IDC-111": "the ID-card reader says that our frames arrive damaged (length)",
    "IDC-121": "the ID-card reader refuses to look for cards",
    "IDC-160": "the ID-card reader's security module failed its self-test and takes no commands",
    "IDC-166": "the ID-card reader's security module is not authorised",
    "IDC-000": "the ID-card reader answers",
    "IDC-201": "lay a test card on the ID-card reader",
    "IDC-202": "take the card off the ID-card reader",
    "IDC-203": "the ID-card reader reads cards",
    "IDC-204": "the ID-card reader could not read the card",
    "IDC-205": "no card was laid on the ID-card reader",
    "IDC-206": "the ID-card reader does not tell its SAM id",
    "IDC-207": "the ID-card reader's own check is not right",
}
_CABLE = "plug the reader straight into this PC, without an extension lead"
_KINDS: Mapping[str, tuple[type[DeviceError], str]] = {
    "IDC-101": (DeviceTimeout, "see that the reader's power light is on and that its cable is in the configured port"),
    "IDC-102": (DeviceProtocol, "put the reader's cable into its own port: another device is in it"),
    "IDC-103": (DeviceTimeout, "unplug the reader and plug it in again"),
    "IDC-104": (DeviceProtocol, _CABLE),
    "IDC-110": (DeviceProtocol, _CABLE),
    "IDC-111": (DeviceProtocol, _CABLE),
    "IDC-121": (DeviceProtocol, "unplug the reader, wait ten seconds and plug it in again"),
    "IDC-160": (DeviceFault, "replace the reader"),
    "IDC-166": (DeviceFault, "have the reader's security module authorised by its supplier"),
}


SILENT = Named("IDC-103", _KINDS["IDC-103"][1])


class Next(Enum):
    """What the driver does after an answer."""

    GO_ON = auto()
    NOTHING = auto()  # that item is empty, or no card is there
    RESEND = auto()
    RESTART = auto()  # at find, twice at most
    RESTART_ONCE = auto()
    TEXT_ONLY = auto()  # read again without fingerprints
    REJECT = auto()
    FAULT = auto()


@dataclass(frozen=True)
class Status:
    """A row of the table: ``reason`` and ``advice`` stand when the card is given up with this status."""

    meaning: str
    next: Next
    reason: CardRejection = "read-failed"
    advice: Advice = "lay-card-again"
    code: str | None = None


STATUSES: Mapping[int, Status] = {
    0x90: Status("success", Next.GO_ON),
    0x9F: Status("card found", Next.GO_ON),
    0x91: Status("nothing stored in that item", Next.NOTHING),
    0x80: Status("no card found", Next.NOTHING, "removed-too-early"),
    0x10: Status("checksum of the request wrong", Next.RESEND, code="IDC-110"),
    0x11: Status("length of the request wrong", Next.RESEND, code="IDC-111"),
    0x21: Status("unknown command, parameter or order", Next.RESTART),
    0x23: Status("not permitted", Next.REJECT, "not-permitted", "call-technician"),
    0x24: Status("unrecognised error", Next.RESTART, "unrecognised-error"),
    0x31: Status("card could not authenticate the SAM", Next.RESTART, "card-cannot-authenticate-reader"),
    0x32: Status("SAM could not authenticate the card", Next.RESTART_ONCE, "card-not-genuine", "use-other-document"),
    0x33: Status("information verification failed", Next.REJECT, "verification-failed", "use-other-document"),
    0x37: Status("fingerprint verification failed", Next.TEXT_ONLY, "fingerprint-failed"),
    0x3F: Status("information length error", Next.REJECT, "length-error"),
    0x40: Status("unrecognised card type", Next.REJECT, "not-an-id-card", "use-other-document"),
    0x41: Status("read failed", Next.RESTART),
    0x47: Status("card gave no random number", Next.RESTART, advice="keep-card-still"),
    0x60: Status("SAM self-test failed", Next.FAULT, code="IDC-160"),
    0x66: Status("SAM not authorised", Next.FAULT, code="IDC-166"),
    0x81: Status("select failed", Next.RESTART, advice="keep-card-still"),
}
_UNKNOWN = Status("not in the table", Next.RESTART, "unrecognised-error")


def status(code: int) -> Status:
    """Return the row of *code*; a code that is not in the table counts as an unrecognised error."""
    return STATUSES.get(code, _UNKNOWN)


def error(code: str) -> DeviceError:
    """Return the device error that carries *code*."""
    kind, action = _KINDS[code]
    return kind(CODES[code], code=code, action=action)
