"""What the drivers declare they need equals what units, rules and polkit grant."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.driver import Driver
from edge.links.address import Address
from edge.needs import Match, Needs
from edge.plugging.plugged import Plugged
from edge.tools.units.files import differing, with_blocks
from edge.tools.units.foreign import drop_in
from tests.systemd.shipped import ALL, driver
from tests.systemd.unit import FOLDER, settings, words

DAEMON, PROCESS, NETWORK = (FOLDER / f"hall-edge{name}.service" for name in ("", "-driver@", "-netdriver@"))
RULES = FOLDER / "70-hall-edge.rules"
BY_SCHEME = {
    "serial": {"char-ttyACM", "char-ttyS", "char-ttyUSB"},
    "usb": {"char-usb_device"},
    "sane": {"char-usb_device"},
    "hid": {"char-hidraw", "char-input"},
    "v4l2": {"char-video4linux"},
}
"""The groups of devices that an address of a scheme leads to."""
NETWORK_SCHEMES = {"http", "escl", "escls", "escl-announced"}
SERVICES = {"pcsc": "pcscd"}


def granted(path: Path) -> set[str]:
    values = settings(path, "Service").get("DeviceAllow", ())
    assert all(value.endswith(" rw") for value in values)
    return {value.removesuffix(" rw") for value in values}


def declared(lane: str, what: str) -> set[str]:
    return {one for driver in ALL.values() if driver.lane == lane for one in getattr(driver.needs, what)}


@pytest.mark.parametrize(("path", "lane"), [(DAEMON, "thread"), (PROCESS, "process")])
def test_units_grant_what_their_drivers_declare(path: Path, lane: str) -> None:
    assert settings(path, "Service")["DevicePolicy"] == ["closed"]
    assert granted(path) == declared(lane, "devices") != set()
    assert words(path, "Service", "SupplementaryGroups") == declared(lane, "groups") != set()


def test_drivers_on_the_network_get_no_device_and_the_others_no_network() -> None:
    assert granted(NETWORK) == words(NETWORK, "Service", "SupplementaryGroups") == set()
    assert settings(NETWORK, "Service")["PrivateDevices"] == ["yes"]
    assert settings(PROCESS, "Service")["PrivateNetwork"] == ["yes"]
    assert settings(PROCESS, "Service")["RestrictAddressFamilies"] == ["AF_UNIX AF_NETLINK"]


def test_the_kernel_knows_the_devices_before_the_daemon_starts() -> None:
    modules = {"char-hidraw": "hid", "char-ttyACM": "cdc_acm", "char-ttyUSB": "usbserial", "char-usb_device": "usbcore",
               "char-video4linux": "videodev"}  # fmt: skip
    built_in = {"char-input", "char-ttyS"}  # in Debian's kernel
    needed = {modules[group] for group in (granted(DAEMON) | granted(PROCESS)) - built_in}
    for key in ("Wants", "After"):
        named = {re.fullmatch(r"modprobe@(\w+)\.service", word) for word in words(DAEMON, "Unit", key)}
        assert {match[1] for match in named if match} == needed


@pytest.mark.parametrize(("path", "what"), [(PROCESS, "devices"), (NETWORK, "network")])
def test_memory_is_enough_for_the_largest_driver(path: Path, what: str) -> None:
    most = max(one.memory_mb for one in ALL.values() if one.lane == "process" and getattr(one.needs, what))
    (limit,) = settings(path, "Service")["MemoryMax"]
    assert int(limit.removesuffix("M")) == most + 256


def marks() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield subsystem, mark, and conditions of every generated rule."""
    for line in RULES.read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r'SUBSYSTEM=="(\w+)", (.*), ENV\{HALL_EDGE\}="(\w+)"', line):
            yield found[1], found[3], frozenset(re.findall(r'([\w{}]+=="[^"]*")', found[2]))


def expected(match: Match) -> Iterator[tuple[str, str, frozenset[str]]]:
    whole = match.subsystem == "usb"
    of_usb = "ATTR" if whole else "ATTRS"
    fixed = {'ENV{DEVTYPE}=="usb_device"'} if whole else set()
    fixed |= {f'ENV{{{key}}}=="{value}"' for key, value in match.properties.items()}
    fixed |= {f'{of_usb}{{product}}=="{match.product}"'} if match.product != "*" else set()
    for usb_id in match.usb or (":",):
        ids = zip(("idVendor", "idProduct"), usb_id.split(":"), strict=True)
        own = {f'{of_usb}{{{key}}}=="{value}"' for key, value in ids if value not in ("", "*")}
        yield match.subsystem, "take" if match.taken else "name", frozenset(fixed | own)


def test_udev_gives_the_daemon_what_the_drivers_declare() -> None:
    wanted = {rule for driver in ALL.values() for match in driver.needs.matches for rule in expected(match)}
    assert {rule for rule in marks() if rule[1] != "wake"} == wanted
    assert {rule[:2] for rule in wanted} >= {("tty", "take"), ("usb", "take"), ("hidraw", "take"), ("input", "take")}


