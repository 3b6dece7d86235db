"""One line a person reads for one event; personal data only when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edge.events import BY_TYPE
from edge.subscriber import Event

_LONGEST = 40


def event_line(event: Event, *, show_personal: bool = False) -> str:
    """Return *event* as one line: time, window, device, type, seq, mode and its data in short."""
    time = datetime.fromisoformat(event.envelope.time).astimezone().strftime("%H:%M:%S.%f")[:-3]
    kind = BY_TYPE.get(event.envelope.type)
    hidden = kind.sealed_fields if kind and event.personal else frozenset()
    shown = [
        f"{key}={_short(value)}" if show_personal or key not in hidden else f"{key}={_masked(value)}"
        for key, value in event.data.items()
    ]
    marks = [
        mark
        for mark, holds in (
            ("opened", event.opened),
            ("sealed", event.personal and bool(hidden) and not event.opened),
            (event.unreadable or "", event.unreadable is not None),
            ("late", event.late),
            ("lab", event.envelope.lab),
            (event.mode, event.mode != "live"),
        )
        if holds
    ]
    what = f"{event.window} {event.device:9} {event.kind}.{event.type}"
    return f"{time}  {event.seq:>5}  {what:40} [{', '.join(marks)}] {' '.join(shown)}".rstrip()


def _short(value: Any) -> str:
    """Return *value* short enough for a line."""
    if isinstance(value, Mapping):
        if set(value) == {"code", "name"}:
            return f"{value['code']} {value['name']}"
        return "{" + ", ".join(f"{key}: {_short(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_short(item) for item in value) + "]"
    text = str(value)
    return text if len(text) <= _LONGEST else f"({len(text)} characters)"


def _masked(value: Any) -> str:
    """Return what may be said of a personal *value*: which fields there are, and how long they are."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} {_masked(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return f"** ({len(value)})"
    return "**"
