"""Which piece of hardware an address names."""

from __future__ import annotations

import pytest

from edge.errors import DeviceAbsent, DeviceAttention
from edge.links.address import parse_address
from edge.plugging.plugged import Plugged, Wanted, address_of, by_number, of_one_device, printable, the_one, wanted


def reader(port: str, serial: str | None = None, subsystem: str = "usb") -> Plugged:
    return Plugged(subsystem, f"/dev/{port}", vendor_id=0x0400, product_id=0xC35A, serial=serial, port=port)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("usb:0400:C35A", Wanted(None, 0x0400, 0xC35A)),
        ("hid:0483:5750?serial=A%20B", Wanted(None, 0x0483, 0x5750, "A B")),
        ("serial:1a86:7523?port=1-1.4&baud=9600", Wanted(None, 0x1A86, 0x7523, None, "1-1.4")),
        ("serial:///dev/hall-edge/pad", Wanted("/dev/hall-edge/pad")),
        ("serial:///tmp/ports/pad-1", None),
        ("tcp://192.0.2.7:4001", None),
        ("usbip://127.0.0.1:3240/1-1", None),
        ("replay:///var/tmp/visit.rec", None),
    ],
)
def test_addresses(address: str, expected: Wanted | None) -> None:
    assert wanted(parse_address(address)) == expected


def test_ids_serial_number_and_port_must_fit_all() -> None:
    found = reader("1-1.4", "SN1")
    fits = [
        Wanted(None, 0x0400, 0xC35A),
        Wanted(None, 0x0400, 0xC35A, "SN1"),
        Wanted(None, 0x0400, 0xC35A, "SN1", "1-1.4"),
        Wanted("/dev/1-1.4"),
    ]
    fits_not = [
        Wanted(None, 0x0400, 0xC35B),
        Wanted(None, 0x0400, 0xC35A, "SN2"),
        Wanted(None, 0x0400, 0xC35A, None, "1-1"),
        Wanted("/dev/ttyUSB0"),
    ]
    assert [one.fits(found) for one in (*fits, *fits_not)] == [True] * 4 + [False] * 4
    assert Wanted("/dev/serial/by-id/x").fits(Plugged("tty", "/dev/ttyS0", ("/dev/serial/by-id/x",)))


def test_none_one_or_several() -> None:
    with pytest.raises(DeviceAbsent) as absent:
        the_one([], "usb:0400:c35a")
    assert (absent.value.code, absent.value.message) == ("DEV-110", "usb:0400:c35a is not plugged in")
    nodes = [reader("1-1.4"), reader("1-1.4", subsystem="hidraw")]
    assert of_one_device(nodes, "hid:0400:c35a") == nodes
    assert the_one(nodes, "hid:0400:c35a") is nodes[0]


@pytest.mark.parametrize(
    ("serials", "option"),
    [((None, None), "port"), (("A", None), "port"), (("A", "A"), "port"), (("A", "B"), "serial")],
)
def test_several_are_named_with_what_tells_them_apart(serials: tuple[str | None, str | None], option: str) -> None:
    with pytest.raises(DeviceAttention) as several:
        the_one([reader("1-1.10", serials[0]), reader("1-1.9", serials[1])], "usb:0400:c35a")
    assert several.value.code == "DEV-111"
    assert several.value.message == "2 devices usb:0400:c35a are plugged in, at 1-1.9 and 1-1.10"
    assert several.value.action == f"say which one: add ?{option}=… to the address"


def test_the_address_of_what_was_found() -> None:
    assert address_of(reader("1-1.4", "SN1"), "usb") == "usb:0400:c35a"
    assert address_of(Plugged("tty", "/dev/ttyS0"), "serial") == "serial:///dev/ttyS0"
    assert address_of(Plugged("tty", "/dev/ttyS0", ("/dev/serial/by-path/x",)), "serial").endswith("by-path/x")
    ruled = Plugged("tty", "/dev/ttyUSB0", ("/dev/hall-edge/pad",), 0x1A86, 0x7523)
    assert address_of(ruled, "serial") == "serial:///dev/hall-edge/pad"
    on_port = Plugged("tty", "/dev/ttyUSB0", ("/dev/hall-edge/by-port/tty-x",), 0x1A86, 0x7523)
    assert address_of(on_port, "serial") == "serial:1a86:7523"


def test_titles_and_text() -> None:
    assert Plugged("usb", maker="Acme", product="Acme Reader").title == "Acme Reader"
    assert Plugged("usb", maker="Acme", product="Reader").title == "Acme Reader"
    assert reader("1-1").title == "0400:c35a"
    assert Plugged("tty", "/dev/ttyS0").title == "/dev/ttyS0"
    assert printable(" \0x\ty\u2028\n") == "x\ufffdy\ufffd"
    assert printable("\n\0") is None
    assert sorted(["1-1.10", "1-1.9", "1-1", "2-1"], key=by_number) == ["1-1", "1-1.9", "1-1.10", "2-1"]
