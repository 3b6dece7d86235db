"""A document camera on this kernel's USB: ``python3 -m tests.vm.inside.uvc_camera PORT WIDTH HEIGHT``.

Its pictures are the frames of the simulated camera at PORT, an MJPEG stream over HTTP. UVC 1.0, over a bulk endpoint.
"""

from __future__ import annotations

import struct
import sys
import threading
from http.client import HTTPConnection
from typing import BinaryIO

from tests.vm.inside.usb_bus import UsbDevice, endpoint

_STREAM = 1
_PAYLOAD = 16384
_FRAMES_A_SECOND = 5
_SET_CURRENT, _GET_LENGTH, _GET_INFO = 0x01, 0x85, 0x86
_PROBE_AND_COMMIT = (1, 2)


def _described(width: int, height: int, interval: int) -> bytes:
    """Write a control interface (camera to USB) and a streaming one with a single format and size (UVC 1.0, 3)."""
    size = width * height * 2
    sizes = (width, height, 1 << 20, 1 << 28, size, interval, 1, interval)
    frame = struct.pack("<BBBBBHHIIIIBI", 30, 0x24, 7, 1, 0, *sizes)
    formats = bytes((11, 0x24, 6, 1, 1, 1, 1, 0, 0, 0, 0)) + frame + bytes((6, 0x24, 13, 1, 1, 4))
    units = struct.pack("<BBBBHBBHHHB3x", 18, 0x24, 2, 1, 0x201, 0, 0, 0, 0, 0, 3)
    units += struct.pack("<BBBBHBBB", 9, 0x24, 3, 3, 0x101, 0, 1, 0)
    control = bytes((8, 11, 0, 2, 14, 3, 0, 2)) + bytes((9, 4, 0, 0, 0, 14, 1, 0, 2))
    control += struct.pack("<BBBHHIBB", 13, 0x24, 1, 0x100, 13 + len(units), 48_000_000, 1, 1) + units
    streaming = bytes((9, 4, 1, 0, 1, 14, 2, 0, 0))
    streaming += struct.pack("<BBBBHBBBBBBBB", 14, 0x24, 1, 1, 14 + len(formats), 0x81, 0, 3, 0, 0, 0, 1, 0)
    return control + streaming + formats + endpoint(0x81, 2, 512)


class Camera(UsbDevice):
    """The camera; it sends the newest frame that it was given."""

    vendor, product, names = 0x0C45, 0x6366, ("hall-edge", "document camera", "CAM0001")
    classes = (0xEF, 2, 1)
    interfaces = 2

    def __init__(self, width: int, height: int) -> None:
        interval = 10_000_000 // _FRAMES_A_SECOND
        super().__init__(_described(width, height, interval))
        numbers = (1, 1, 1, interval, 0, 0, 0, 0, 0, width * height * 2, _PAYLOAD)
        self._probe = struct.pack("<HBBIHHHHHII", *numbers)
        self._toggle = 0

    def control(self, kind: int, request: int, value: int, index: int) -> bytes | None:
        """Answer probe and commit: there is nothing to choose."""
        del kind
        if index & 0xFF != _STREAM or value >> 8 not in _PROBE_AND_COMMIT:
            return None
        special = {_SET_CURRENT: b"", _GET_LENGTH: struct.pack("<H", len(self._probe)), _GET_INFO: b"\3"}
        return special.get(request, self._probe)

    def show(self, picture: bytes) -> None:
        """Send one frame in payloads with a header of two bytes (UVC 1.0, 2.4.3.3); waits for whoever looks."""
        step = _PAYLOAD - 2
        for at in range(0, len(picture), step):
            last = at + step >= len(picture)
            self.say(1, bytes((2, 0x80 | last << 1 | self._toggle)) + picture[at : at + step])
        self._toggle ^= 1


class Newest:
    """The newest frame of a stream; old ones are of no use."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._frame = b""
        self._fresh = threading.Event()

    def read_for_ever(self) -> None:
        """Read parts of ``multipart/x-mixed-replace`` with a Content-Length each."""
        while line := self._stream.readline():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                while self._stream.readline().strip():
                    pass
                self._frame = self._stream.read(int(value))
                self._fresh.set()

    def take(self) -> bytes:
        """Wait for a frame that was not taken yet."""
        self._fresh.wait()
        self._fresh.clear()
        return self._frame


def main() -> None:
    """Stay plugged in until the stream ends."""
    port, width, height = (int(text) for text in sys.argv[1:])
    camera = Camera(width, height)
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/camera.mjpg")
    with connection.getresponse() as stream:
        newest = Newest(stream)
        threading.Thread(target=lambda: _serve(camera, newest), daemon=True).start()
        camera.plug()
        newest.read_for_ever()


def _serve(camera: Camera, newest: Newest) -> None:
    while True:
        camera.wait_asked(1)
        camera.show(newest.take())


if __name__ == "__main__":
    main()
