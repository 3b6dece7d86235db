"""A driver of another package: what the administrator has to add, printed; systemd and udev understand it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge.driver import Driver
from edge.needs import Match, Needs
from edge.tools.units.foreign import drop_in
from tests.support.picture_driver import DRIVER, PACKAGE
from tests.support.picture_driver import install as install_package
from tests.support.plugboard import PlugBoard, UsbDevice
from tests.support.project import ROOT
from tests.systemd.shipped import ALL, driver
from tests.systemd.udev import BUS, process, usb
from tests.systemd.unit import installed, settings, verified

READER = Needs(
    devices=("char-acme", "char-usb_device"), matches=(Match(subsystem="usb", usb=("feed:0001",)),), groups=("dialout",)
)
RULES = "/etc/udev/rules.d/69-hall-edge-acme.rules"


ACME = driver(READER)
APART = driver(READER, "process", memory_mb=3000)
FAR = driver(Needs(network=("acme:*",)), "process", memory_mb=3000)
NEEDLESS = driver(Needs())


def files(text: str) -> dict[str, str]:
    """Return the files of what was printed, by their paths."""
    parts = [part.partition("\n") for part in text.split("\n\n")]
    return {head.removeprefix("# "): body for head, _, body in parts}


@pytest.mark.parametrize(
    ("acme", "unit", "devices", "memory"),
    [
        (ACME, "hall-edge.service", ["char-acme rw"], None),
        (APART, "hall-edge-driver@.service", ["char-acme rw"], ["3256M"]),
        (FAR, "hall-edge-netdriver@.service", None, ["3256M"]),
    ],
)
def test_its_drop_in_adds_what_it_needs_and_is_understood(
    acme: type[Driver], unit: str, devices: list[str] | None, memory: list[str] | None, tmp_path: Path
) -> None:
    found = files(drop_in("acme", acme, ALL))
    path = tmp_path / f"etc/systemd/system/{unit}.d/acme.conf"
    text = found.pop(f"/etc/systemd/system/{unit}.d/acme.conf")
    assert {*found} == ({RULES} if acme.needs.matches else set())
    installed(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert verified(tmp_path, unit) == (0, "")
    service = settings(path, "Service")
    assert (service.get("DeviceAllow"), service.get("MemoryMax")) == (devices, memory)
    path.write_text(text.replace("MemoryMax", "MemoryMost").replace("DeviceAllow", "DevicesAllow"), encoding="utf-8")
    assert verified(tmp_path, unit)[0] != 0


def test_the_modules_of_its_devices_are_loaded_for_the_daemon() -> None:
    few = {"pad_hid": ALL["pad_hid"]}
    text = files(drop_in("acme", APART, few))["/etc/systemd/system/hall-edge.service.d/acme.conf"]
    assert text == "[Unit]\nWants=modprobe@usbcore.service\nAfter=modprobe@usbcore.service"


def test_its_rules_give_its_device_to_the_daemon(tmp_path: Path) -> None:
    rules = tmp_path / "69-hall-edge-acme.rules"
    rules.write_text(files(drop_in("acme", ACME, ALL))[RULES], encoding="utf-8")
    device = usb("1-1", "feed:0001"), f"{BUS}/1-1"
    assert process(tmp_path / "without", *device).group is None
    done = process(tmp_path / "with", *device, before=rules)
    assert (done.group, done.mode, done.complaints) == ("hall-edge", "0660", ())


@pytest.mark.parametrize("name", ["pad_serial", "camera_uvc", "scanner_escl"])
def test_one_that_needs_no_more_than_the_shipped_ones_is_told_so(name: str) -> None:
    assert drop_in("acme", ALL[name], ALL).startswith("# acme needs nothing")
    assert drop_in("acme", NEEDLESS, ALL).startswith("# acme needs nothing")


def printed(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge.tools.units", *words], env=env, cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_it_is_printed_for_a_package_that_is_named(tmp_path: Path) -> None:
    path = install_package(tmp_path)
    done = printed("drop-in", DRIVER, PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (5, "")
    assert "unknown driver" in done.stderr or "not allowed" in done.stderr
    done = printed("drop-in", DRIVER, "--package", PACKAGE, PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("# ")


def test_a_rule_for_a_role_is_printed_for_a_node() -> None:
    with PlugBoard() as board:
        board.plug(UsbDevice(serial="SN1"))
        done = printed("role", "pad", "/dev/ttyUSB0", **board.env)
        assert (done.returncode, done.stderr) == (0, "")
        assert 'ATTRS{serial}=="SN1"' in done.stdout
        assert 'SYMLINK+="hall-edge/pad"' in done.stdout
        for words, said in ((("pad", "/dev/ttyUSB1"), "is not there"), (("Pad", "/dev/ttyUSB0"), "no name for a role")):
            done = printed("role", *words, **board.env)
            assert (done.returncode, done.stdout) == (1, "")
            assert said in done.stderr
