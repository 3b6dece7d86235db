"""Write TOML: whatever a value, a key or a remark holds, the text stays what was meant."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHORT = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_REPLACEMENT = "\ufffd"


def value(given: object) -> str:
    """Return *given* as TOML writes it; raises ``TypeError`` for what TOML has no words for."""
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, str):
        return text(given)
    if isinstance(given, int | float):
        return str(given)
    if isinstance(given, list | tuple):
        return f"[{', '.join(map(value, given))}]"
    if isinstance(given, Mapping):
        pairs = ", ".join(f"{key(name)} = {value(one)}" for name, one in given.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(given, dt.datetime | dt.date | dt.time):
        return given.isoformat()
    raise TypeError(f"TOML has no word for a {type(given).__name__}")


def text(given: str) -> str:
    """Return *given* in quotes; what cannot be printed is written by its number."""
    return '"' + "".join(map(_char, given)) + '"'


def key(name: str) -> str:
    """Return *name* as a key, in quotes where it needs them."""
    return name if _BARE.fullmatch(name) else text(name)


def remark(given: str) -> str:
    """Return *given* as it may stand behind ``#``: on one line, without what steers a terminal."""
    return shown(" ".join(given.split()))


def shown(given: str) -> str:
    """Return *given* with every blank as it is, on one line, without what steers a terminal."""
    return "".join(char if char.isprintable() else _REPLACEMENT for char in given)


def _char(char: str) -> str:
    if char.isprintable():
        return _SHORT.get(char, char)
    if "\ud800" <= char <= "\udfff":  # half of a character: TOML holds whole ones
        return _REPLACEMENT
    return _SHORT.get(char) or (f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}")  # noqa: PLR2004
