"""The devices of the demo's window: their configuration, their simulators, and what they need to be installed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True)
class DemoDevice:
    """One device; in its texts ``{folder}`` is the demo's folder and ``{port}`` a TCP port of its own."""

    name: str
    config: str
    simulator: str
    missing: Callable[[], str | None] = lambda: None
    """Returns what has to be installed first."""


def _missing_cards() -> str | None:
    if find_spec("smartcard") is None:
        return "pyscard (Debian package python3-pyscard)"
    try:
        ctypes.CDLL("libpcsclite.so.1")
    except OSError:
        return "the Debian package libpcsclite1"
    return None


DEVICES = (
    DemoDevice(
        "id-1",
        """driver = "idcard_sdt"
address = "serial://{folder}/ports/id-1"
read = "full"
purpose = "demonstration"
new_addresses = true""",
        "idcard_sdt",
    ),
    DemoDevice(
        "pad-1",
        """driver = "pad_serial"
address = "serial://{folder}/ports/pad-1"
profile = "stx_len16\"""",
        "pad_serial,profile=stx_len16",
    ),
    DemoDevice(
        "gun-1",
        """driver = "code_serial"
address = "serial://{folder}/ports/gun-1"
content = "personal\"""",
        "code_serial,aim=]Q1",
    ),
    DemoDevice(
        "ticket-1",
        """driver = "code_serial"
address = "serial://{folder}/ports/ticket-1"
content = "public\"""",
        "code_serial",
    ),
    DemoDevice(
        "card-1",
        """driver = "card_pcsc"
address = "pcsc:?socket={folder}/ports/card-1"
read = "full"
purpose = "demonstration\"""",
        "card_pcsc",
        _missing_cards,
    ),
    DemoDevice(
        "camera-1",
        """driver = "camera_uvc"
address = "http://127.0.0.1:{port}/camera.mjpg\"""",
        "camera_uvc,port={port},page=1,turn=7,desk=wood,qr=DEMO-0001",
    ),
    DemoDevice(
        "scanner-1",
        """driver = "scanner_escl"
address = "escl://127.0.0.1:{port}/eSCL\"""",
        "scanner_escl,port={port}",
    ),
)


def usable() -> tuple[list[DemoDevice], list[str]]:
    """Return the devices that can run here, and for the others a line that says what they lack."""
    lacks = {device.name: device.missing() for device in DEVICES}
    complaints = [f"{name} is left out: it needs {what}" for name, what in lacks.items() if what]
    return [device for device in DEVICES if not lacks[device.name]], complaints


def names(devices: Sequence[DemoDevice]) -> list[str]:
    """Return the names of *devices*."""
    return [device.name for device in devices]
