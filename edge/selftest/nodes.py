"""What can be seen of a device's node from outside: whose it is, who may open it, and whether its name stays."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from edge.config import Device
from edge.plugging.plugged import Plugged, wanted

Details = dict[str, str | int | float | bool]
_CHANGING = re.compile(r"/dev/(tty(USB|ACM)|video|hidraw|input/event)[0-9]+")
_UDEV_DATA = Path("/run/udev/data")


def facts_of(device: Device, around: Sequence[Plugged] | None) -> Details:
    """Return what is so of the node that *device* is configured for; nothing where it has none."""
    found = _plugged(device, around)
    node = found.node if found is not None else device.address.target
    facts: Details = {"driver": device.driver}
    if found is not None and found.usb_id is not None:
        facts |= {"usb": found.usb_id, "port": found.port or "?"}
    if node is not None and (node := os.path.realpath(node)).startswith("/dev/"):
        facts["node"] = node
        with suppress(OSError):
            facts |= _rights(os.stat(node))  # noqa: PTH116  # follows a link, as opening does
    return facts


def unstable_name(device: Device, around: Sequence[Plugged] | None) -> str | None:
    """Return the better address of a device whose name changes with the order of plugging in.

    ``None``: its name stays; ``?``: it has no better one.
    """
    address = device.address
    if not _CHANGING.fullmatch(address.target):
        return None
    found = _plugged(device, around)
    return f"{address.scheme}://{found.links[0]}" if found is not None and found.links else "?"


def _plugged(device: Device, around: Sequence[Plugged] | None) -> Plugged | None:
    one = wanted(device.address)
    fitting = [found for found in around or () if one is not None and one.fits(found)]
    return next((found for found in fitting if found.node is not None), None)


def _rights(found: os.stat_result) -> Details:
    facts: Details = {
        "mode": stat.filemode(found.st_mode),
        "owner": _name(found.st_uid, lambda uid: pwd.getpwuid(uid).pw_name),
        "group": _name(found.st_gid, lambda gid: grp.getgrgid(gid).gr_name),
        "user": _name(os.geteuid(), lambda uid: pwd.getpwuid(uid).pw_name),
    }
    kind = "b" if stat.S_ISBLK(found.st_mode) else "c"
    with suppress(OSError):
        text = (_UDEV_DATA / f"{kind}{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}").read_text("utf-8", "replace")
        facts["udev_rule"] = "E:HALL_EDGE=" in text
    return facts


def _name(number: int, look_up: Callable[[int], str]) -> str:
    try:
        return look_up(number)
    except KeyError:
        return str(number)
