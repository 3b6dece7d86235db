"""Drivers for tests that crash when they are opened, one of each kind: a foreign package, as a vendor's would be."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from drivers.camera_uvc import DocumentCamera
from drivers.card_pcsc import PcscCardDriver
from drivers.idcard_sdt import SdtIdCardDriver
from drivers.pad_serial import SerialPad
from drivers.scanner_escl import EsclScanner
from edge.driver import DeviceInfo
from tests.support.project import ROOT

PACKAGE = "crashing-drivers"
DRIVERS = {
    "crashing_id": "CrashingReader",
    "crashing_pad": "CrashingPad",
    "crashing_card": "CrashingCardReader",
    "crashing_camera": "CrashingCamera",
    "crashing_scanner": "CrashingScanner",
}


def install(folder: Path) -> str:
    """Install the package into *folder*; return what PYTHONPATH has to be."""
    info = folder / "crashing_drivers-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n", encoding="utf-8")
    points = [f"{name} = {__name__}:{kind}" for name, kind in DRIVERS.items()]
    (info / "entry_points.txt").write_text("\n".join(["[hall_edge.drivers]", *points, ""]), encoding="utf-8")
    return os.pathsep.join([str(folder), str(ROOT)])


def _die() -> DeviceInfo:
    """Crash as native code does: Python is not asked."""
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError("it is still there")


class CrashingReader(SdtIdCardDriver):
    def open(self) -> DeviceInfo:
        raise ValueError("a bug")


class CrashingPad(SerialPad):
    def open(self) -> DeviceInfo:
        raise ValueError("a bug")


class CrashingCardReader(PcscCardDriver):
    def open(self) -> DeviceInfo:
        return _die()


class CrashingCamera(DocumentCamera):
    def open(self) -> DeviceInfo:
        return _die()


class CrashingScanner(EsclScanner):
    def open(self) -> DeviceInfo:
        return _die()
