"""One line a person reads for one event; personal data only when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from edge.events import BY_TYPE
from edge.subscriber import Event

_LONGEST = 40
_WITH_LENGTH = ("number", "permit_number", "related_number", "text", "raw")
"""Personal fields whose length a technician may see; of the others not even that."""
_ID_NUMBER = 18
_CHECK_WEIGHTS = [2 ** (_ID_NUMBER - 1 - place) % 11 for place in range(_ID_NUMBER)]  # GB 11643


def event_line(event: Event, *, show_personal: bool = False) -> str:
    """Return *event* as one line: time, window, device, type, seq, mode and its data in short."""
    time = _clock(event.envelope.time)
    hidden = personal_fields(event)
    shown = [
        f"{key}={_short(value)}" if show_personal or key not in hidden else f"{masked(key, value)}"
        for key, value in event.data.items()
    ]
    marks = [
        mark
        for mark, holds in (
            ("opened", event.opened),
            ("sealed", event.envelope.sealed and not event.opened),
            (event.unreadable or "", event.unreadable is not None),
            ("late", event.late),
            ("lab", event.envelope.lab),
            (event.mode, event.mode != "live"),
        )
        if holds
    ]
    what = f"{event.window} {event.device:9} {event.kind}.{event.type}"
    saved = f" → {event.blob.path}" if event.blob else f" → no file: {event.blob_gone}" if event.blob_gone else ""
    return f"{time}  {event.seq:>5}  {what:40} [{', '.join(marks)}] {' '.join(shown)}{saved}".rstrip()


def _clock(time: str) -> str:
    """Return the local time of day; a time that is none as it came."""
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError):
        return time[:_LONGEST]


def _short(value: Any) -> str:
    """Return *value* short enough for a line."""
    if isinstance(value, Mapping):
        if set(value) == {"code", "name"}:
            return f"{value['code']} {value['name']}"
        return "{" + ", ".join(f"{key}: {_short(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_short(item) for item in value) + "]"
    text = "".join(char if char.isprintable() else "\ufffd" for char in str(value))  # nobody steers the terminal
    return text if len(text) <= _LONGEST else f"({len(text)} characters)"


def masked(key: str, value: Any) -> str:
    """Return what may be said of a personal *value*: ``name **, number ******** (18, check ok)``."""
    if isinstance(value, Mapping):
        return ", ".join(masked(inner, item) for inner, item in value.items()) or f"{key} **"
    if key not in _WITH_LENGTH or not isinstance(value, str):
        return f"{key} **"
    check = (
        f", check {'ok' if _check_digit_fits(value) else 'bad'}" if key == "number" and len(value) == _ID_NUMBER else ""
    )
    return f"{key} ******** ({len(value)}{check})"


def personal_fields(event: Event) -> frozenset[str]:
    """Return which members of the event's data are personal; all of an opened body whose type we do not know."""
    kind = BY_TYPE.get(event.envelope.type)
    if not event.opened:
        return frozenset()  # a public view holds none
    return kind.sealed_fields if kind else frozenset(event.data)


def _check_digit_fits(number: str) -> bool:
    """Return whether the 18 characters are an identity number whose ISO 7064 check digit fits."""
    digits = [10 if digit in "Xx" else int(digit) for digit in number if digit in "0123456789Xx"]
    return len(digits) == _ID_NUMBER and sum(map(int.__mul__, digits, _CHECK_WEIGHTS)) % 11 == 1
