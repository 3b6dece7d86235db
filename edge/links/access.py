"""What to do about a device node that may not be opened: one step, as exact as what can be seen of the node."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

RULES = "/etc/udev/rules.d/71-hall-edge-window.rules"
"""Where a window's own rules stand."""
_GROUP_MAY = stat.S_IRGRP | stat.S_IWGRP
_HIGH_UP = 8


def how_to_allow(node: str, subsystem: str, sys: Path = Path("/sys")) -> str:
    """Return what gives this program's user the right to open *node*, a node of *subsystem*; *sys* is sysfs."""
    with suppress(OSError, KeyError):
        found = os.stat(node)  # noqa: PTH116  # follows a link, as opening does
        group = grp.getgrgid(found.st_gid)
        if found.st_gid in (os.getegid(), *os.getgroups()) and found.st_mode & _GROUP_MAY == _GROUP_MAY:
            return f"let the service open it: sudo systemctl edit hall-edge, and there DeviceAllow={node} rw"
        if found.st_gid and found.st_mode & _GROUP_MAY == _GROUP_MAY:
            return _join(group)
    rule = f'SUBSYSTEM=="{subsystem}", {_which(node, sys / "class" / subsystem)}, GROUP="hall-edge", MODE="0660"'
    return told(rule)


def told(rule: str) -> str:
    """Return how to put a *rule* of udev into force."""
    return f"run echo '{rule}' | sudo tee -a {RULES}, then plug the device in again"


def _join(group: grp.struct_group) -> str:
    user = pwd.getpwuid(os.geteuid()).pw_name
    if user in group.gr_mem:  # since the service started
        return "restart the service: sudo systemctl restart hall-edge"
    return f"run sudo usermod -aG {group.gr_name} {user} && sudo systemctl restart hall-edge"


def _which(node: str, folder: Path) -> str:
    """Return what in a rule names the device behind *node*: the ids of its USB device, else the node's name."""
    name = Path(os.path.realpath(node)).name
    place = Path(os.path.realpath(folder / name / "device"))
    for above in (place, *place.parents[:_HIGH_UP]):
        with suppress(OSError):
            vendor, product = (above.joinpath(file).read_text().strip() for file in ("idVendor", "idProduct"))
            return f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}"'
    return f'KERNEL=="{name}"'
