"""The topics of the contract, as a back office needs them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from edge.subscriber.errors import BadArgument

ROOT = "hall/v1"
_NAME = re.compile(r"[a-z0-9-]{1,32}")
_EVENT_LEVELS = 8


@dataclass(frozen=True, slots=True)
class EventTopic:
    """``hall/v1/{hall}/{window}/{branch}/{kind}/{device}/{type}``, branch ``event`` or ``sealed``."""

    hall: str
    window: str
    branch: str
    kind: str
    device: str
    type: str

    @classmethod
    def parse(cls, topic: str) -> EventTopic | None:
        levels = topic.split("/")
        if len(levels) != _EVENT_LEVELS or not topic.startswith(f"{ROOT}/") or levels[4] not in ("event", "sealed"):
            return None
        return cls(*levels[2:])

    def same_event(self, other: EventTopic | None) -> bool:
        """Return whether both name the same event, in whichever branch."""
        return other is not None and replace(self, branch="") == replace(other, branch="")


def split(topic: str) -> tuple[str, str, str] | None:
    """Return ``(hall, window, rest)`` of any topic of ours."""
    levels = topic.split("/", 4)
    return (levels[2], levels[3], levels[4]) if topic.startswith(f"{ROOT}/") and len(levels) > 4 else None  # noqa: PLR2004


def checked_name(name: str, what: str, *, wildcard: bool = False) -> str:
    """Return *name* if it may stand in a topic; raises :class:`BadArgument`."""
    if (wildcard and name == "+") or _NAME.fullmatch(name):
        return name
    raise BadArgument(f"{what} {name!r} is not 1 to 32 of a-z, 0-9 and '-'")


def checked_window(name: str) -> tuple[str, str]:
    """Return hall and window of ``hall/window``; raises :class:`BadArgument`."""
    hall, slash, window = name.partition("/")
    if not slash:
        raise BadArgument(f"window {name!r} does not say its hall", action="write it as hall/window")
    return checked_name(hall, "hall"), checked_name(window, "window")
