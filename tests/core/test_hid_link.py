"""The HID link on a simulator's socket: errors by their right name, messages as they are, and what identifies a node.

Real nodes with their ioctls are in ``test_kernel_devices.py``.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import DeviceAbsent, DeviceAttention, DeviceLost, DeviceProtocol, Unsupported
from edge.links import HidLine, hid
from edge.links.address import parse_address
from edge.plugging.plugged import Plugged
from edge.port import DevicePort
from simulators.bench import Bench
from tests.contract.desk import nothing_left
from tests.contract.harness import Call
from tests.support.project import ROOT

OPEN_AS_NOBODY = """
import os, sys
from edge.errors import DeviceError
from edge.links.address import Address
from edge.links.hid import open_hid
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
else:
    os.chmod(sys.argv[1], 0)
try:
    open_hid(Address("hid", sys.argv[1], {}), sys.argv[2], lambda *_: None)
except DeviceError as error:
    print(error.code, error.state, error.action)
"""
KEYS, REPORTS = HidLine("keys"), HidLine("reports")
STROKE = struct.pack("@llHHi", 0, 0, 1, 6, 1) + bytes(24)


@pytest.fixture
def pad(tmp_path: Path) -> Iterator[tuple[Bench, DevicePort]]:
    with Bench(tmp_path) as bench:
        bench.add("pad-1", "pad_hid", kind="reports", always=True)
        yield bench, port(bench.address("pad-1"))


def port(address: str) -> DevicePort:
    return DevicePort("pad-1", parse_address(address), b"hid")


def test_one_report_a_read(pad: tuple[Bench, DevicePort]) -> None:
    bench, device = pad
    link = device.open(REPORTS)
    assert link.simulated
    for level in ("5", "1"):
        bench.do(f"pad-1 press {level}")
    assert link.idle(1.0)
    assert [link.read(1.0)[:3], link.read(1.0)[:3]] == [b"\x01\x51\x01", b"\x01\x51\x05"]
    assert not link.idle(0)
    link.write(b"\x01\x50\x0a" + bytes(5))
    bench.wait_count("pad-1", "requests")
    link.close()


def test_keys_come_as_whole_records(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        bench.add("pad-1", "pad_hid", enter=True)
        link = port(bench.address("pad-1")).open(KEYS)
        bench.do("pad-1 press 5")
        data = link.read(1.0)
        assert len(data) == 8 * 24
        assert [code for _, _, kind, code, value in struct.iter_unpack("@llHHi", data) if (kind, value) == (1, 1)] == [
            6,
            28,
        ]
        link.close()


def test_there_is_no_rate_to_set(pad: tuple[Bench, DevicePort]) -> None:
    link = pad[1].open(REPORTS)
    with pytest.raises(Unsupported):
        link.set_baud(9600)
    link.close()


@pytest.mark.parametrize("wait", ["read", "idle"])
def test_unplugged_while_it_waits(pad: tuple[Bench, DevicePort], wait: str) -> None:
    bench, device = pad
    with nothing_left():
        link = device.open(REPORTS)
        call = Call(lambda: link.read(30) if wait == "read" else [link.idle(30), link.read(0)])
        bench.do("pad-1 unplug")
        pulled = time.monotonic()
        with pytest.raises(DeviceLost, match="HID-105"):
            call.result(2.0)
        assert time.monotonic() - pulled < 1.0
        with pytest.raises(DeviceLost):
            link.write(bytes(8))
        link.close()
        with pytest.raises(DeviceAbsent, match="HID-101"):
            device.open(REPORTS)
        bench.do("pad-1 plug")
        device.open(REPORTS)
        device.release()


def test_it_opens_again_at_once(pad: tuple[Bench, DevicePort]) -> None:
    bench, device = pad
    with nothing_left():
        for _ in range(20):
            link = device.open(REPORTS)
            link.close()
    link = device.open(REPORTS)
    bench.do("pad-1 press 3")
    assert link.read(1.0)[:3] == b"\x01\x51\x03"
    link.close()


@pytest.mark.parametrize("line", [KEYS, REPORTS])
def test_what_is_not_there(tmp_path: Path, line: HidLine) -> None:
    for address in (
        f"hid://{tmp_path}/nothing",
        f"hid://{tmp_path}/no/folder",
        "hid:0483:5750",
        "hid:0483:5750?port=1-9",
    ):
        with nothing_left(), pytest.raises(DeviceAbsent) as caught:
            port(address).open(line)
        assert caught.value.action


@pytest.mark.parametrize("line", [KEYS, REPORTS])
@pytest.mark.parametrize("other", ["/dev/null", "file"])
def test_what_is_no_hid_device(tmp_path: Path, line: HidLine, other: str) -> None:
    (tmp_path / "file").write_bytes(bytes(100))
    path = other if other.startswith("/") else str(tmp_path / other)
    with nothing_left(), pytest.raises(DeviceProtocol, match="HID-106"):
        port(f"hid://{path}").open(line)


def test_a_socket_that_nobody_listens_to(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left_over:
        left_over.bind(str(tmp_path / "pad"))
    with nothing_left(), pytest.raises(DeviceAbsent):
        port(f"hid://{tmp_path}/pad").open(REPORTS)


@pytest.mark.parametrize("kind", ["keys", "reports"])
def test_no_permission_names_the_rule(pad: tuple[Bench, DevicePort], kind: str) -> None:
    """In a process of its own that is nobody: root may open everything."""
    _, device = pad
    told = subprocess.run(
        [sys.executable, "-c", OPEN_AS_NOBODY, device.address.target, kind],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert told.startswith("HID-102 denied ")
    assert "udev/rules.d" in told
    assert {"keys": "input", "reports": "hidraw"}[kind] in told


# --- which node


def plugged(node: str, usb_port: str = "1-4", **more: str) -> Plugged:
    return Plugged("input", node, (), 0x0483, 0x5750, more.pop("serial", None), usb_port, properties=more)


def test_of_a_keyboard_the_node_with_the_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, keys = tmp_path / "event4", tmp_path / "event5"
    first.touch()
    keys.touch()
    found = [plugged(str(first)), plugged(str(keys), ID_INPUT_KEYBOARD="1")]
    monkeypatch.setattr(hid, "nodes", lambda *_: found)
    for line, node in ((KEYS, keys), (REPORTS, first)):
        with pytest.raises(DeviceProtocol, match=str(node)):
            port("hid:0483:5750").open(line)


def test_several_alike_ask_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hid, "nodes", lambda *_: [plugged("/dev/a"), plugged("/dev/b", "1-5")])
    with pytest.raises(DeviceAttention, match="1-4 and 1-5"):
        port("hid:0483:5750").open(KEYS)
