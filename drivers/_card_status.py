"""What PC/SC answers, and what follows: our codes, the service's return codes, a card's status words. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from edge.driver import Named
from edge.errors import (
    DeviceAbsent,
    DeviceAccess,
    DeviceAttention,
    DeviceBusy,
    DeviceError,
    DeviceFault,
    DeviceLost,
)
from edge.links.holder import action_against, users_of

CODES: dict[str, str] = {
    "PCS-101": "no PC/SC service (pcscd) answers",
    "PCS-102": "the PC/SC service does not let us in",
    "PCS-103": "the PC/SC service knows no such reader",
    "PCS-104": "several readers fit the address",
    "PCS-105": "the smart-card reader was unplugged",
    "PCS-106": "the PC/SC service has ended",
    "PCS-107": "the PC/SC service answers with an error",
    "PCS-108": "the PC/SC library cannot be loaded",
    "PCS-109": "the smart-card reader is held by another program",
    "PCS-110": "this APDU begins with none of the allowed prefixes",
    "PCS-111": "an APDU that carries a PIN, or could hide one, is never sent",
    "PCS-112": "this is no well-formed short APDU",
    "PCS-113": "the PC/SC service knows other readers, but not the configured one",
    "PCS-000": "the smart-card reader works",
    "PCS-201": "put a card into the smart-card reader",
    "PCS-202": "take the card out of the smart-card reader",
    "PCS-203": "the smart-card reader reads cards",
    "PCS-204": "the card in the smart-card reader does not answer",
    "PCS-205": "no card was put into the smart-card reader",
    "PCS-206": "another program uses the card in the smart-card reader",
}
_KINDS: Mapping[str, tuple[type[DeviceError], str]] = {
    "PCS-101": (DeviceAbsent, "start it: sudo systemctl start pcscd.socket"),
    "PCS-102": (
        DeviceAccess,
        "allow the daemon's user org.debian.pcsc-lite.access_pcsc and …access_card by a polkit rule",
    ),
    "PCS-103": (DeviceAbsent, "plug the reader in and check its cable"),
    "PCS-104": (DeviceAttention, "write more of the reader's name into the address"),
    "PCS-105": (DeviceLost, "plug the reader in again"),
    "PCS-106": (DeviceLost, "start it again: sudo systemctl restart pcscd.socket"),
    "PCS-107": (DeviceFault, "unplug the reader and plug it in again"),
    "PCS-108": (DeviceFault, "install it: sudo apt install libpcsclite1"),
    "PCS-109": (DeviceBusy, "close the other program that uses the reader"),
    "PCS-113": (
        DeviceAbsent,
        "plug in the reader that the address names, or take the address from `hall-edge discover`",
    ),
}
LIBRARY = "libpcsclite.so.1"
HUNG = Named("PCS-114", "restart it: sudo systemctl restart pcscd")

OK, TIMEOUT = 0, 0x8010000A
NO_READERS, UNKNOWN_READER = 0x8010002E, 0x80100009
NO_SERVICE, SERVICE_STOPPED = 0x8010001D, 0x8010001E
INVALID_HANDLE, COMM_ERROR, INTERNAL_ERROR, SHUTDOWN = 0x80100003, 0x80100013, 0x80100001, 0x80100018
READER_UNAVAILABLE, SECURITY_VIOLATION = 0x80100017, 0x8010006A
SHARING_VIOLATION, RESET_CARD = 0x8010000B, 0x80100068
_SERVICE: Mapping[int, str] = {
    NO_SERVICE: "PCS-106",
    SERVICE_STOPPED: "PCS-106",
    INVALID_HANDLE: "PCS-106",
    COMM_ERROR: "PCS-106",
    INTERNAL_ERROR: "PCS-106",
    SHUTDOWN: "PCS-106",
    UNKNOWN_READER: "PCS-105",
    READER_UNAVAILABLE: "PCS-105",
    SECURITY_VIOLATION: "PCS-102",
}

Trouble = Literal["removed", "reset", "mute", "held", "failed"]
_CARD: Mapping[int, Trouble] = {
    0x80100069: "removed",  # removed card
    0x8010000C: "removed",  # no smart card
    READER_UNAVAILABLE: "removed",  # the reader went with it: the next look says so
    RESET_CARD: "reset",
    0x80100066: "mute",  # unresponsive card
    0x80100067: "mute",  # unpowered card
    0x80100065: "mute",  # unsupported card
    SHARING_VIOLATION: "held",
    0x8010000F: "failed",  # protocol mismatch
    0x80100016: "failed",  # not transacted
    0x8010002F: "failed",  # communication with the card failed
    0x80100008: "failed",  # insufficient buffer
    0x80100004: "failed",  # invalid parameter
    0x80100011: "failed",  # invalid value
    0x80100015: "failed",  # invalid ATR
    0x8010001F: "failed",  # unexpected
    TIMEOUT: "failed",
}

SW_OK = frozenset((0x9000, 0x6282))
"""Success, and fewer bytes than asked for."""
SW_WRONG_LENGTH = 0x6700
SW_NEEDS_PSAM = frozenset((0x6982, 0x6A82))
SW_WRONG_P1P2 = frozenset((0x6A86, 0x6B00))


class CardProblem(Exception):
    """A card cannot be talked to now; never an error of the reader."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble: Trouble = trouble


def error(code: str, detail: str = "", action: str | None = None) -> DeviceError:
    """Return the device error that carries *code*."""
    kind, usual = _KINDS[code]
    return kind(f"{CODES[code]}{detail}", code=code, action=action or usual)


def held() -> DeviceError:
    """Return the error for a reader that another program has for itself; names who may be that."""
    holder = users_of(LIBRARY)
    if holder is None:
        return error("PCS-109")
    return DeviceBusy(f"the smart-card reader is held by {holder}", code="PCS-109", action=action_against(holder))


def check_service(result: int) -> None:
    """Raise the device error that *result* of a call about the service means, if any."""
    if result != OK:
        code = _SERVICE.get(result, "PCS-107")
        raise error(code, f" ({result:#010x})" if code == "PCS-107" else "")


def check_card(result: int) -> None:
    """Raise what *result* of a call about a card means, if anything: of the card or, failing that, of the service."""
    if result in _CARD:
        raise CardProblem(_CARD[result])
    check_service(result)
