"""Scanners on USB, whose names change whenever they are plugged in."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from drivers import _sane_names as names
from drivers._sane_abi import Status
from drivers._sane_library import Found, Handle, SaneError
from drivers.scanner_sane import SaneScanner, SaneSettings
from edge.errors import DeviceBusy, DeviceLost
from edge.links.address import parse_address
from edge.port import DevicePort

OLD, NEW = "fujitsu:libusb:001:004", "fujitsu:libusb:001:009"
HOLD = "import sys; file = open(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


class Bus:
    """libsane with these scanners on its USB."""

    def __init__(self, *present: str, refusal: Status = Status.INVAL) -> None:
        self.present = present
        self.refusal = refusal

    def open(self, name: str) -> Handle:
        if name not in self.present:
            raise SaneError("sane_open", self.refusal)
        return Handle(ctypes.CDLL(None), ctypes.c_void_p())

    def devices(self, *, local_only: bool = False) -> list[Found]:
        assert local_only
        return [Found(name, "FUJITSU", "fi-7160", "scanner") for name in self.present]


def test_it_is_found_again_where_it_is_plugged_in_now() -> None:
    assert names.open_device(Bus(OLD, NEW), OLD)[0] == OLD
    assert names.open_device(Bus(NEW, "avision:libusb:001:010"), OLD)[0] == NEW
    assert names.open_device(Bus(NEW, refusal=Status.IO_ERROR), OLD)[0] == NEW


@pytest.mark.parametrize(
    ("bus", "name"),
    [
        (Bus(), OLD),
        (Bus(NEW, "fujitsu:libusb:001:010"), OLD),  # two alike: nobody can tell which
        (Bus("avision:libusb:001:010"), OLD),
        (Bus(NEW, refusal=Status.DEVICE_BUSY), OLD),
        (Bus(NEW, refusal=Status.ACCESS_DENIED), OLD),
        (Bus(NEW), "fujitsu:scsi:0"),
    ],
)
def test_another_scanner_is_never_taken_for_it(bus: Bus, name: str) -> None:
    with pytest.raises(SaneError):
        names.open_device(bus, name)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(names, "_USB_NODES", tmp_path)
    found = names.usb_node(OLD)
    assert found == tmp_path / "001" / "004"
    found.parent.mkdir()
    found.touch()
    return found


def test_the_program_that_has_it_is_named(node: Path) -> None:
    assert names.busy(OLD).code == names.busy("test:0").code == "SAN-102"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(node)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        found = names.busy(OLD)
        holder.communicate("")
    assert isinstance(found, DeviceBusy)
    assert found.code == "SAN-102"
    assert f"(pid {holder.pid})" in found.message


def test_a_poll_sees_that_it_was_unplugged_without_opening_it(node: Path) -> None:
    address = parse_address(f"sane:{OLD}", SaneScanner.addresses)
    scanner = SaneScanner(SaneSettings(probe_s=0), DevicePort("scanner-1", address))
    assert list(scanner.poll(0)) == []
    node.unlink()
    with pytest.raises(DeviceLost) as caught:
        scanner.poll(0)
    assert caught.value.code == "SAN-116"
