"""USB and HID through the kernel's own interfaces: real libusb over usbfs, hidraw and evdev, answered by umockdev."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.project import ROOT

KERNEL = ["umockdev-wrapper", "/usr/bin/python3", str(ROOT / "tests" / "support" / "umock_devices.py")]
READER, PAD = "usb:0400:c35a?serial=SIM00001", "hid:0483:5750?port=1-4"
PRESS_1 = "E: 0.200000 0001 0002 0001\nE: 0.200000 0000 0000 0000\nE: 0.300000 0001 0002 0000\n"

pytestmark = pytest.mark.slow


class Talker:
    """A process that is told what to do, a line a time, and answers with an object."""

    def __init__(self, command: list[str], **env: str) -> None:
        self._process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self._process.pid

    def say(self, line: str) -> Any:
        self.tell(line)
        return self.heard()

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def heard(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"it ended with {self._process.wait(5)}"
        return json.loads(line)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._process.stdout:
            self._process.stdin.close()
            self._process.wait(10)


@contextmanager
def kernel(address: str, *what: str) -> Iterator[tuple[Talker, Talker]]:
    """Yield a kernel that has *what*, and a client for the device at *address*."""
    device = Talker([*KERNEL, *what])
    try:
        client = Talker([sys.executable, "-m", "tests.core.kernel_client", address], **device.heard())
        try:
            yield device, client
        finally:
            client.close()
    finally:
        device.close()


def order(device: Talker, **what: str) -> Any:
    return device.say(json.dumps(what))


@pytest.mark.parametrize("layout", ["two-pair", "one-pair"])
def test_a_reader_behind_real_libusb(layout: str) -> None:
    """Descriptors, claim, bulk both ways, and ENODEV when it is pulled out."""
    with kernel(READER, "usb", layout) as (device, client):
        assert client.say("who") == {"result": {"model": "SAM_V", "simulated": True}}
        order(device, do="insert resident seed=1")
        events = client.say("poll")["result"]
        assert [event["type"] for event in events] == ["id-card.presented", "id-card.read"]
        order(device, set="gone")
        assert client.say("poll")["error"] == "USB-105"
        client.say("close")
        assert client.say("who")["error"] == "USB-101"


def test_a_reader_that_another_program_has() -> None:
    with kernel(READER, "usb") as (device, client):
        order(device, set="held")
        told = client.say("who")
        assert told["error"] == "USB-103"
        assert "another program" in told["message"]
        assert told["action"].startswith("close ")


def test_a_keyboard_is_grabbed_and_heard() -> None:
    with kernel(PAD, "keys") as (device, client):
        assert client.say("keys") == {"open": True}
        asked = order(device, node="/dev/input/event5", events=PRESS_1)["asked"]
        assert asked == ["E02", "E90"]  # EVIOCGID, EVIOCGRAB
        records = bytes.fromhex(client.say("")["result"])
        assert len(records) == 3 * 24
        assert records[16:24] == bytes.fromhex("0100020001000000")


def test_a_keyboard_that_another_program_has_grabbed() -> None:
    with kernel(PAD, "keys") as (device, client):
        order(device, set="held")
        told = client.say("keys")
        assert told["error"] == "HID-103"
        assert "/dev/input/event5" in told["message"]


def test_reports_of_a_hidraw_node() -> None:
    with kernel(PAD, "reports") as (device, client):
        assert client.say("reports") == {"open": True}
        asked = order(device, node="/dev/hidraw0", script="d 0 /dev/hidraw0\nr 100 ^AQ^A^B\n")["asked"]
        assert asked == ["H03"]  # HIDIOCGRAWINFO
        assert client.say("")["result"] == "01510102"
