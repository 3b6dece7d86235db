"""Know the models by name: a new device is one file and one line here."""

from collections.abc import Callable, Mapping
from pathlib import Path

from simulators.camera_uvc import DocumentCamera
from simulators.code_serial import ScanGun
from simulators.idcard_sdt import IdCardReader
from simulators.idcard_usb import UsbIdCardReader
from simulators.model import Model
from simulators.pad_hid import HidPad
from simulators.pad_serial import EvaluationPad
from simulators.pcscd import Pcscd
from simulators.scanner_escl import EsclScanner
from simulators.served import Served
from simulators.words import Words, unknown

MODELS: Mapping[str, Callable[[Words, int], Model]] = {
    "idcard_sdt": IdCardReader,
    "pad_serial": EvaluationPad,
    "code_serial": ScanGun,
}

"""Devices at the end of a serial line."""

SERVED: Mapping[str, Callable[[Path, Words, int], Served]] = {
    "camera_uvc": DocumentCamera,
    "card_pcsc": Pcscd,
    "idcard_usb": UsbIdCardReader,
    "pad_hid": HidPad,
    "scanner_escl": EsclScanner,
}
"""Devices that are servers."""


def make_model(name: str, words: Words, seed: int) -> Model:
    """Make a model of this name with the options in ``words``."""
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name](words, seed)
