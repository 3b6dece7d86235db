"""Answers to reset: ISO 7816-3, and what PC/SC part 3 makes of contactless cards. Pure functions, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import xor

from edge.events import Interface

_DIRECT, _INVERSE, _LONGEST = 0x3B, 0x3F, 33
_GLOBAL = 15
"""Not a protocol: the interface bytes behind it are for all of them."""
_STORAGE_RID = bytes.fromhex("A000000306")
_ID_CARD_ATQB = bytes.fromhex("D103860C008080")
"""Application data and protocol info of the PRC ID card's ATQB (50 00000000 D103860C 008080), three public sources."""
_TYPE_B_HISTORICAL = 8
PRODUCTS: Mapping[int, str] = {
    0x0001: "MIFARE Classic 1K",
    0x0002: "MIFARE Classic 4K",
    0x0003: "MIFARE Ultralight",
    0x0026: "MIFARE Mini",
}
"""Names of storage cards (PC/SC part 3, supplement); those that two makers' manuals confirm."""


@dataclass(frozen=True, repr=False)
class Atr:
    """What an ATR says. ``product`` names a storage card; ``id_card`` is a PRC ID card's, by its ATQB."""

    valid: bool
    interface: Interface
    protocols: frozenset[int]
    historical: bytes
    storage: bool = False
    product: str | None = None
    id_card: bool = False
    type_b: bool = False
    """Whether it has the length of a type B card's: any contactless card may."""


_UNREADABLE = Atr(valid=False, interface="unknown", protocols=frozenset(), historical=b"")


def parse_atr(data: bytes) -> Atr:
    """Return what *data* says; one that breaks ISO 7816-3 is marked and says nothing else."""
    if not 2 <= len(data) <= _LONGEST or data[0] not in (_DIRECT, _INVERSE):  # noqa: PLR2004
        return _UNREADABLE
    length, chain, at = data[1] & 0x0F, data[1] >> 4, 2
    offered: list[int] = []
    interface_bytes: list[int] = []
    while chain:
        count = (chain & 7).bit_count()
        follows = bool(chain & 8)
        if at + count + follows > len(data):
            return _UNREADABLE
        interface_bytes += data[at : at + count]
        at += count
        chain = data[at] >> 4 if follows else 0
        if follows:
            offered.append(data[at] & 0x0F)
            at += 1
    protocols = frozenset(offered or [0]) - {_GLOBAL}
    has_check = protocols != {0} or _GLOBAL in offered
    historical = data[at : at + length]
    if len(data) != at + length + has_check or (has_check and reduce(xor, data[1:])):
        return _UNREADABLE
    if offered == [0, 1] and not interface_bytes and data[0] == _DIRECT:
        return _contactless(protocols, historical)
    return Atr(valid=True, interface="contact", protocols=protocols, historical=historical)


def _contactless(protocols: frozenset[int], historical: bytes) -> Atr:
    """Read what a reader has put together for a contactless card: 3B 8n 80 01."""
    storage = historical[:2] == b"\x80\x4f" and historical[3:8] == _STORAGE_RID
    product = None
    if storage:
        number = int.from_bytes(historical[9:11], "big")
        product = PRODUCTS.get(number, f"storage card {number:04X}")
    return Atr(
        valid=True,
        interface="contactless",
        protocols=protocols,
        historical=historical,
        storage=storage,
        product=product,
        id_card=historical[:7] == _ID_CARD_ATQB,
        type_b=len(historical) == _TYPE_B_HISTORICAL,
    )
