"""What a driver needs of the PC. systemd's units and udev's rules grant exactly this: ``make units`` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal
from urllib.parse import unquote

import msgspec
from msgspec import Meta

from edge.links.address import Address

DeviceGroup = Annotated[str, Meta(pattern=r"\Achar-[\w-]{1,32}\Z")]
"""``char-`` and the name of a group of devices in ``/proc/devices``."""
Group = Annotated[str, Meta(pattern=r"\A[a-z_][a-z0-9_-]{0,31}\Z")]
Subsystem = Literal["usb", "tty", "hidraw", "input", "video4linux"]
Service = Literal["pcscd"]
UsbId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{4}:([0-9a-f]{4}|\*)\Z")]
"""``0400:c35a``, or ``0536:*`` for all that a maker makes."""
Property = Annotated[str, Meta(pattern=r"\A[A-Za-z]\w{0,63}\Z")]
Pattern = Annotated[str, Meta(pattern=r'\A[^"\\\x00-\x1f]{1,200}\Z')]
"""As in a shell: ``*``, ``?``, ``[…]``, and ``|`` between several."""


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Devices that udev is to know: their nodes get names that stay, and the power they need.

    What *usb*, *product* and *properties* say must all fit.
    """

    subsystem: Subsystem
    """``usb`` means whole USB devices."""
    usb: tuple[UsbId, ...] = ()
    """One of these ids; none: any."""
    product: Pattern = "*"
    """What the USB device calls itself."""
    properties: Mapping[Property, Pattern] = {}
    """What udev knows of the node."""
    taken: bool = True
    """Whether the node becomes the daemon's alone. Else it stays with who may use it anyway (see ``groups``)."""


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """All that a driver touches besides its link to the core. Declare nothing that it can do without."""

    devices: tuple[DeviceGroup, ...] = ()
    """The kinds of nodes that it opens, for systemd: ``char-ttyUSB``, ``char-hidraw``."""
    groups: tuple[Group, ...] = ()
    """Debian's groups that own such nodes where no match takes them: ``dialout``, ``video``. Never ``input``."""
    matches: tuple[Match, ...] = ()
    """The devices that are surely its own, for udev. What a name or an id cannot tell, the administrator names."""
    network: tuple[Pattern, ...] = ()
    """Addresses (``scheme:target``) that lead to the network; a driver's process has none otherwise."""
    services: tuple[Service, ...] = ()
    """System services that it asks."""

    def checked(self) -> Needs:
        """Return these needs; raises ``ValueError`` for one that is none (a constructor checks nothing)."""
        return msgspec.convert(msgspec.to_builtins(self), Needs)

    def over_network(self, address: Address) -> bool:
        """Return whether *address* leads to the network."""
        text = f"{address.scheme}:{unquote(address.target)}"
        return any(fnmatchcase(text, pattern) for one in self.network for pattern in one.split("|"))
