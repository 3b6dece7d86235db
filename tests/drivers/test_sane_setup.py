"""Setting scanners up by their options, as real backends offer them; names of devices and of what they can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from drivers import _sane_names as names
from drivers import _sane_setup as setup
from drivers import _sane_status as status
from drivers import _sane_words as words
from drivers._sane_abi import Status, Unit, ValueType
from drivers._sane_library import Found, Option, Range, SaneError, Value
from drivers.scanner_sane import SaneScanner, SaneSettings
from edge.errors import ConfigError, DeviceFault, DeviceProtocol, Unsupported
from edge.events import Scan
from edge.links.address import parse_address
from edge.port import DevicePort


def texts(name: str, *choices: str) -> Option:
    return Option(0, name, ValueType.STRING, Unit.NONE, 64, True, True, None, choices)


def switch(name: str) -> Option:
    return Option(0, name, ValueType.BOOL, Unit.NONE, 4, True, True, None, ())


def number(name: str, low: float, high: float, unit: Unit = Unit.MM, step: float = 0.0) -> Option:
    return Option(0, name, ValueType.FIXED, unit, 4, True, True, Range(low, high, step), ())


def area(width: float, height: float, unit: Unit = Unit.MM) -> list[Option]:
    sides = (("tl-x", width), ("tl-y", height), ("br-x", width), ("br-y", height))
    return [number(name, 0, most, unit) for name, most in sides]


@dataclass
class Recorded:
    """The options of a scanner as its backend lists them, and what they were set to."""

    offered: list[Option]
    values: dict[str, Value] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()

    @property
    def options(self) -> Mapping[str, Option]:
        return {option.name: option for option in self.offered}

    def get(self, option: Option) -> Value | None:
        return self.values.get(option.name)

    def set(self, option: Option, value: Value) -> None:
        assert option.settable
        assert not option.choices or value in option.choices
        assert option.range is None or option.range.low <= float(value) <= option.range.high
        if option.name in self.refused:
            raise SaneError("sane_control_option", Status.INVAL)
        self.values[option.name] = value


RESOLUTION = Option(0, "resolution", ValueType.INT, Unit.DPI, 4, True, True, None, (75, 150, 300, 600))
MODES = texts("mode", "Lineart", "Halftone", "Gray", "Color")
FUJITSU = [
    texts("source", "ADF Front", "ADF Back", "ADF Duplex", "Card Front"),
    MODES,
    RESOLUTION,
    number("page-width", 2, 224.8),
    number("page-height", 2, 863.5),
    *area(224.8, 863.5),
]
EPSON = [
    texts("source", "Flatbed", "Automatic Document Feeder"),
    texts("adf-mode", "Simplex", "Duplex"),
    texts("mode", "Lineart", "Gray", "Color"),
    RESOLUTION,
    *area(215.9, 297.2),
]
BROTHER = [
    texts(
        "source",
        "FlatBed",
        "Automatic Document Feeder(left aligned)",
        "Automatic Document Feeder(left aligned,Duplex)",
    ),
    texts("mode", "Black & White", "Gray[Error Diffusion]", "True Gray", "24bit Color", "24bit Color[Fast]"),
    RESOLUTION,
    *area(211.9, 355.6),
]
PANASONIC = [texts("source", "adf", "fb"), switch("duplex"), texts("feeder-mode", "single", "continuous"), MODES]
CHINESE = [texts("source", "平板", "进纸器单面", "进纸器双面"), texts("mode", "黑白", "灰度", "彩色"), RESOLUTION]
OLD = [texts("mode", "Gray"), number("tl-x", 0, 2550, Unit.PIXEL), number("br-x", 0, 2550, Unit.PIXEL), RESOLUTION]


@pytest.mark.parametrize(
    ("offered", "scan", "ready", "values"),
    [
        (FUJITSU, {"duplex": True}, ("feeder", True, 300), {"source": "ADF Duplex", "page-width": 210}),
        (FUJITSU, {"color": "gray"}, ("feeder", False, 300), {"source": "ADF Front", "mode": "Gray", "br-y": 297}),
        (EPSON, {"source": "platen", "duplex": True}, ("platen", False, 300), {"source": "Flatbed"}),
        (EPSON, {"duplex": True}, ("feeder", True, 300), {"adf-mode": "Duplex"}),
        (EPSON, {"dpi": 200}, ("feeder", False, 150), {"adf-mode": "Simplex", "resolution": 150}),
        (EPSON, {"size": "max"}, ("feeder", False, 300), {"br-x": 215.9, "br-y": 297.2}),
        (EPSON, {"size": "a3"}, ("feeder", False, 300), {"br-x": 215.9, "br-y": 297.2}),
        (BROTHER, {"duplex": True, "color": "gray"}, ("feeder", True, 300), {"mode": "True Gray"}),
        (BROTHER, {"color": "mono"}, ("feeder", False, 300), {"mode": "Black & White"}),
        (BROTHER, {}, ("feeder", False, 300), {"mode": "24bit Color", "source": BROTHER[0].choices[1]}),
        (PANASONIC, {"duplex": True}, ("feeder", True, 300), {"duplex": True, "feeder-mode": "continuous"}),
        (PANASONIC, {"source": "platen"}, ("platen", False, 300), {"source": "fb"}),
        (CHINESE, {"duplex": True}, ("feeder", True, 300), {"source": "进纸器双面", "mode": "彩色"}),
        (CHINESE, {"source": "platen", "color": "mono"}, ("platen", False, 300), {"source": "平板", "mode": "黑白"}),
        (OLD, {"size": "id-card"}, ("platen", False, 300), {"mode": "Gray", "br-x": pytest.approx(1011, abs=1)}),
    ],
)  # fmt: skip
def test_every_family_is_set_up_in_its_own_words(
    offered: list[Option], scan: dict[str, Any], ready: tuple[str, bool, int], values: dict[str, Any]
) -> None:
    device, command = Recorded(offered), msgspec.convert(scan, Scan)
    source = setup.sources(device, command)[0]
    assert setup.set_up(device, command, source, {}) == setup.Ready(*ready)  # type: ignore[arg-type]
    assert {name: device.values[name] for name in values} == values


def test_a_sensor_saves_the_look_into_an_empty_feeder() -> None:
    sensor = replace(switch("page-loaded"), settable=False)
    device = Recorded([*EPSON, sensor], {"page-loaded": False})
    assert setup.sources(device, Scan()) == ["platen"]
    device.values["page-loaded"] = True
    assert setup.sources(device, Scan()) == ["feeder", "platen"]


def test_a_source_that_is_not_there_is_refused() -> None:
    with pytest.raises(Unsupported) as caught:
        setup.sources(Recorded(FUJITSU), Scan(source="platen"))
    assert caught.value.code == "SAN-120"


def test_a_scanner_with_one_source_does_as_it_is_told() -> None:
    assert setup.sources(Recorded(OLD), Scan()) == ["platen"]
    assert setup.sources(Recorded(OLD), Scan(source="feeder")) == ["feeder"]


def test_options_of_the_configuration_come_last() -> None:
    device = Recorded([*EPSON, switch("swdeskew")])
    setup.set_up(device, Scan(), "feeder", {"swdeskew": True, "mode": "Gray"})
    assert (device.values["swdeskew"], device.values["mode"]) == (True, "Gray")
    with pytest.raises(DeviceProtocol):
        setup.set_up(replace(device, refused=frozenset({"swdeskew"})), Scan(), "feeder", {"swdeskew": True})


@pytest.mark.parametrize(
    ("name", "paper"),
    [
        ("Flatbed", ("platen", "front")),
        ("Document Table", ("platen", "front")),
        ("Normal", ("platen", "front")),
        ("ADF", ("feeder", "front")),
        ("ADF Simplex", ("feeder", "front")),
        ("Document Feeder", ("feeder", "front")),
        ("ADF Duplex", ("feeder", "both")),
        ("Duplex", ("feeder", "both")),
        ("Automatic Document Feeder(centrally aligned,Duplex)", ("feeder", "both")),
        ("ADF Back", None),
        ("ADF Manual Duplex", None),
        ("Transparency Unit", None),
        ("TPU8x10", None),
        ("Card Duplex", None),
        ("", None),
    ],
)
def test_words_for_sources(name: str, paper: tuple[Any, Any] | None) -> None:
    assert words.paper(name) == (words.Paper(*paper) if paper else None)


@pytest.mark.parametrize(
    ("name", "color"),
    [
        ("Color", "color"),
        ("COLOR", "color"),
        ("24-bit Colour", "color"),
        ("Grayscale 8 bits", "gray"),
        ("Binary", "mono"),
        ("Grayscale 4 bits", None),
        ("Error Diffusion", None),
        ("Infrared", None),
        ("Lineart", "mono"),
    ],
)
def test_words_for_modes(name: str, color: str | None) -> None:
    assert words.color(name) == color


@pytest.mark.parametrize(
    ("option", "value", "fit"),
    [
        (RESOLUTION, 299.0, 300),
        (RESOLUTION, 112.5, 150),
        (RESOLUTION, 5000.0, 600),
        (number("x", 2, 10, step=4.0), 7.9, 6.0),
        (number("x", 2, 10), 99.0, 10.0),
        (switch("x"), True, True),
        (switch("x"), 1.0, None),
        (texts("x", "a", "b"), "c", None),
        (replace(switch("x"), type=ValueType.BUTTON), True, None),
    ],
)
def test_the_nearest_value(option: Option, value: Value, fit: Value | None) -> None:
    assert setup.fitting(option, value) == fit


# --- names ---


@pytest.mark.parametrize(
    ("text", "name", "config"),
    [
        ("sane:test:0", "test:0", None),
        ("sane:fujitsu:", "fujitsu:", None),
        ("sane:net:192.0.2.9:pixma:04A91736", "net:192.0.2.9:pixma:04A91736", None),
        ("sane:airscan:e0:Office%20Scanner%3F?config=/etc/sane.hall", "airscan:e0:Office Scanner?", "/etc/sane.hall"),
        ("sane:airscan:e0:办公室 1", "airscan:e0:办公室 1", None),
    ],
)
def test_addresses(text: str, name: str, config: str | None) -> None:
    address = parse_address(text, SaneScanner.addresses)
    settings = SaneSettings()
    made = SaneScanner(settings, DevicePort("scanner-1", address))
    assert made._name == name  # noqa: SLF001  # what is asked for has no other place
    assert SaneScanner.environment(settings, address) == ({"SANE_CONFIG_DIR": config} if config else {})


@pytest.mark.parametrize("text", ["sane:", "sane::x", "sane: x", "sane:a?b=c", "sane:x?config=relative", "sane:a\nb"])
def test_no_addresses(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_address(text, SaneScanner.addresses)


def test_a_usb_scanner_is_offered_by_its_backend() -> None:
    """Its own name changes with every plugging in."""
    alone = Found("fujitsu:libusb:001:004", "FUJITSU", "fi-7160", "scanner")
    twins = [Found(f"avision:libusb:002:00{at}", "Avision", "AV186+", "sheetfed scanner") for at in (2, 3)]
    camera = Found("v4l:/dev/video0", "Noname", "HD Webcam", "virtual device")
    network = Found("airscan:e0:Canon 100%", "Canon", "MF", "ip=192.0.2.3")
    found = {offer.title: (offer.address, offer.sure) for offer in names.offers([alone, camera, network, *twins[:1]])}
    assert found == {
        "FUJITSU fi-7160": ("sane:fujitsu:", True),
        "Canon MF": ("sane:airscan:e0:Canon 100%25", False),
        "Avision AV186+": ("sane:avision:", True),
    }
    assert [(offer.address, offer.sure) for offer in names.offers(twins)] == [
        ("sane:avision:libusb:002:002", False),
        ("sane:avision:libusb:002:003", False),
    ]


def test_the_node_of_a_usb_scanner() -> None:
    assert names.usb_node("fujitsu:libusb:1:04") == Path("/dev/bus/usb/001/004")
    assert names.usb_node("test:0") is None


# --- what follows from a status ---


def test_every_status_has_a_meaning_and_every_code_a_remedy() -> None:
    for code in (code for code in status.CODES if code.startswith("SAN-1")):  # the others are of its self-test
        made = status.error(code)
        assert (made.code, made.message) == (code, status.CODES[code])
        assert made.action
    for one in Status:
        reason, error = status.scanning(SaneError("sane_read", one))
        assert error.code in status.CODES
        assert reason in {"device-error", "jam", "cover-open", "cancelled"}
        assert status.opening(SaneError("sane_open", one)).code in status.CODES
    assert status.scanning(SaneError("sane_read", -12345))[1].code == "SAN-104"
    assert "status -12345" in str(SaneError("sane_read", -12345))


def test_libsane_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers._sane_abi.load.__defaults__", ("libsane-is-not-here.so.1",))
    made = SaneScanner(SaneSettings(), DevicePort("scanner-1", parse_address("sane:test:0", SaneScanner.addresses)))
    with pytest.raises(DeviceFault) as caught:
        made.open()
    assert caught.value.code == "SAN-100"
    made.close()
