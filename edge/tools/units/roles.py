"""An administrator's rule: which of the devices here is the window's pad, gun or reader."""

from __future__ import annotations

import re

from edge.plugging.plugged import Plugged

_ROLE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NUMBER = re.compile(r"[0-9a-f]{2}")
_GIVEN = ('GROUP="hall-edge"', 'MODE="0660"', 'TAG+="systemd"')
_PLAIN = re.compile(r'[^"\\*?\[\]|\x00-\x1f\x7f]{1,126}')


def role_rule(found: Plugged, role: str) -> str:
    """Return a rule for ``/etc/udev/rules.d`` that gives the node of *found* the name ``/dev/hall-edge/ROLE``.

    It is known by its ids and serial number, else by its port; the node becomes the daemon's alone. Raises
    ``ValueError`` for a device without a node or without ids: nothing would tell it from others.
    """
    if not _ROLE.fullmatch(role):
        raise ValueError(f"{role!r} is no name for a role: use a-z, 0-9 and -, at most 32")
    if found.node is None or found.vendor_id is None or found.product_id is None:
        raise ValueError("only a node of a USB device can be named so")
    above = "ATTR" if found.subsystem == "usb" else "ATTRS"
    parts = [
        f'SUBSYSTEM=="{found.subsystem}"',
        f'{above}{{idVendor}}=="{found.vendor_id:04x}"',
        f'{above}{{idProduct}}=="{found.product_id:04x}"',
    ]
    if found.serial is not None and _PLAIN.fullmatch(found.serial):
        parts.append(f'{above}{{serial}}=="{found.serial}"')
    elif found.port is not None:
        parts.append(f'KERNEL{"" if above == "ATTR" else "S"}=="{found.port}"')
    return ", ".join(['ACTION!="remove"', *parts, *_interface(found), *_GIVEN, f'SYMLINK+="hall-edge/{role}"'])


def _interface(found: Plugged) -> list[str]:
    """Return what tells the nodes of one USB device apart; a pad's keys are kept from the desktop."""
    number = found.properties.get("ID_USB_INTERFACE_NUM", "")
    number = number if _NUMBER.fullmatch(number) else ""
    parts = (
        ['IMPORT{builtin}="usb_id"', f'ENV{{ID_USB_INTERFACE_NUM}}=="{number}"'] if _NUMBER.fullmatch(number) else []
    )
    if found.subsystem == "input":
        keys = ['ENV{ID_INPUT_KEYBOARD}=="1"'] if found.properties.get("ID_INPUT_KEYBOARD") == "1" else []
        parts += [*keys, 'ENV{LIBINPUT_IGNORE_DEVICE}="1"']
    return parts
