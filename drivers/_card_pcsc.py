"""PC/SC by pyscard's lowest level: the service, one reader's state, one card. The only module that touches smartcard.

Everything happens in the caller's thread: two threads in pyscard can block each other for ever, and its monitors
have threads of their own. The library reads ``PCSCLITE_CSOCK_NAME`` once, at the first call of a process.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from drivers import _card_status as status
from edge.errors import DeviceError

if find_spec("smartcard") is None:  # imported only where a reader is opened, but missed at once
    raise ModuleNotFoundError("No module named 'smartcard'", name="smartcard")

SOCKET = "/run/pcscd/pcscd.comm"
SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"
PNP = "\\\\?PnP?\\Notification"
_CHANGED, _UNKNOWN, _EMPTY, _PRESENT, _EXCLUSIVE, _MUTE = 0x2, 0x4, 0x10, 0x20, 0x80, 0x200
_COUNT_SHIFT = 16
_SHARED, _DIRECT, _LEAVE, _USER = 2, 3, 0, 0
T0, T1 = 1, 2
_REFUSED_WITHIN_S = 0.3
_NAME = re.compile(r"(?P<name>.*?)(?: \[[^\[\]]*\])?(?: \((?P<serial>[^()]*)\))? [0-9A-F]{2} (?P<slot>[0-9A-F]{2})")


@dataclass(frozen=True)
class ReaderName:
    """A reader's name as pcscd makes it: maker and model, perhaps interface and serial number, index, slot."""

    whole: str
    model: str
    serial: str | None
    slot: int

    @classmethod
    def parsed(cls, name: str) -> ReaderName:
        """Cut *name*; one that is made otherwise is its own model."""
        match = _NAME.fullmatch(name)
        if match is None:
            return cls(name, name, None, 0)
        return cls(name, match["name"], match["serial"] or None, int(match["slot"], 16))


@dataclass(frozen=True)
class Seen:
    """What the service says about a reader. ``count`` grows with every card that comes or goes."""

    present: bool
    mute: bool
    held: bool
    count: int
    atr: bytes


class Service:
    """A connection to pcscd. Every method raises the device error that its failure means."""

    def __init__(self, scard: Any, context: Any) -> None:
        self._scard = scard
        self._context = context

    @classmethod
    def connect(cls) -> Service:
        """Connect; raises PCS-101 (no service), PCS-102 (not allowed) or PCS-108 (no library)."""
        try:
            scard = import_module("smartcard.scard")
        except ImportError as cause:
            raise status.error("PCS-108") from cause
        result, context = scard.SCardEstablishContext(_USER)
        result &= 0xFFFFFFFF
        if result != status.OK:
            raise _why_not(result)
        return cls(scard, context)

    def readers(self) -> list[ReaderName]:
        """Return the readers that are plugged in."""
        result, names = self._scard.SCardListReaders(self._context, [])
        if result & 0xFFFFFFFF == status.NO_READERS:
            return []
        self._check(result)
        return [ReaderName.parsed(name) for name in names]

    def await_reader(self, wait_s: float) -> bool:
        """Wait for a reader to come or go; return false when the service did not let us wait."""
        result, states = self._scard.SCardGetStatusChange(self._context, _ms(wait_s), [(PNP, 0)])
        return result & 0xFFFFFFFF == status.TIMEOUT or (result == status.OK and bool(states[0][1] & _CHANGED))

    def close(self) -> None:
        """Disconnect; the service may be gone already."""
        self._scard.SCardReleaseContext(self._context)

    def watch(self, reader: str) -> Watch:
        """Return the eyes on one reader."""
        return Watch(self._scard, self._context, reader)

    def check_access(self, reader: str) -> None:
        """Raise PCS-102 where polkit lets us see readers, but not touch what is in them, PCS-109 where others do."""
        result, handle, _ = self._scard.SCardConnect(self._context, reader, _DIRECT, 0)
        result &= 0xFFFFFFFF
        if result == status.OK:
            self._scard.SCardDisconnect(handle, _LEAVE)
        elif result == status.SECURITY_VIOLATION:
            raise status.error("PCS-102")
        elif result == status.SHARING_VIOLATION:
            raise status.held()

    @contextmanager
    def card(self, reader: str) -> Iterator[CardHandle]:
        """Connect to the card in *reader* and lock it while the context lasts; raises :class:`CardProblem`.

        Another program's transaction is waited for, by the service itself and without a limit.
        """
        result, handle, protocol = self._scard.SCardConnect(self._context, reader, _SHARED, T0 | T1)
        status.check_card(result & 0xFFFFFFFF)
        try:
            status.check_card(self._scard.SCardBeginTransaction(handle) & 0xFFFFFFFF)
            try:
                yield CardHandle(self._scard, handle, protocol)
            finally:
                self._scard.SCardEndTransaction(handle, _LEAVE)  # fails where the card has gone
        finally:
            self._scard.SCardDisconnect(handle, _LEAVE)

    @staticmethod
    def _check(result: int) -> None:
        status.check_service(result & 0xFFFFFFFF)