def test_polkit_lets_the_daemon_do_what_the_drivers_declare() -> None:
    text = (FOLDER / "70-hall-edge.polkit.rules").read_text(encoding="utf-8")
    actions = {"pcscd": {"org.debian.pcsc-lite.access_card", "org.debian.pcsc-lite.access_pcsc"}}
    services = declared("process", "services") | declared("thread", "services")
    assert {*re.findall(r'"(org\.[\w.-]+)"', text)} == {action for service in services for action in actions[service]}
    assert words(DAEMON, "Unit", "After") >= {f"{service}.socket" for service in services}


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_driver_declares_what_its_addresses_lead_to(name: str) -> None:
    driver = ALL[name]
    schemes = {form.scheme for form in driver.addresses}
    assert {*driver.needs.devices} == {group for scheme in schemes for group in BY_SCHEME.get(scheme, ())}
    assert {*driver.needs.services} == {SERVICES[scheme] for scheme in schemes if scheme in SERVICES}
    for scheme in schemes & NETWORK_SCHEMES:
        assert driver.needs_network(None, Address(scheme, "192.0.2.7", {}))
    for scheme in schemes - NETWORK_SCHEMES:
        assert not driver.needs_network(None, Address(scheme, "fujitsu:ScanSnap iX500:1", {}))


@pytest.mark.parametrize("name", sorted(ALL))
def test_what_a_driver_declares_is_well_formed(name: str) -> None:
    assert ALL[name].needs.checked() == ALL[name].needs


@pytest.mark.parametrize(
    "needs",
    [
        Needs(devices=("ttyUSB",)),
        Needs(devices=("char-x rw\nPrivateNetwork=no",)),
        Needs(matches=(Match(subsystem="block"),)),  # type: ignore[arg-type]
        Needs(matches=(Match(subsystem="usb", usb=("0403",)),)),
        Needs(matches=(Match(subsystem="usb", product='x", RUN+="/bin/sh'),)),
        Needs(groups=("root;",)),
        Needs(services=("dbus",)),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_need_is_refused(needs: Needs) -> None:
    with pytest.raises(ValueError, match=r"Expected|Invalid"):
        drop_in("acme", driver(needs), ALL)


@pytest.mark.parametrize("name", sorted(ALL))
def test_what_udev_gives_a_driver_is_what_it_would_offer(name: str) -> None:
    for match in ALL[name].needs.matches:
        for usb_id in match.usb:
            vendor, product = (int(part.replace("*", "1234"), 16) for part in usb_id.split(":"))
            found = Plugged(match.subsystem, "/dev/x", vendor_id=vendor, product_id=product, interfaces=((2, 2, 1),))
            assert ALL[name].fits(found) is not None, usb_id


@pytest.mark.parametrize(
    ("target", "far"),
    [
        ("net:192.0.2.7:fujitsu:1", True),
        ("airscan:e0:Canon", True),
        ("epson2:net:192.0.2.7", True),
        ("hpaio:/net/OfficeJet?ip=192.0.2.7", True),
        ("pixma:MG5200_192.0.2.7", True),
        ("fujitsu:ScanSnap%20iX500:1", False),
        ("hpaio:/usb/OfficeJet", False),
        ("pixma:04A91749_247936", False),
        ("test:0", False),
    ],
)
def test_names_of_scanners_that_lead_to_the_network(target: str, far: bool) -> None:
    assert ALL["scanner_sane"].needs_network(None, Address("sane", target, {})) is far


def test_the_files_are_generated_from_the_drivers() -> None:
    assert not differing(FOLDER, ALL), "run `make units`"


def test_a_changed_driver_or_a_changed_file_would_be_seen(tmp_path: Path) -> None:
    other = driver(replace(ALL["pad_hid"].needs, devices=("char-hidraw", "char-vendor")))
    assert {*differing(FOLDER, {**ALL, "pad_hid": other})} == {"hall-edge.service"}
    shutil.copytree(FOLDER, tmp_path / "systemd")
    for name, line in (
        ("hall-edge.service", "DeviceAllow=char-input rw\n"),
        ("70-hall-edge.rules", 'SUBSYSTEM=="tty", ATTRS{idVendor}=="0536", ENV{HALL_EDGE}="take"\n'),
    ):
        path = tmp_path / "systemd" / name
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(line, ""), encoding="utf-8")
        assert {*differing(tmp_path / "systemd", ALL)} == {name}
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("old", ["nothing\n", "# begin generated: devices, by x\nDeviceAllow=\n"])
def test_a_file_without_a_place_for_its_lines_is_refused(old: str) -> None:
    with pytest.raises(ValueError, match=r"no place|missing"):
        with_blocks(old, {"devices": ["x"]})


def test_a_driver_that_declares_nothing_is_granted_nothing() -> None:
    assert Driver.needs == Needs()
    assert not Driver.needs.over_network(Address("http", "192.0.2.7", {}))
