"""The devices of the window: what `hall-edge init` is told of them, and how each comes to be in the emulated PC.

=========  =====================================  ==============================================================
name       in the PC                              whose bytes
=========  =====================================  ==============================================================
id-1       USB-serial bridge, ``ftdi_sio``        QEMU's usb-serial; ``idcard_sdt`` runs on this machine
card-1     USB card reader, ``pcscd``, libccid    QEMU's usb-ccid; the simulated card runs on this machine
id-2       0400:c35a on ``vhci_hcd``, libusb      ``idcard_usb``, attached by Debian's usbip
pad-2      HID on ``vhci_hcd``, hidraw            ``pad_hid``, through :mod:`tests.vm.inside.hid_pad`
camera-1   UVC on ``vhci_hcd``, ``uvcvideo``      ``camera_uvc``, through :mod:`tests.vm.inside.uvc_camera`
camera-2   MJPEG over HTTP                        ``camera_uvc``
scanner-1  eSCL over HTTP                         ``scanner_escl``
pad-1      pseudo-terminal                        ``pad_serial``
gun-1      pseudo-terminal                        ``code_serial``
=========  =====================================  ==============================================================

All but the first two run inside, as the user ``simulator``. Of the package's settings one line is different: a
pseudo-terminal is no device of a window, so the daemon is allowed ``char-pts``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Self

from tests.vm.guest import Guest

SERIAL, READER_NAME = "IDR0001", "tty-0403-6001-IDR0001-if00"
READER = f"/dev/hall-edge/by-serial/{READER_NAME}"
"""The stable name of the ID-card reader behind the bridge."""
PLACE = "/run/simulators"
ALLOWED = "[Service]\nDeviceAllow=char-pts rw\n"

INIT = {
    "id-1": f"driver=idcard_sdt address=serial://{READER} read=full purpose=test",
    "card-1": "driver=card_pcsc address=pcsc: read=full purpose=test",
    "id-2": "driver=idcard_sdt address=usb:0400:c35a read=full purpose=test",
    "pad-2": "driver=pad_hid address=hid:0483:5750 profile=hid_reports",
    "camera-1": "driver=camera_uvc address=v4l2:0c45:6366",
    "camera-2": "driver=camera_uvc address=http://127.0.0.1:8002/camera.mjpg",
    "scanner-1": "driver=scanner_escl address=escl://127.0.0.1:8003/eSCL",
    "pad-1": f"driver=pad_serial address=serial://{PLACE}/pad-1 profile=stx_len16",
    "gun-1": f"driver=code_serial address=serial://{PLACE}/gun-1 content=public",
}
"""By name, what `--device` of `hall-edge init` is given."""

PLUGGED = ("id-1", "card-1")
"""Those that a test plugs in."""
INSIDE = tuple(name for name in INIT if name not in PLUGGED)

_SIMULATED = {
    "id-2": "idcard_usb,tcp-port=3240,serial=SIM00001",
    "pad-2": "pad_hid,kind=reports",
    "camera-1": "camera_uvc,port=8001,width=640,height=480,fps=2,page=1",
    "camera-2": "camera_uvc,port=8002,width=640,height=480,fps=2,page=2",
    "scanner-1": "scanner_escl,port=8003",
    "pad-1": "pad_serial,profile=stx_len16",
    "gun-1": "code_serial",
}
_STAYS = "systemd-run --quiet --collect --setenv=PYTHONPATH=/opt/lab --unit=plugged"
_NODES = {"pad-2": "hidraw-0483-5750-PAD0001-if00", "camera-1": "video4linux-0c45-6366-CAM0001-if00"}
_TERMINALS = ("pad-1", "gun-1")
_ON_USB = {
    "id-2": "usbip attach --remote=127.0.0.1 --busid=1-1",
    "pad-2": f"{_STAYS}-pad python3 -m tests.vm.inside.hid_pad {PLACE}/pad-2",
    "camera-1": f"{_STAYS}-camera python3 -m tests.vm.inside.uvc_camera 8001 640 480",
}
_PYTHON = "/usr/lib/hall-edge/bin/python -P"
_START_S = 300.0


class Simulators:
    """Those simulated devices inside that *names* says; a context manager.

    They are as unprivileged as a person who plugs things in; what stands behind a USB port is plugged in by root.
    """

    def __init__(self, guest: Guest, names: Sequence[str] = INSIDE) -> None:
        self._guest = guest
        self._names = names
        self._running: subprocess.Popen[str]

    def __enter__(self) -> Self:
        run = self._guest.run
        run(f"install -d -o simulator -g simulator {PLACE} && modprobe vhci-hcd")
        me = "setpriv --reuid=simulator --regid=simulator --clear-groups"
        devices = " ".join(f"{name}={_SIMULATED[name]}" for name in self._names)
        self._running = self._guest.start(f"exec {me} {_PYTHON} -m simulators --dir {PLACE} {devices}")
        try:
            self._plug()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _plug(self) -> None:
        run = self._guest.run
        self._said("ready")
        for name in self._names:
            if name in _TERMINALS:  # nobody gives the daemon these but we: udev does not see them
                run(f"node=$(readlink {PLACE}/{name}) && chgrp hall-edge $node && chmod 660 $node")
            elif name in _ON_USB:
                run(_ON_USB[name])

    def __exit__(self, *_: object) -> None:
        self._running.kill()
        self._running.communicate()

    def do(self, line: str) -> None:
        """Do to a device what a person does, and return when it is done."""
        self.begin(line)
        self._said(" ".join(line.split()[:2]))

    def begin(self, line: str) -> None:
        """Do it without waiting."""
        if self._running.stdin is None:
            raise AssertionError("the simulators cannot be told anything")
        self._running.stdin.write(line + "\n")
        self._running.stdin.flush()

    def _said(self, wanted: str) -> None:
        if self._running.stdout is None:
            raise AssertionError("the simulators cannot be heard")
        while line := self._running.stdout.readline():
            if wanted in line:
                return
        raise AssertionError(f"the simulators ended before they said {wanted!r}")


def wait_nodes(guest: Guest, names: Sequence[str]) -> None:
    """Wait until the kernel and udev have taken what the simulators of *names* plugged in."""
    nodes = [f"/dev/hall-edge/by-serial/{node}" for name, node in _NODES.items() if name in names]
    guest.wait(f"ls / {' '.join(nodes)} && udevadm settle", _START_S)
