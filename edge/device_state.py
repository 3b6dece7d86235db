"""What is known of a device's state. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from edge.flapping import LOSSES
from edge.wire import State

USABLE = ("ready", "busy")


class Notice(NamedTuple):
    """What a person should know of a device that works all the same."""

    reason: str
    code: str
    action: str


FLAPPING = Notice(
    f"flapping: it went away {LOSSES} times within a minute", "DEV-109", "check its cable and plug, then the hub"
)


@dataclass(frozen=True)
class DeviceState:
    """What the retained status of a device says; ``since`` is on the monotonic clock."""

    state: State
    since: float
    reason: str | None = None
    code: str | None = None
    action: str | None = None
