"""When things happened inside, on the guest's own clock: from udev's monitor and the journal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.vm.guest import Guest

_UNIT = "lab-udev"
_EVENT = re.compile(r"(KERNEL|UDEV)\s*\[(\d+\.\d+)\]\s+(\w+)\s+(\S+) \((\w+)\)")


@dataclass(frozen=True)
class Moment:
    """One thing that happened: *what* is ``KERNEL add``, ``UDEV add`` or a message of the daemon."""

    at: float
    what: str
    where: str
    """The device's path in sysfs, or the daemon's name for it."""
    subsystem: str = ""


def watch(guest: Guest) -> None:
    """Begin to write down the events of USB devices and serial lines."""
    follow = "stdbuf --output=L udevadm monitor --kernel --udev --subsystem-match=usb/usb_device --subsystem-match=tty"
    guest.run(f"systemd-run --quiet --collect --unit={_UNIT} {follow}")
    guest.wait(f"journalctl -u {_UNIT} -o cat | grep -q 'will print'")


def moments(journal: Sequence[dict[str, Any]]) -> Iterator[Moment]:
    """Give what the journal's entries tell, in order; of the daemon's only those about a device."""
    for entry in journal:
        said = entry["MESSAGE"] if isinstance(entry["MESSAGE"], str) else ""
        if event := _EVENT.match(said):
            source, at, action, path, subsystem = event.groups()
            yield Moment(float(at), f"{source} {action}", path, subsystem)
        elif entry.get("HALL_EDGE_DEVICE"):
            yield Moment(int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6, said, entry["HALL_EDGE_DEVICE"])


def quantile(values: Sequence[float], part: float) -> float:
    """Return the nearest-rank quantile: the smallest value that *part* of all are not above."""
    ranked = sorted(values)
    return ranked[max(0, -int(-part * len(ranked) // 1) - 1)]
