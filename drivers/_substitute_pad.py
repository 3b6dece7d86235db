"""Lets through what a HID pad says, for recordings, and nothing that another keyboard would: what is typed there."""

from __future__ import annotations

import struct
from typing import Any

from drivers._hid_keys import PLAIN, SHIFTED
from drivers._pad_compile import load
from drivers._pad_frame import Cutter
from drivers._pad_protocol import Protocol
from edge.substitute import Substitute

_RECORD = struct.Struct("@llHHi")
_SYN, _KEY = 0, 1
_SHIFT = (42, 54)
_MEANT = ("key", "released", "accepted", "heartbeat")


class HidPadSubstitute(Substitute):
    """Keeps records and reports that the profile knows; of all others only their number."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._protocol = load(settings.profile, settings.ways)
        report = self._protocol.profile.report
        self._head = bytes((report.id,)) if report and report.id else b""
        self._size = len(self._head) + report.bytes if report else _RECORD.size
        self._keys = _meant_keys(self._protocol)
        self._held = b""

    def feed(self, data: bytes, gap_s: float) -> bytes:
        del gap_s
        self._held += data
        whole = len(self._held) - len(self._held) % self._size
        pieces, self._held = self._held[:whole], self._held[whole:]
        each = self._key if self._protocol.profile.link == "keys" else self._report
        return b"".join(each(pieces[at : at + self._size]) for at in range(0, whole, self._size))

    def flush(self) -> bytes:
        held, self._held = self._held, b""
        return bytes(len(held))

    def _key(self, record: bytes) -> bytes:
        _, _, kind, code, value = _RECORD.unpack(record)
        if kind == _SYN or (kind == _KEY and code in self._keys):
            return _RECORD.pack(0, 0, kind, code, value)
        return bytes(len(record))

    def _report(self, report: bytes) -> bytes:
        bodies: list[bytes] = []
        if report.startswith(self._head):
            cutter = Cutter(self._protocol.shape, 0, self._protocol.gap_s)
            bodies = cutter.feed(report[len(self._head) :])
        known = bool(bodies) and all(self._protocol.understand(body).what in _MEANT for body in bodies)
        return report if known else self._head + bytes(len(report) - len(self._head))


def _meant_keys(protocol: Protocol) -> frozenset[int]:
    """Return the codes of the keys that the profile has a use for, and of both Shift keys."""
    around = protocol.keys.starts + protocol.shape.head + protocol.shape.tail
    used = {chr(octet) for value in (*protocol.keys.values, around) for octet in value}
    typing = (code for code in PLAIN if {PLAIN[code], SHIFTED[code]} & used)
    return frozenset((*typing, *_SHIFT))
