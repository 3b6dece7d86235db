"""What is read from sysfs, here from a made-up one; the real libudev is in tests/whole/test_hotplug.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.plugging.sysfs import listing, scan

BUS = "sys/devices/pci0000:00/0000:00:14.0/usb1"


@dataclass
class FakeSysfs:
    root: Path

    def put(self, path: str, **attributes: str | bytes) -> Path:
        folder = self.root / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in attributes.items():
            (folder / name).write_bytes(value if isinstance(value, bytes) else f"{value}\n".encode())
        return folder

    def link(self, name: str, target: Path) -> None:
        link = self.root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)

    def usb(self, port: str, ids: str, number: int = 7, **attributes: str | bytes) -> str:
        vendor, product = ids.split(":")
        path = f"{BUS}/{port.partition('.')[0]}/{port}" if "." in port else f"{BUS}/{port}"
        folder = self.put(path, idVendor=vendor, idProduct=product, busnum="1", devnum=str(number), **attributes)
        self.link(f"sys/bus/usb/devices/{port}", folder)
        return path

    def interface(self, usb: str, number: int, triple: str) -> str:
        path = f"{usb}/{usb.rpartition('/')[2]}:1.{number}"
        kind, subclass, protocol = (triple[at : at + 2] for at in (0, 2, 4))
        self.put(
            path, bInterfaceNumber=f"{number:02}", bInterfaceClass=kind, bInterfaceSubClass=subclass,
            bInterfaceProtocol=protocol,
        )  # fmt: skip
        return path

    def node(self, subsystem: str, path: str, **attributes: str) -> None:
        folder = self.put(path, **attributes)
        (folder / "device").mkdir(exist_ok=True)
        self.link(f"sys/class/{subsystem}/{folder.name}", folder)


def test_a_device_and_its_nodes(tmp_path: Path) -> None:
    fake = FakeSysfs(tmp_path)
    gun = fake.usb("1-1.4", "0c2e:0b61", manufacturer="Honeywell", product="Xenon", serial="SN 1", bDeviceClass="00")
    acm = fake.interface(gun, 0, "020201")
    hid = fake.interface(gun, 2, "030101")
    fake.node("tty", f"{acm}/tty/ttyACM0", uevent="MAJOR=166\nDEVNAME=ttyACM0")
    fake.node("hidraw", f"{hid}/0003:0C2E:0B61.0001/hidraw/hidraw3", uevent="DEVNAME=hidraw3")
    keys = f"{hid}/input/input5/event5"
    fake.node("input", keys, uevent="DEVNAME=input/event5")
    fake.put(f"{keys}/device/capabilities", key="1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe")
    (tmp_path / "dev/serial/by-id").mkdir(parents=True)
    (tmp_path / "dev/serial/by-path").mkdir()
    (tmp_path / "dev/ttyACM0").touch()
    for name in ("serial/by-path/pci-0", "serial/by-id/usb-Xenon"):
        (tmp_path / "dev" / name).symlink_to("../../ttyACM0")

    usb, tty, hidraw, event = scan(root=tmp_path)
    assert [one.subsystem for one in (usb, tty, hidraw, event)] == ["usb", "tty", "hidraw", "input"]
    assert (usb.usb_id, usb.serial, usb.port, usb.node) == ("0c2e:0b61", "SN 1", "1-1.4", "/dev/bus/usb/001/007")
    assert {one.interfaces for one in (usb, tty, hidraw, event)} == {((2, 2, 1), (3, 1, 1))}
    assert {(one.serial, one.title) for one in (tty, hidraw, event)} == {("SN 1", "Honeywell Xenon")}
    assert tty.node == "/dev/ttyACM0"
    assert tty.links == ("/dev/serial/by-id/usb-Xenon", "/dev/serial/by-path/pci-0")
    assert tty.properties["ID_USB_INTERFACE_NUM"] == "00"
    assert (hidraw.node, hidraw.properties["ID_USB_INTERFACE_NUM"]) == ("/dev/hidraw3", "02")
    assert (event.node, event.properties["ID_INPUT_KEYBOARD"]) == ("/dev/input/event5", "1")
    assert scan(("hidraw",), tmp_path) == [hidraw]


def test_a_camera_has_a_node_for_pictures_and_one_for_what_is_said_about_them(tmp_path: Path) -> None:
    fake = FakeSysfs(tmp_path)
    camera = fake.interface(fake.usb("1-2", "0bda:58b0"), 0, "0e0100")
    for index in (1, 0):
        fake.node("video4linux", f"{camera}/video4linux/video{index}", index=str(index), name="Doc Camera")
    assert [(one.node, one.properties["index"]) for one in scan(("video4linux",), tmp_path)] == [
        ("/dev/video0", "0"),
        ("/dev/video1", "1"),
    ]


def test_what_is_no_device_of_a_window_is_left_out(tmp_path: Path) -> None:
    fake = FakeSysfs(tmp_path)
    fake.usb("1-1", "05e3:0608", bDeviceClass="09")  # a hub
    fake.node("tty", "sys/devices/platform/serial8250/tty/ttyS1", type="0")  # no UART behind it
    fake.put("sys/devices/virtual/tty/tty1")
    fake.link("sys/class/tty/tty1", tmp_path / "sys/devices/virtual/tty/tty1")
    fake.link("sys/class/tty/gone", tmp_path / "sys/devices/gone")
    assert scan(root=tmp_path) == []
    fake.node("tty", "sys/devices/platform/serial8250/tty/ttyS0", type="4")
    (port,) = scan(root=tmp_path)
    assert (port.node, port.usb_id, port.port, port.title) == ("/dev/ttyS0", None, None, "/dev/ttyS0")


def test_a_pc_without_any_of_it(tmp_path: Path) -> None:
    assert scan(root=tmp_path) == []
    assert listing(tmp_path) == {}


def test_hostile_descriptors_are_cut_and_made_printable(tmp_path: Path) -> None:
    fake = FakeSysfs(tmp_path)
    bad = fake.usb(
        "1-3", "dead:beef", product=b"\xff\x1b[31m\xe2\x80\xae" + b"A" * 70_000, serial=b"\n\n", bDeviceClass="zz"
    )
    for number in range(40):
        fake.interface(bad, number, "030000")
    (one,) = scan(root=tmp_path)
    assert one.product is not None
    assert one.product.startswith("\ufffd\ufffd[31m\ufffdAAA")
    assert len(one.product) == 126
    assert one.serial is None
    assert len(one.interfaces) == 32


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.fixed_dictionaries(
        {
            name: st.binary(max_size=300)
            for name in (
                "idVendor",
                "idProduct",
                "busnum",
                "devnum",
                "serial",
                "product",
                "manufacturer",
                "bDeviceClass",
            )
        }
    )
)
def test_whatever_a_device_says_it_is_read(tmp_path: Path, said: dict[str, bytes]) -> None:
    fake = FakeSysfs(tmp_path)
    if not (tmp_path / "sys/bus").exists():
        fake.node("tty", f"{fake.interface(fake.usb('1-3', 'dead:beef'), 0, 'ff0000')}/tty/ttyUSB0")
    fake.put(f"{BUS}/1-3", **said)
    for one in scan(root=tmp_path):
        texts = [one.serial or "", one.product or "", one.maker or "", one.title, *one.properties.values()]
        assert all(text.isprintable() and len(text) <= 260 for text in texts)


def test_the_cheap_picture_shows_a_replug(tmp_path: Path) -> None:
    fake = FakeSysfs(tmp_path)
    fake.usb("1-3", "dead:beef")
    before = listing(tmp_path)
    assert list(before) == ["usb/1-3"]
    link = tmp_path / "sys/bus/usb/devices/1-3"
    (tmp_path / "keeps-the-old-number").touch()
    target = link.readlink()
    link.rename(link.with_name("x"))
    link.symlink_to(target)
    assert listing(tmp_path) != before