class Watch:
    """Sees cards come and go in one reader."""

    seen: Seen | None = None
    """What was seen last."""

    def __init__(self, scard: Any, context: Any, reader: str) -> None:
        self._scard = scard
        self._context = context
        self._reader = reader
        self._state = 0  # the service answers at once to whoever knows nothing

    def look(self, wait_s: float) -> None:
        """Wait for a change of the reader's state for *wait_s*, and remember it in :attr:`seen`.

        Raises PCS-105 when the reader has gone, PCS-106 when the service has.
        """
        result, states = self._scard.SCardGetStatusChange(self._context, _ms(wait_s), [(self._reader, self._state)])
        if result & 0xFFFFFFFF == status.TIMEOUT:
            if self.seen is not None:  # that another program takes the reader for itself is no change to the service
                self.seen = replace(self.seen, held=bool(states[0][1] & _EXCLUSIVE))
            return
        status.check_service(result & 0xFFFFFFFF)
        _, state, atr = states[0]
        if state & _UNKNOWN or not state & (_EMPTY | _PRESENT | _CHANGED):
            raise status.error("PCS-105")
        self._state = state & ~_CHANGED
        self.seen = Seen(
            present=bool(state & _PRESENT),
            mute=bool(state & _MUTE),
            held=bool(state & _EXCLUSIVE),
            count=state >> _COUNT_SHIFT,
            atr=bytes(atr),
        )


class CardHandle:
    """A card that is connected and locked. Only ``_card_apdu.Talk`` sends with it."""

    def __init__(self, scard: Any, handle: Any, protocol: int) -> None:
        self._scard = scard
        self._handle = handle
        self._pci = scard.SCARD_PCI_T0 if protocol == T0 else scard.SCARD_PCI_T1
        self.t0 = protocol == T0

    def transmit(self, apdu: bytes) -> bytes:
        """Send one APDU as it is; return data and SW1 SW2. Raises :class:`CardProblem`."""
        result, answer = self._scard.SCardTransmit(self._handle, self._pci, list(apdu))
        status.check_card(result & 0xFFFFFFFF)
        return bytes(answer)


def known_readers() -> list[ReaderName]:
    """Return the readers that the service knows now; none when there is no service, or none for us."""
    try:
        service = Service.connect()
    except DeviceError:
        return []
    try:
        return service.readers()
    except DeviceError:
        return []
    finally:
        service.close()


def environment(socket_path: str | None) -> Mapping[str, str]:
    """Return what the library has to find in the environment of its process."""
    return {} if socket_path is None else {SOCKET_VARIABLE: socket_path}


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _why_not(result: int) -> DeviceError:
    """Say why the service did not take us: the library says "no service" for most of it.

    A service that refuses (polkit) accepts the connection and closes it without a word.
    """
    if result == status.SECURITY_VIOLATION:
        return status.error("PCS-102")
    if result not in (status.NO_SERVICE, status.COMM_ERROR):
        return status.error("PCS-101", f" ({result:#010x})")
    try:
        ctypes.CDLL(status.LIBRARY)
    except OSError:
        return status.error("PCS-108")
    path = os.environ.get(SOCKET_VARIABLE) or SOCKET
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_REFUSED_WITHIN_S)
        try:
            probe.connect(path)
            refused = probe.recv(1) == b""
        except PermissionError:
            return status.error("PCS-102", f": no access to {path}")
        except ConnectionResetError:
            refused = True
        except OSError:
            refused = False
    missing = "" if Path(path).exists() else f": there is no {path}"
    return status.error("PCS-102") if refused else status.error("PCS-101", missing)
