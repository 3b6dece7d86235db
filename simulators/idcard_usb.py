"""Behave like an ID-card reader on USB: the reader of ``idcard_sdt`` behind bulk endpoints, exported over USB/IP.

Two layouts are in the field. With two pairs of endpoints the seven bytes of a frame's head go alone over the first
pair and its body over the second; with one pair the whole frame goes over it. Packets have at most 64 bytes.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from simulators.hosted import Hosted
from simulators.idcard_sdt import IdCardReader
from simulators.model import BAUD_HELP, Binder, Deed, Output
from simulators.sdt_frames import HEADER_SIZE, PREAMBLE
from simulators.usb_device import PACKET_SIZE, Identity
from simulators.usbip import UsbIpPort, Wiring
from simulators.words import ScenarioError, Words, unknown

VENDOR, PRODUCT = 0x0400, 0xC35A
STRINGS = ("hall-edge", "hall-edge simulated reader")

OUT_HEAD, OUT_BODY, IN_HEAD, IN_BODY = 0x02, 0x06, 0x81, 0x85
ONE_OUT, ONE_IN = 0x01, 0x81


def packets(endpoint: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut bytes for one endpoint into packets."""
    for at in range(0, len(data), PACKET_SIZE):
        yield endpoint, data[at : at + PACKET_SIZE]


class OnePair(Wiring):
    """Send whole frames both ways over one pair."""

    endpoints = (ONE_OUT, ONE_IN)

    def to_device(self, endpoint: int, data: bytes) -> bytes:
        """Take what is written as it is."""
        del endpoint
        return data

    def to_host(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Cut into packets."""
        return packets(ONE_IN, data)

    def reset(self) -> None:
        """Do nothing: there is no state."""


class TwoPairs(Wiring):
    """Send head and body over a pair each; a host that mixes them up is not understood."""

    endpoints = (OUT_HEAD, OUT_BODY, IN_HEAD, IN_BODY)

    def __init__(self) -> None:
        self._head = b""
        self._line = b""
        self._body_left = 0

    def to_device(self, endpoint: int, data: bytes) -> bytes:
        """Take a head of seven bytes, then the body that belongs to it."""
        if endpoint == OUT_HEAD:
            self._line, self._body_left = b"", 0  # an answer to something new begins with its head
            self._head = data if len(data) == HEADER_SIZE else b""
            return b""
        head, self._head = self._head, b""
        return head + data if int.from_bytes(head[-2:], "big") == len(data) else b""

    def to_host(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Send what looks like a head, and noise, over the first pair, and what the head counts over the second."""
        while data:
            if self._body_left:
                body, data = data[: self._body_left], data[self._body_left :]
                self._body_left -= len(body)
                yield from packets(IN_BODY, body)
                continue
            start = (self._line + data).find(PREAMBLE)
            end = len(data) if start < 0 else start + HEADER_SIZE - len(self._line)
            head, data = data[:end], data[end:]
            self._line += head
            if start >= 0 and len(self._line) == start + HEADER_SIZE:
                self._body_left = int.from_bytes(self._line[-2:], "big")
                self._line = b""
            self._line = self._line[-HEADER_SIZE:]
            yield from packets(IN_HEAD, head)

    def reset(self) -> None:
        """Forget half a head."""
        self._head, self._line, self._body_left = b"", b"", 0


LAYOUTS: Mapping[str, Callable[[], Wiring]] = {"two-pair": TwoPairs, "one-pair": OnePair}


class UsbIdCardReader(Hosted):
    """Keep a reader and its USB side."""

    summary = "ID-card reader with a SAM on USB, exported over USB/IP"
    options: ClassVar[Mapping[str, str]] = {
        "layout": ", ".join(LAYOUTS),
        "tcp-port": "where USB/IP is spoken; 0 = any that is free",
        "vendor": "USB vendor id, four hexadecimal digits",
        "product": "USB product id, four hexadecimal digits",
        "serial": "USB serial number",
        **{option: text for option, text in IdCardReader.options.items() if option not in BAUD_HELP},
    }

    def __init__(self, place: Path, words: Words, seed: int = 0) -> None:
        wiring = LAYOUTS[words.choice("layout", tuple(LAYOUTS), "two-pair")]()
        tcp_port = words.number("tcp-port", 0, 0, 65535)
        ids = [_usb_id(words, "vendor", VENDOR), _usb_id(words, "product", PRODUCT)]
        serial = words.text("serial", f"SIM{seed:05d}")
        for option in BAUD_HELP:
            if words.given(option):
                raise unknown("option", option, self.options)
        model = IdCardReader(words, seed)
        model.baud = 0
        identity = Identity(ids[0], ids[1], (*STRINGS, serial), wiring.endpoints)
        self._usb = UsbIpPort(place, identity, wiring, tcp_port)
        super().__init__(place, words, seed, model, self._usb)

    @property
    def address(self) -> str:
        """Give the address by which it is imported."""
        return f"usbip://{self._usb.address}"

    def actions(self) -> Mapping[str, Binder]:
        """Name what else can happen to something on USB."""
        return {**super().actions(), "stall": self._bind_stall}

    def _bind_stall(self, words: Words) -> Deed:
        """``stall EP [times=N]``: stall endpoint EP (such as 81) at its next N transfers."""
        text = words.required("EP")
        times = words.number("times", 1, 1, 1000)
        words.done()
        known = [f"{endpoint:02x}" for endpoint in self._usb.usb.identity.endpoints]
        if text not in known:
            raise ScenarioError(f"EP must be one of {', '.join(known)}, not {text!r}")

        def stall(_: float) -> list[Output]:
            with self.lock:
                self._usb.usb.stalls[int(text, 16)] = times
            return []

        return Deed(stall)


def _usb_id(words: Words, key: str, default: int) -> int:
    text = words.text(key, f"{default:04x}")
    if not re.fullmatch("[0-9A-Fa-f]{4}", text):
        raise ScenarioError(f"{key} must be four hexadecimal digits, not {text!r}")
    return int(text, 16)
