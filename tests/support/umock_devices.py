"""A kernel with one USB or HID device for tests: umockdev asks this program what the device's node answers.

Run by Debian's Python (``gi`` is no PyPI package) under ``umockdev-wrapper``, with what is to be there: ``usb`` and a
layout, ``keys`` or ``reports``. The USB reader is the simulators' one, behind the ioctls of usbfs. Orders come as JSON
objects, one a line. Programs see the device when they are started with the environment that this one tells first.
"""

from __future__ import annotations

import json
import random
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # type: ignore[import-not-found]  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2]))
from simulators.idcard_sdt import IdCardReader  # noqa: E402
from simulators.idcard_usb import LAYOUTS, PRODUCT, STRINGS, VENDOR  # noqa: E402
from simulators.usb_device import Done, Identity, UsbDevice  # noqa: E402
from simulators.usbip_wire import Urb  # noqa: E402
from simulators.words import Words  # noqa: E402

CLAIM, RELEASE, SET_CONFIGURATION, CLEAR_HALT = 0x8004550F, 0x80045510, 0x80045505, 0x80045515
SUBMIT, DISCARD, REAP_NOW, REAP, CAPABILITIES, DRIVER, DETACH = (
    0x8038550A, 0x550B, 0x4008550D, 0x4008550C, 0x8004551A, 0x41045508, 0xC0105512,
)  # fmt: skip
URB_SIZE, CONTROL, SETUP_SIZE = 56, 2, 8
EAGAIN, EBUSY, ENODEV, ENODATA, ENOENT, ENOTTY = 11, 16, 19, 61, 2, 25
GRAB = 0x90
DEVICE = "/devices/pci0000:00/0000:00:14.0/usb1/1-4"


def usb_records(identity: Identity) -> str:
    """Return the reader as umockdev reads it."""
    whole = (identity.device() + identity.configuration()).hex().upper()
    maker, product, serial = identity.strings
    return (
        f"P: {DEVICE}\nN: bus/usb/001/007={whole}\nE: BUSNUM=001\nE: DEVNUM=007\nE: DEVNAME=/dev/bus/usb/001/007\n"
        f"E: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nH: descriptors={whole}\nA: bConfigurationValue=1\n"
        f"A: bDeviceClass=00\nA: busnum=1\nA: devnum=7\nA: idVendor={VENDOR:04x}\nA: idProduct={PRODUCT:04x}\n"
        f"A: manufacturer={maker}\nA: product={product}\nA: serial={serial}\nA: speed=12\nA: bNumInterfaces= 1\n"
    )


def hid_records() -> str:
    """Return a pad with a keyboard's and a hidraw node."""
    usb = f"{DEVICE}\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\nA: bDeviceClass=00\nA: busnum=1\nA: devnum=8\n"
    usb += "A: idVendor=0483\nA: idProduct=5750\nA: product=Evaluation Pad\nA: serial=EV01\n"
    hid = f"{DEVICE}/1-4:1.0/0003:0483:5750.0001"
    raw = f"P: {hid}/hidraw/hidraw0\nN: hidraw0\nE: SUBSYSTEM=hidraw\nE: DEVNAME=/dev/hidraw0\n"
    keys = f"P: {hid}/input/input5/event5\nN: input/event5\nE: SUBSYSTEM=input\nE: DEVNAME=/dev/input/event5\n"
    keys += "E: ID_INPUT_KEYBOARD=1\n"
    return "\n".join([f"P: {usb}", f"P: {DEVICE}/1-4:1.0\nE: DEVTYPE=usb_interface\nE: SUBSYSTEM=usb\n", raw, keys])


