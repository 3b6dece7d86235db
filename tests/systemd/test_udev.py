"""The shipped udev rules under udev's own engine: whose nodes become the daemon's, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.plugging.plugged import Plugged
from edge.tools.units.roles import role_rule
from tests.systemd import udev
from tests.systemd.udev import Processed, node, process, usb

PAD, KEYPAD, KEYBOARD = "Evaluation Pad", "USB Keypad", "USB Keyboard"
KEYS = "E: ID_INPUT=1\nE: ID_INPUT_KEY=1\nE: ID_INPUT_KEYBOARD=1\n"
BY_PORT = "/dev/hall-edge/by-port/{}-pci-0000:00:14.0-usb-0:1.4:1.0"


def tty(ids: str, serial: str | None = None, port_number: int = 0) -> tuple[str, str]:
    adapter = f"P: {udev.BUS}/1-1.4/1-1.4:1.0/ttyUSB0\nE: SUBSYSTEM=usb-serial\nA: port_number={port_number}\n\n"
    text, path = node("1-1.4", "tty", "ttyUSB0/tty/ttyUSB0", "ttyUSB0", "188:0")
    return usb("1-1.4", ids, serial=serial) + adapter + text, path


def hid(subsystem: str, product: str) -> tuple[str, str]:
    below, name, number, more = {
        "input": ("0003:0483:5750.0001/input/input5/event5", "input/event5", "13:69", KEYS),
        "hidraw": ("0003:0483:5750.0001/hidraw/hidraw0", "hidraw0", "240:0", ""),
    }[subsystem]
    parent = f"P: {udev.BUS}/1-1.4/1-1.4:1.0/0003:0483:5750.0001/input/input5\nE: SUBSYSTEM=input\n{KEYS}\n"
    text, path = node("1-1.4", subsystem, below, name, number, more)
    return usb("1-1.4", "0483:5750", product=product) + parent + text, path


def whole(ids: str, more: str = "") -> tuple[str, str]:
    return usb("1-1.4", ids, serial="A1", more=more), f"{udev.BUS}/1-1.4"


def camera(index: int, capabilities: str = ":capture:") -> tuple[str, str]:
    told = f"A: index={index}\nE: ID_V4L_CAPABILITIES={capabilities}\n"
    text, path = node("1-1.4", "video4linux", "video4linux/video0", "video0", "81:0", told)
    return usb("1-1.4", "1b3f:2247", serial="A1") + text, path


def under(folder: Path, device: tuple[str, str], more: str = "") -> Processed:
    done = process(folder, *device, more)
    assert not done.complaints
    return done


@pytest.mark.parametrize("ids", ["1a86:7523", "0403:6001", "0536:1234"])
def test_a_serial_adapter_is_the_daemons_and_has_names_that_stay(ids: str, tmp_path: Path) -> None:
    done = under(tmp_path, tty(ids, "SN1"))
    assert (done.group, done.mode) == ("hall-edge", "0660")
    by_serial = f"/dev/hall-edge/by-serial/tty-{ids.replace(':', '-')}-SN1-if00"
    assert {link for link in done.links if "hall-edge" in link} == {BY_PORT.format("tty"), by_serial}
    assert done.properties["ID_MM_PORT_IGNORE"] == "1"
    assert ":systemd:" in done.properties["TAGS"]


def test_without_a_serial_number_it_is_named_by_its_port_alone(tmp_path: Path) -> None:
    done = under(tmp_path, tty("1a86:7523"))
    assert [link for link in done.links if "hall-edge" in link] == [BY_PORT.format("tty")]


def test_the_second_line_of_an_adapter_has_a_name_of_its_own(tmp_path: Path) -> None:
    done = under(tmp_path, tty("0403:6001", "SN1", port_number=1))
    assert {f"{BY_PORT.format('tty')}-port1", "/dev/hall-edge/by-serial/tty-0403-6001-SN1-if00-port1"} <= {*done.links}


@pytest.mark.parametrize(
    ("device", "group", "mode"),
    [
        (tty("12d1:1506", "SN1"), "dialout", None),  # a modem
        (hid("input", KEYBOARD), "input", None),
        (hid("input", KEYPAD), "input", None),
        (hid("hidraw", KEYBOARD), None, None),
        (whole("046d:c52b"), None, "0664"),
    ],
)
def test_what_is_not_surely_a_windows_device_is_left_alone(
    device: tuple[str, str], group: str | None, mode: str | None, tmp_path: Path
) -> None:
    done = under(tmp_path, device)
    assert (done.group, done.mode) == (group, mode)
    assert not [link for link in done.links if "hall-edge" in link]
    assert not {"HALL_EDGE", "ID_MM_DEVICE_IGNORE", "LIBINPUT_IGNORE_DEVICE"} & done.properties.keys()
    assert not done.written


@pytest.mark.parametrize("product", [PAD, "滿意评价器", "PingJia Qi", "SATISFACTION KEYS"])
@pytest.mark.parametrize("subsystem", ["input", "hidraw"])
def test_an_evaluation_pad_is_read_by_nobody_else(subsystem: str, product: str, tmp_path: Path) -> None:
    done = under(tmp_path, hid(subsystem, product))
    assert (done.group, done.mode) == ("hall-edge", "0660")
    assert done.properties.get("LIBINPUT_IGNORE_DEVICE") == ("1" if subsystem == "input" else None)
    assert BY_PORT.format(subsystem) in done.links


@pytest.mark.parametrize(
    ("device", "group"),
    [
        (whole("0400:c35a"), "hall-edge"),
        (whole("04c5:1632", "E: libsane_matched=yes\n"), "hall-edge"),
        (whole("08e6:4433", "E: ID_USB_INTERFACES=:0b0000:\n"), None),  # pcscd opens it
        (whole("1a86:7523"), None),  # the kernel's driver has it
    ],
)
def test_usb_devices_of_the_window_do_not_sleep(device: tuple[str, str], group: str | None, tmp_path: Path) -> None:
    done = under(tmp_path, device)
    assert (done.group, done.mode) == (group, "0660" if group else "0664")
    assert done.written == {"control": "on"}
    ours = done.properties["HALL_EDGE"] != "name"
    assert ("ID_MM_DEVICE_IGNORE" in done.properties) is ours  # a modem may have a smart-card slot


def test_a_camera_keeps_its_group_and_gets_a_name(tmp_path: Path) -> None:
    done = under(tmp_path / "picture", camera(0))
    assert (done.group, done.mode) == ("video", None)
    assert {BY_PORT.format("video4linux"), "/dev/hall-edge/by-serial/video4linux-1b3f-2247-A1-if00"} <= {*done.links}
    for folder, other in (("second", camera(1)), ("metadata", camera(0, ":"))):
        assert not [link for link in under(tmp_path / folder, other).links if "hall-edge" in link]


@pytest.mark.parametrize("serial", [None, "SN1", 'S"N*'])
def test_an_administrator_names_a_devices_role(serial: str | None, tmp_path: Path) -> None:
    found = Plugged(
        "input", "/dev/input/event5", (), 0x0483, 0x5750, serial, "1-1.4", product=KEYPAD,
        properties={"ID_INPUT_KEYBOARD": "1", "ID_USB_INTERFACE_NUM": "00"},
    )  # fmt: skip
    records, path = hid("input", KEYPAD)
    records = records.replace("A: power", f"A: serial={serial}\nA: power") if serial else records
    done = under(tmp_path / "right", (records, path), role_rule(found, "pad"))
    assert (done.group, done.mode) == ("hall-edge", "0660")
    assert "/dev/hall-edge/pad" in done.links
    assert done.properties["LIBINPUT_IGNORE_DEVICE"] == "1"
    other = records.replace("/1-1.4", "/1-1.5").replace("serial=SN1", "serial=SN2")
    assert under(tmp_path / "other", (other, path.replace("1-1.4", "1-1.5")), role_rule(found, "pad")).group == "input"


@pytest.mark.parametrize("role", ["", "../x", "Pad", "a" * 33, 'pad"'])
def test_a_role_is_a_plain_word(role: str) -> None:
    with pytest.raises(ValueError, match="no name for a role"):
        role_rule(Plugged("tty", "/dev/ttyUSB0", (), 0x1A86, 0x7523), role)


def test_a_mistake_in_the_rules_would_be_seen(tmp_path: Path) -> None:
    broken = tmp_path / "broken.rules"
    broken.write_text(udev.RULES.read_text(encoding="utf-8").replace('MODE="0660"', 'MODUS="0660"'), encoding="utf-8")
    done = process(tmp_path / "work", *tty("1a86:7523"), rules=broken)
    assert any("MODUS" in line for line in done.complaints)
