"""HID devices by the kernel's nodes: key strokes of a keyboard that is ours alone, or reports.

A UNIX socket (``SOCK_SEQPACKET``) in place of a node carries the same records and reports, one a message: that is how
a simulator stands at an address.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import struct
from contextlib import ExitStack
from typing import Literal

from edge.errors import DeviceAbsent, DeviceAccess, DeviceBusy, DeviceError, DeviceProtocol
from edge.links.access import how_to_allow
from edge.links.address import Address
from edge.links.fd import FdLink, Tap
from edge.links.holder import action_against, holder_of
from edge.plugging.plugged import Plugged, nodes, of_one_device, says_simulated, wanted

Kind = Literal["keys", "reports"]

_EVIOCGID, _EVIOCGRAB, _HIDIOCGRAWINFO = 0x80084502, 0x40044590, 0x80084803
_CONNECT_LIMIT = struct.pack("@ll", 1, 0)  # one second
_SUBSYSTEM = {"keys": "input", "reports": "hidraw"}


class HidLink(FdLink):
    """One node of a HID device, or a simulator's socket; a read gives whole records or one report."""

    stuck, lost = "HID-104", "HID-105"

    def __init__(self, fd: int, name: str, tap: Tap, taken: Kind | None, *, simulated: bool) -> None:
        super().__init__(fd, name, tap)
        self._node = fd
        self._taken = taken
        self.simulated = simulated

    def _release(self) -> None:
        with contextlib.suppress(OSError):
            _give_back(self._node, self._taken)
        with contextlib.suppress(OSError):
            os.close(self._node)


def open_hid(address: Address, kind: Kind, tap: Tap) -> HidLink:
    """Open the device at *address* for its *kind* of input, for this program alone.

    Raises ``DeviceAbsent``, ``DeviceAccess``, ``DeviceBusy``, ``DeviceAttention`` (several fit) or ``DeviceProtocol``.
    """
    one = wanted(address)
    ids, simulated = None, False
    path = address.target
    if one is not None and one.vendor_id is not None and one.product_id is not None:
        ids = (one.vendor_id, one.product_id)
        found = _node(nodes(_SUBSYSTEM[kind], *ids, one.serial, one.port), address, kind)
        path, simulated = found.node or path, says_simulated(found.product)
    with ExitStack() as undo:
        try:
            is_socket = stat.S_ISSOCK(os.stat(path).st_mode)  # noqa: PTH116  # the errno decides
            fd = _connect(path) if is_socket else os.open(path, _flags(kind))
            undo.callback(os.close, fd)
            if not is_socket:
                _take(fd, path, kind, ids)
        except OSError as error:
            raise _ours(path, kind, error) from error
        undo.pop_all()
    return HidLink(fd, path, tap, None if is_socket else kind, simulated=simulated or is_socket)


def _node(found: list[Plugged], address: Address, kind: Kind) -> Plugged:
    """Return the one device's node: of a keyboard's several, the one with the keys."""
    of_one = of_one_device(found, f"hid:{address.target}")
    keyboards = [each for each in of_one if each.properties.get("ID_INPUT_KEYBOARD") == "1"]
    return (keyboards if kind == "keys" and keyboards else of_one)[0]


def _flags(kind: Kind) -> int:
    return os.O_NONBLOCK | os.O_CLOEXEC | (os.O_RDONLY if kind == "keys" else os.O_RDWR)


def _connect(path: str) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _CONNECT_LIMIT)
        connection.connect(path)
        connection.setblocking(False)
        return connection.detach()


def _take(fd: int, path: str, kind: Kind, ids: tuple[int, int] | None) -> None:
    """Make sure that it is what was looked for, and keep others off it."""
    told = _ids(fd, kind)
    if ids is not None and told != ids:
        raise DeviceAbsent(f"{path} has become another device", code="HID-101")
    if kind == "keys":
        fcntl.ioctl(fd, _EVIOCGRAB, 1)
    else:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _give_back(fd: int, kind: Kind | None) -> None:
    """End what :func:`_take` began: closing does not, while a child that is being started has the node, too."""
    if kind == "keys":
        fcntl.ioctl(fd, _EVIOCGRAB, 0)
    elif kind == "reports":
        fcntl.flock(fd, fcntl.LOCK_UN)


def _ids(fd: int, kind: Kind) -> tuple[int, int]:
    """Return vendor and product as the kernel knows them; raises ``OSError`` when it is no such node."""
    if kind == "keys":
        _, vendor, product, _ = struct.unpack("HHHH", fcntl.ioctl(fd, _EVIOCGID, bytes(8)))
    else:
        _, vendor, product = struct.unpack("IHH", fcntl.ioctl(fd, _HIDIOCGRAWINFO, bytes(8)))
    return vendor, product


def _ours(path: str, kind: Kind, error: OSError) -> DeviceError:
    """Sort an opening error by what happens next."""
    number = error.errno
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.EIO, errno.ECONNREFUSED):
        return DeviceAbsent(f"{path} is not there", code="HID-101")
    if number in (errno.EACCES, errno.EPERM):
        action = how_to_allow(path, _SUBSYSTEM[kind])
        return DeviceAccess(f"no permission to open {path}", code="HID-102", action=action)
    if number in (errno.EBUSY, errno.EAGAIN):
        holder = holder_of(path)
        what = f"{path} is held by {holder or 'another program'}"
        return DeviceBusy(what, code="HID-103", action=action_against(holder, path))
    why = errno.errorcode.get(number or 0, "unknown reason")
    return DeviceProtocol(f"{path} is no HID device for {kind} ({why})", code="HID-106")
