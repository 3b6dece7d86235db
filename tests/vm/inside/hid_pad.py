"""An evaluation pad with reports on this kernel's USB: ``python3 -m tests.vm.inside.hid_pad SOCKET``.

Its reports are those of the simulated pad (``pad_hid,kind=reports``) that listens at SOCKET.
"""

from __future__ import annotations

import socket
import struct
import sys

from tests.vm.inside.usb_bus import UsbDevice, endpoint

_IN, _OUT = 0x81, 0x01
_SIZE = 8
_REPORT = bytes.fromhex("0600ff0901a10185010901150026ff007508950781020901750895079102c0")
"""Vendor's own page; report 1 has seven bytes each way."""
_HID = struct.pack("<BBHBBBH", 9, 0x21, 0x111, 0, 1, 0x22, len(_REPORT))
_INTERFACE = bytes((9, 4, 0, 0, 2, 3, 0, 0, 0))
_REPORT_DESCRIPTOR = 0x22
_SET_REPORT = 9


class Pad(UsbDevice):
    """The pad; *simulator* is the other way round."""

    vendor, product, names = 0x0483, 0x5750, ("hall-edge", "evaluation pad", "PAD0001")

    def __init__(self, simulator: socket.socket) -> None:
        super().__init__(_INTERFACE + _HID + endpoint(_IN, 3, _SIZE, 4) + endpoint(_OUT, 3, _SIZE, 4))
        self._simulator = simulator

    def descriptor(self, kind: int, number: int) -> bytes | None:
        """Add the report descriptor."""
        return _REPORT if kind == _REPORT_DESCRIPTOR else super().descriptor(kind, number)

    def control(self, kind: int, request: int, value: int, index: int) -> bytes | None:
        """Agree to everything of the class (idle, protocol)."""
        del kind, request, value, index
        return b""

    def heard(self, number: int, data: bytes) -> None:
        """Hand a report of the host on."""
        del number
        self._simulator.send(data)


def main() -> None:
    """Stay plugged in until the simulator unplugs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as simulator:
        simulator.connect(sys.argv[1])
        pad = Pad(simulator)
        pad.plug()
        while report := simulator.recv(_SIZE):
            pad.say(_IN & 0x0F, report)


if __name__ == "__main__":
    main()
