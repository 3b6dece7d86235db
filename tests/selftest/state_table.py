"""Every state of every kind of device: how it is produced with the simulators, and the code that it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edge.selftest.model import Level

Kind = Literal["id-card", "smart-card", "document-camera", "scanner", "evaluation-pad"]
State = Literal["absent", "denied", "held", "stuck", "wrong-device", "crashed", "attention"]
KINDS: tuple[Kind, ...] = ("id-card", "smart-card", "document-camera", "scanner", "evaluation-pad")
STATES: tuple[State, ...] = ("absent", "denied", "held", "stuck", "wrong-device", "crashed", "attention")

PAD = 'profile = "ascii_keys"'


@dataclass(frozen=True)
class Cell:
    """A device in one state. *shows*: the state that the daemon tells, where it is another word."""

    code: str
    driver: str
    model: str
    shows: str
    options: Mapping[str, object] = field(default_factory=dict)
    lines: str = ""
    before: tuple[str, ...] = ()
    """What is done at the device before the daemon starts."""
    after: tuple[str, ...] = ()
    """And once it is ready."""
    forbidden: bool = False
    """Whether the daemon may not open its node."""
    taken: bool = False
    """Whether another program has its node."""
    flaps: bool = False
    """Whether its cable is loose."""
    address: str = ""
    """Where the configuration says that it is; else where it is. ``{scanner}`` is another device's place."""
    reader: str = ""
    """Which smart-card reader the configuration names; else the one that is there."""
    level: Level = "internal"
    slow: bool = False
    """Whether it takes long until it shows."""


def _reader(code: str, shows: str, **more: object) -> Cell:
    return Cell(code, "idcard_sdt", "idcard_sdt", shows, **more)  # type: ignore[arg-type]


def _pad(code: str, shows: str, **more: object) -> Cell:
    return Cell(code, "pad_serial", "pad_serial", shows, **{"lines": PAD, "options": _KEYS, **more})  # type: ignore[arg-type]


def _card(code: str, shows: str, **more: object) -> Cell:
    return Cell(code, "card_pcsc", "card_pcsc", shows, **more)  # type: ignore[arg-type]


def _camera(code: str, shows: str, **more: object) -> Cell:
    lines = 'content = "public"\nsettle_s = 0.1'
    return Cell(code, "camera_uvc", "camera_uvc", shows, options=_SMALL, **{"lines": lines, **more})  # type: ignore[arg-type]


def _scanner(code: str, shows: str, **more: object) -> Cell:
    return Cell(code, "scanner_escl", "scanner_escl", shows, **{"lines": 'content = "public"', **more})  # type: ignore[arg-type]


_SMALL = {"width": 320, "height": 240, "fps": 10}
_KEYS = {"profile": "ascii_keys"}

CELLS: Mapping[tuple[Kind, State], Cell] = {
    ("id-card", "absent"): _reader("SER-101", "absent", options={"plugged": False}),
    ("id-card", "denied"): _reader("SER-102", "denied", forbidden=True),
    ("id-card", "held"): _reader("SER-103", "held", taken=True),
    ("id-card", "stuck"): _reader("IDC-101", "stuck", before=("mute",)),
    ("id-card", "wrong-device"): Cell(
        "IDC-102", "idcard_sdt", "pad_serial", "fault", options={"profile": "addressable", "heartbeat": 0.2}
    ),
    ("id-card", "crashed"): Cell("DRV-101", "crashing_id", "idcard_sdt", "fault"),
    ("id-card", "attention"): _reader("DEV-109", "attention", flaps=True),
    ("smart-card", "absent"): _card("PCS-103", "absent", options={"no_reader": 1}),
    ("smart-card", "denied"): _card("PCS-102", "denied", before=("deny",)),
    ("smart-card", "held"): _card("PCS-109", "held", before=("insert storage", "hold exclusive")),
    ("smart-card", "stuck"): _card("PCS-114", "stuck", after=("freeze",)),
    ("smart-card", "wrong-device"): _card("PCS-113", "absent", reader="Omnikey"),
    ("smart-card", "crashed"): Cell("DRV-105", "crashing_card", "card_pcsc", "fault"),
    ("smart-card", "attention"): _card("PCS-104", "attention", options={"slots": 2}),
    ("document-camera", "absent"): _camera("CAM-115", "absent", before=("unplug",)),
    ("document-camera", "denied"): _camera("CAM-112", "denied", before=("refuse 401",)),
    ("document-camera", "held"): _camera("CAM-113", "held", before=("refuse 503",)),
    ("document-camera", "stuck"): _camera("CAM-104", "stuck", before=("stall on",)),
    ("document-camera", "wrong-device"): _camera("CAM-109", "fault", address="http://{scanner}/eSCL"),
    ("document-camera", "crashed"): Cell("DRV-105", "crashing_camera", "camera_uvc", "fault", options=_SMALL),
    ("document-camera", "attention"): _camera("DEV-109", "attention", flaps=True, slow=True),
    ("scanner", "absent"): _scanner("ESC-102", "absent", before=("unplug",)),
    ("scanner", "denied"): _scanner("ESC-103", "denied", options={"certificate": "{certificate}"}),
    ("scanner", "held"): _scanner("ESC-121", "held", before=("busy",), level="external", slow=True),
    ("scanner", "stuck"): _scanner("ESC-101", "stuck", before=("freeze",), slow=True),
    ("scanner", "wrong-device"): _scanner("ESC-104", "fault", address="escl://{camera}/eSCL"),
    ("scanner", "crashed"): Cell("DRV-105", "crashing_scanner", "scanner_escl", "fault"),
    ("scanner", "attention"): _scanner("ESC-131", "attention", before=("stop jam",)),
    ("evaluation-pad", "absent"): _pad("SER-101", "absent", options={**_KEYS, "plugged": False}),
    ("evaluation-pad", "denied"): _pad("SER-102", "denied", forbidden=True),
    ("evaluation-pad", "held"): _pad("SER-103", "held", taken=True),
    ("evaluation-pad", "stuck"): _pad(
        "PAD-108", "stuck", lines='profile = "{beating}"', options={"profile": "addressable", "heartbeat": 0}
    ),
    ("evaluation-pad", "wrong-device"): Cell(
        "PAD-109", "pad_serial", "code_serial", "fault", lines='profile = "aa55_xor"', after=("flood 100000 rate=200",)
    ),
    ("evaluation-pad", "crashed"): Cell("DRV-101", "crashing_pad", "pad_serial", "fault", lines=PAD, options=_KEYS),
    ("evaluation-pad", "attention"): _pad("DEV-109", "attention", flaps=True),
}  # fmt: skip

CANNOT_BE: Mapping[tuple[Kind, State], str] = {}
"""Cells that are no states of a kind, each with the reason: all can be."""
