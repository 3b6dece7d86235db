"""Serial ports that say nothing about the device behind them."""

from __future__ import annotations

from edge.needs import Match, Needs
from edge.plugging.plugged import Offer, Plugged, address_of

BRIDGES = {
    (0x1A86, 0x7523): "CH340",
    (0x1A86, 0x5523): "CH341",
    (0x1A86, 0x55D4): "CH9102",
    (0x10C4, 0xEA60): "CP210x",
    (0x067B, 0x2303): "PL2303",
    (0x067B, 0x23A3): "PL2303GC",
    (0x0403, 0x6001): "FT232R",
    (0x0403, 0x6015): "FT231X",
}
"""USB-serial chips by their ids. Card readers, pads and guns are all built with them."""
NEEDS = Needs(
    devices=("char-ttyACM", "char-ttyS", "char-ttyUSB"),
    groups=("dialout",),
    matches=(Match(subsystem="tty", usb=tuple(f"{vendor:04x}:{product:04x}" for vendor, product in BRIDGES)),),
)
"""What a driver of serial lines needs of the PC: its own ports, and those behind the chips."""


def unsure_offer(found: Plugged, **settings: str) -> Offer | None:
    """Return an offer for a bridge or a serial port of the PC: behind it there may be anything."""
    if found.subsystem != "tty":
        return None
    chip = BRIDGES.get((found.vendor_id or 0, found.product_id or 0))
    if chip is None and found.vendor_id is not None:
        return None
    title = f"{chip}: {found.title}" if chip else found.title
    return Offer(address_of(found, "serial"), title, settings, sure=False)
