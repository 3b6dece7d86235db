"""Profiles of HID pads: each mistake by its key; and which hardware the driver offers itself for."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers._pad_compile import ProfileError, load
from drivers.pad_hid import HidPad, HidPadSettings
from drivers.pad_serial import PadSettings
from edge.events import Rated
from edge.plugging.plugged import Plugged
from tests.docs.blocks import blocks
from tests.drivers.test_pad_fakes import FakeJob, FakePort
from tests.drivers.test_pad_hid import COMMAND, HidFake


def problems(folder: Path, text: str) -> dict[str, str]:
    path = folder / "ours.toml"
    path.write_text(text, encoding="utf-8")
    try:
        load(str(path), ("keys", "reports"))
    except ProfileError as error:
        return error.by_key
    return {}


KEYS = 'title = "k"\nlink = "keys"\n[frame]\ncut = "end-mark"\nlayout = "{body} 0D"\n[key]\nmap = { "\'1\'" = 1 }\n'
REPORTS = """
title = "r"
link = "reports"
report = { bytes = 4 }
[frame]
cut = "report"
layout = "A5 {body}"
[key]
map = { "01" = 1 }
"""
CARRIED = """
title = "f"
link = "reports"
report = { bytes = 16 }
[frame]
cut = "length-field"
layout = "55 AA {length} {body}"
[send]
request = "01 {timeout}"
[key]
starts = "81"
map = { "01" = 5 }
"""


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (KEYS + '[send]\nrequest = "01"\n', "send"),
        (KEYS + "[line]\nbaud = 19200\n", "line"),
        (KEYS + '[heartbeat]\nstarts = "10"\nevery_s = 5\n', "heartbeat"),
        (KEYS + "[report]\nbytes = 4\n", "report"),
        (KEYS.replace('"end-mark"', '"report"'), "frame.cut"),
        (REPORTS.replace("report = { bytes = 4 }", ""), "report"),
        (REPORTS.replace("bytes = 4", "bytes = 4, id = 256"), "report.id"),
        (REPORTS.replace("A5 {body}", "{body} 0D"), "frame.layout"),
        (REPORTS.replace("A5 {body}", "{address} {body}"), "frame.cut"),
        (REPORTS.replace('"report"\nlayout', '"fixed-length"\nbody_bytes = 1\nlayout'), "frame.cut"),
        (REPORTS + '[send]\nrequest = "01 02 03 04"\n', "send.request"),
        (REPORTS + '[line]\ninit = "01 02 03 04 05"\n', "line.init"),
        (KEYS.replace('"keys"', '"serial"'), "link"),
    ],
)
def test_a_wrong_profile_names_its_key(tmp_path: Path, text: str, key: str) -> None:
    assert key in problems(tmp_path, text)


@pytest.mark.parametrize(
    "text", [KEYS, REPORTS, REPORTS.replace("bytes = 4", "bytes = 4, id = 3, send_id = 4, send_bytes = 63")]
)
def test_a_right_profile(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == {}


def test_a_frame_inside_a_report(tmp_path: Path) -> None:
    """A report can also carry the frames of a serial dialect; the zeros behind them are noise."""
    path = tmp_path / "ours.toml"
    path.write_text(CARRIED, encoding="utf-8")
    link = HidFake()
    driver = HidPad(HidPadSettings(profile=str(path)), FakePort(link))
    driver.open()
    link.say(bytes.fromhex("55AA028101").ljust(16, b"\0"), 2.0)
    (event,) = driver.execute(COMMAND, FakeJob(link))
    assert isinstance(event, Rated)
    assert link.sent() == [bytes.fromhex("0055AA02011E").ljust(17, b"\0")]


def test_the_profile_in_the_document_is_sound(tmp_path: Path) -> None:
    (text,) = [text for text in blocks("docs/pads.md", "toml") if 'link = "reports"' in text]
    assert problems(tmp_path, text) == {}


def test_each_driver_takes_its_own_profiles() -> None:
    assert "pad_hid" in PadSettings(profile="hid_keys").problems()["profile"]
    assert "pad_serial" in HidPadSettings(profile="aa55_xor").problems()["profile"]
    assert "(hid_keys, hid_reports)" in HidPadSettings(profile="none").problems()["profile"]


# --- what is plugged in


def usb(subsystem: str, product: str, *interfaces: tuple[int, int, int], **more: str) -> Plugged:
    return Plugged(subsystem, "/dev/x", (), 0x0483, 0x5750, product=product, interfaces=interfaces, properties=more)


def test_what_calls_itself_a_pad_is_offered() -> None:
    keyboard = HidPad.fits(usb("input", "评价器", (3, 1, 1), ID_INPUT_KEYBOARD="1"))
    reports = HidPad.fits(usb("hidraw", "PingJia Pad", (3, 0, 0)))
    assert keyboard is not None
    assert reports is not None
    assert (keyboard.address, keyboard.settings, keyboard.sure) == ("hid:0483:5750", {"profile": "hid_keys"}, False)
    assert (reports.settings, reports.sure) == ({"profile": "hid_reports"}, False)


@pytest.mark.parametrize(
    "found",
    [
        usb("input", "USB Keyboard", (3, 1, 1), ID_INPUT_KEYBOARD="1"),
        usb("hidraw", "评价器", (3, 1, 1)),
        usb("input", "评价器", (3, 1, 1)),
        usb("tty", "评价器", (2, 2, 1)),
    ],
)
def test_everything_else_is_left_alone(found: Plugged) -> None:
    assert HidPad.fits(found) is None
