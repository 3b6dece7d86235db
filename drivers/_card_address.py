"""Addresses of smart-card readers: ``pcsc:NAME?slot=1&socket=/path``, and which reader one means. No I/O.

``pcsc:`` is the only reader there is; ``pcsc:NAME`` the one with NAME in its name (percent-encoded, upper or lower
case); ``slot`` tells the slots of one reader apart; ``socket`` is pcscd's, where it is not the usual one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

from drivers import _card_status as status
from drivers._card_pcsc import ReaderName
from edge.errors import Problem, quoted
from edge.links.address import Address, AddressForm

_LONGEST_NAME = 127
_SOCKET = re.compile(r"/[!-~]{1,106}")
_HEX = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _check(target: str) -> Problem | None:
    action = "write pcsc: and a part of the reader's name, with %XX for ? & % and spaces"
    name = unquote(target)
    if _HEX.search(target) or not name.isprintable() or len(name) > _LONGEST_NAME:
        return Problem("CFG-130", f"the address names no reader: {quoted(target)}", action)
    return None


PCSC = AddressForm("pcsc:", _check, {"slot": range(16), "socket": _SOCKET})


def address_of(name: str, slot: int | None = None) -> str:
    """Return the address that means the reader with *name* in its name; *slot*: which of several."""
    return f"pcsc:{quote(name)}" + ("" if slot is None else f"?slot={slot}")


def choose(readers: Sequence[ReaderName], address: Address) -> ReaderName | None:
    """Return the reader that *address* means, ``None`` when it is not there; raises PCS-104 when several are meant."""
    wanted = unquote(address.target).casefold()
    found = [reader for reader in readers if wanted in reader.whole.casefold()]
    if "slot" in address.options:
        found = [reader for reader in found if reader.slot == int(address.options["slot"])]
    if len(found) > 1:
        names = ", ".join(f"{quoted(one.model)} slot {one.slot}" for one in found)
        action = "add slot=N to the address" if len({one.model for one in found}) == 1 else None
        raise status.error("PCS-104", f": {names}", action)
    return found[0] if found else None
