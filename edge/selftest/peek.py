"""A first look at the configuration, in a millisecond and without a check: enough to begin with."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

_STATE, _RUN = "/var/lib/hall-edge", "/run/hall-edge"


class Peek(NamedTuple):
    """What the file says, as far as it says anything."""

    hall: str = "?"
    window: str = "?"
    state: str = _STATE
    run: str = _RUN
    subscribers: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


def peek(file: str) -> Peek:
    """Return what stands in *file*; what is wrong with it the checks will tell."""
    run = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or _RUN
    state = os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or _STATE
    try:
        document = tomllib.loads(Path(file).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return Peek(run=run, state=state)
    window, paths = _table(document, "window"), _table(document, "paths")
    return Peek(
        hall=_text(window, "hall", "?"), window=_text(window, "window", "?"),
        state=_text(paths, "state", state), run=_text(paths, "run", run),
        subscribers=_names(document, "subscriber"), devices=_names(document, "device"),
    )  # fmt: skip


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    return found if isinstance(found := document.get(name), dict) else {}


def _text(table: dict[str, Any], key: str, otherwise: str) -> str:
    return found if isinstance(found := table.get(key), str) and found else otherwise


def _names(document: dict[str, Any], array: str) -> tuple[str, ...]:
    found = document.get(array)
    tables = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return tuple(_text(one, "name", "?") for one in tables if one.get("enabled") is not False)
