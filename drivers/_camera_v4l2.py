"""Ask the kernel about a camera node, by Video4Linux ioctls (videodev2.h): what is it, what can it, who has it.

OpenCV only says that a camera could not be opened. What the kernel says is asked here, before and after.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from drivers import _camera_problems as problems
from edge.errors import DeviceError

CAPTURE, STREAMING = 0x1, 0x0400_0000
MJPG = int.from_bytes(b"MJPG", "little")
_QUERYCAP, _ENUM_FMT, _S_FMT, _ENUM_SIZES = 0x8068_5600, 0xC040_5602, 0xC0D0_5605, 0xC02C_564A
_REQBUFS, _STREAMON, _STREAMOFF = 0xC014_5608, 0x4004_5612, 0x4004_5613
_VIDEO_CAPTURE, _MMAP, _ANY_FIELD = 1, 1, 0
_DISCRETE = 1
_SIMULATORS = ("vivid", "v4l2 loopback")
_GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO)
_MOST = 256


@dataclass(frozen=True)
class Node:
    """What a node says: *model* and *bus* are the device's own words, *sizes* those of MJPG pictures."""

    driver: str
    model: str
    captures: bool
    sizes: tuple[tuple[int, int], ...]

    @property
    def simulated(self) -> bool:
        """Whether the kernel or the device says itself that there is no camera behind it."""
        return self.driver in _SIMULATORS or self.model.lower().startswith("simulated")


def look(node: str) -> Node:
    """Return what *node* says; raises ``DeviceAbsent``, ``DeviceAccess`` or ``DeviceBusy``."""
    with _opened(node) as fd:
        try:
            return _ask(fd)
        except OSError as error:
            raise problems.no_capture(node) from error


def captures(node: str) -> bool:
    """Return whether *node* takes pictures; false for one that cannot be asked."""
    try:
        with _opened(node) as fd:
            return _ask(fd).captures
    except (OSError, DeviceError):
        return False


def check_free(node: str, width: int, height: int) -> None:
    """Try to set the format as OpenCV will; raises ``DeviceBusy`` where another program streams."""
    with _opened(node) as fd:
        try:
            _set_format(fd, width, height)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise problems.held(node) from error


def why_not(node: str, width: int, height: int) -> Exception:
    """Return why *node* does not stream, by trying it without OpenCV."""
    try:
        with _opened(node) as fd:
            _set_format(fd, width, height)
            fcntl.ioctl(fd, _REQBUFS, bytearray(struct.pack("5I", 2, _VIDEO_CAPTURE, _MMAP, 0, 0)))
            fcntl.ioctl(fd, _STREAMON, struct.pack("i", _VIDEO_CAPTURE))
            fcntl.ioctl(fd, _STREAMOFF, struct.pack("i", _VIDEO_CAPTURE))
    except DeviceError as error:
        return error
    except OSError as error:
        number = error.errno or 0
        if number == errno.ENOSPC:
            return problems.no_room(node)
        if number == errno.EBUSY:
            return problems.held(node)
        if number in _GONE:
            return problems.lost(node)
        return problems.unknown(node, errno.errorcode.get(number, "unknown reason"))
    return problems.unknown(node, "it works without OpenCV")


@contextmanager
def _opened(node: str) -> Iterator[int]:
    try:
        fd = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise problems.denied(node) from error
        if error.errno in (errno.EBUSY, errno.EAGAIN):
            raise problems.held(node) from error
        raise problems.absent(node) from error
    try:
        yield fd
    finally:
        with suppress(OSError):
            os.close(fd)


def _ask(fd: int) -> Node:
    answer = bytearray(104)
    fcntl.ioctl(fd, _QUERYCAP, answer)
    driver, model = _text(answer[:16]), _text(answer[16:48])
    everything, own = struct.unpack_from("=II", answer, 84)
    # one camera has several nodes: only device_caps says what this one can do
    can = own if everything & 0x8000_0000 else everything
    wanted = CAPTURE | STREAMING
    takes = can & wanted == wanted
    return Node(driver, model, takes, _sizes(fd) if takes else ())


def _sizes(fd: int) -> tuple[tuple[int, int], ...]:
    """Return the sizes of MJPG pictures, the largest first; none when there is no MJPG."""
    if MJPG not in _formats(fd):
        return ()
    found = []
    for index in range(_MOST):
        answer = bytearray(struct.pack("=11I", index, MJPG, *[0] * 9))
        try:
            fcntl.ioctl(fd, _ENUM_SIZES, answer)
        except OSError:
            break
        kind, *limits = struct.unpack_from("=7I", answer, 8)
        if kind != _DISCRETE:  # least width, greatest width, step, and the same of the height
            return ((limits[1], limits[4]),)
        found.append((limits[0], limits[1]))
    return tuple(sorted(set(found), key=lambda size: size[0] * size[1], reverse=True)) or ((0, 0),)


def _formats(fd: int) -> Iterator[int]:
    for index in range(_MOST):
        answer = bytearray(struct.pack("=2I", index, _VIDEO_CAPTURE) + bytes(56))
        try:
            fcntl.ioctl(fd, _ENUM_FMT, answer)
        except OSError:
            return
        yield struct.unpack_from("=I", answer, 44)[0]


def _set_format(fd: int, width: int, height: int) -> None:
    wanted = struct.pack("=2I4I", _VIDEO_CAPTURE, 0, width, height, MJPG, _ANY_FIELD)
    fcntl.ioctl(fd, _S_FMT, bytearray(wanted.ljust(208, b"\0")))


def _text(raw: bytes | bytearray) -> str:
    text = bytes(raw).split(b"\0")[0].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in text)