class UsbReader(UMockdev.IoctlBase):  # type: ignore[misc]  # gi has no types
    """Answers libusb: URBs go to the simulated device, their answers wait to be reaped."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.wiring = LAYOUTS[layout]()
        self.model = IdCardReader(Words(), 0)
        self.model.power_on(time.monotonic())
        self.usb = UsbDevice(Identity(VENDOR, PRODUCT, (*STRINGS, "SIM00001"), self.wiring.endpoints))
        self.gone = self.held = False
        self.pending: dict[int, tuple[Any, Any, int]] = {}
        self.done: list[Any] = []
        self.number = 0

    def do(self, line: str) -> None:
        """Do what a person does."""
        action, *words = line.split()
        self.model.actions()[action](Words(words)).start(time.monotonic())

    def do_handle_ioctl(self, client: Any) -> bool:
        request = client.get_request() & 0xFFFFFFFF
        plain = {RELEASE: 0, SET_CONFIGURATION: 0, DETACH: 0, CLAIM: EBUSY if self.held else 0, DRIVER: ENODATA}
        if self.gone:
            client.complete(-1, ENODEV)
        elif request in plain:
            client.complete(-1 if plain[request] else 0, plain[request])
        elif request == CAPABILITIES:
            client.get_arg().resolve(0, 4).update(0, list(struct.pack("<I", 0x05)))
            client.complete(0, 0)
        elif request == SUBMIT:
            self.submit(client.get_arg().resolve(0, URB_SIZE))
            client.complete(0, 0)
        elif request == DISCARD:
            for number in list(self.pending):
                self.usb.unlink(number)
                self.finish(Done(number, -ENOENT))
            client.complete(0, 0)
        elif request in (REAP, REAP_NOW):
            self.reap(client)
        else:
            client.complete(-1, ENOTTY)
        return True

    def submit(self, urb: Any) -> None:
        """Take one URB, let the reader hear and answer."""
        raw = bytes(urb.retrieve())
        kind, endpoint, size = raw[0], raw[1], struct.unpack_from("<i", raw, 24)[0]
        buffer = urb.resolve(16, size) if size else None
        data = bytes(buffer.retrieve()) if buffer is not None else b""
        self.number += 1
        self.pending[self.number] = (urb, buffer, SETUP_SIZE if kind == CONTROL else 0)
        setup, rest = (data[:SETUP_SIZE], data[SETUP_SIZE:]) if kind == CONTROL else (bytes(SETUP_SIZE), data)
        size -= len(setup) if kind == CONTROL else 0
        for done in self.usb.submit(Urb(self.number, bool(endpoint & 0x80), endpoint & 0x0F, size, setup, rest)):
            self.finish(done)
        now = time.monotonic()
        for at, said in list(self.usb.heard()):
            for output in self.model.receive(self.wiring.to_device(at, said), now):
                for to, packet in self.wiring.to_host(output.data):
                    for done in self.usb.say(to, [packet]):
                        self.finish(done)

    def finish(self, done: Done) -> None:
        """Let a URB be reaped with its result."""
        urb, buffer, offset = self.pending.pop(done.number)
        if done.data and buffer is not None:
            buffer.update(offset, list(done.data))
        urb.update(4, list(struct.pack("<i", done.status)))
        urb.update(28, list(struct.pack("<i", len(done.data) or done.taken)))
        self.done.append(urb)

    def reap(self, client: Any) -> None:
        """Hand over the next URB that is done; its pointer goes through a resolved one, else libusb crashes."""
        if not self.done:
            client.complete(-1, EAGAIN)
            return
        client.get_arg().resolve(0, 8).set_ptr(0, self.done.pop(0))
        client.complete(0, 0)


class HidNode(UMockdev.IoctlBase):  # type: ignore[misc]  # gi has no types
    """Answers the ioctls of hidraw and evdev that tell who a device is, and the one that grabs it."""

    def __init__(self, asked: list[str]) -> None:
        super().__init__()
        self.held = False
        self.asked = asked

    def do_handle_ioctl(self, client: Any) -> bool:
        request = client.get_request() & 0xFFFFFFFF
        kind, number = chr(request >> 8 & 0xFF), request & 0xFF
        self.asked.append(f"{kind}{number:02x}")
        told = {"H03": struct.pack("<IHH", 3, 0x0483, 0x5750), "E02": struct.pack("<HHHH", 3, 0x0483, 0x5750, 1)}
        data = told.get(self.asked[-1])
        if data is not None:
            client.get_arg().resolve(0, len(data)).update(0, list(data))
            client.complete(0, 0)
        elif kind == "E" and number == GRAB:
            client.complete(-1 if self.held else 0, EBUSY if self.held else 0)
        else:
            client.complete(-1, ENOTTY)
        return True


def answer(**told: object) -> None:
    print(json.dumps(told), flush=True)  # noqa: T201


def main(kind: str, layout: str = "two-pair") -> None:
    """Be the kernel until the end of input."""
    random.seed(1)
    testbed, asked = UMockdev.Testbed.new(), list[str]()
    if kind == "usb":
        node: Any = UsbReader(layout)
        testbed.add_from_string(usb_records(node.usb.identity))
        testbed.attach_ioctl("/dev/bus/usb/001/007", node)
    else:
        node = HidNode(asked)
        testbed.add_from_string(hid_records())
        testbed.attach_ioctl("/dev/input/event5" if kind == "keys" else "/dev/hidraw0", node)
    threading.Thread(target=GLib.MainLoop().run, daemon=True).start()
    answer(UMOCKDEV_DIR=testbed.get_root_dir(), LD_PRELOAD="libumockdev-preload.so.0")
    for line in sys.stdin:
        order = json.loads(line)
        if "do" in order:
            node.do(order["do"])
        elif "set" in order:
            setattr(node, order["set"], True)
        elif "script" in order or "events" in order:
            with tempfile.NamedTemporaryFile("w", delete=False) as file:
                file.write(order.get("script") or order["events"])
            load = testbed.load_script if "script" in order else testbed.load_evemu_events
            load(order["node"], file.name)
            Path(file.name).unlink()
        answer(asked=asked)


if __name__ == "__main__":
    main(*sys.argv[1:])
