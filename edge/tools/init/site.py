"""A district's site file: what all windows have in common, and for each window what is its own.

::

    [site]
    hall = "songjiang-district"            # of windows that name none

    [mqtt]                                 # every table of a configuration may stand here, for all windows
    url = "mqtts://broker.hall.example:8883"
    certificate = "/etc/hall-edge/{window}.{hall}.pem"

    [[device]]
    name = "pad-1"
    ...

    [[window]]                             # one for each window
    window = "w01"
    hostname = "pc-0301"                   # which PC: hostname, machine_id, mac, serial; all that is given must fit
    without = ["pad-1"]                    # common devices, subscribers, requesters that it has not

    [window.log]                           # and any table again: these keys are this window's own
    level = "debug"

    [[window.device]]                      # of a common name: these keys instead; else a device more
    name = "gun-1"
    ...
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import msgspec

from edge.config import read_toml
from edge.config.findings import Findings
from edge.config.tables import Document, Name, Text
from edge.config.walk import walk
from edge.errors import ConfigError, Problem, nearest, quoted
from edge.toml_lines import Path

TABLES = tuple(field.encode_name for field in msgspec.structs.fields(Document) if field.encode_name != "window")
_MAX_BYTES = 16 << 20
_SECRET = re.compile(r'-----BEGIN [A-Z ]*PRIVATE KEY|\\?"(?:d|k)\\?"\s*:\s*\\?"[\w-]{16,}')


class SiteTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[site]``: what windows have that do not say it themselves."""

    hall: Name | None = None
    allow_drivers: tuple[Text, ...] = ()


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[[window]]``, without the tables that it may hold."""

    hall: Name | None = None
    window: Name
    hostname: Text | None = None
    machine_id: Text | None = None
    mac: Text | None = None
    serial: Text | None = None
    lab: bool = False
    allow_drivers: tuple[Text, ...] = ()
    without: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Site:
    """A site file as it was read: nothing in it is checked yet but that it is TOML without secrets."""

    file: str
    digest: str
    """SHA-256 of the file, in hex."""
    document: Mapping[str, Any]
    lines: Mapping[Path, int]
    own_lines: Mapping[int, Mapping[Path, int]]
    """The lines of each window's entry, by its index; paths begin below the entry."""

    @property
    def entries(self) -> list[Any]:
        """The tables ``[[window]]``, whatever is in them."""
        found = self.document.get("window")
        return found if isinstance(found, list) else []

    @property
    def hall(self) -> str:
        """The hall of windows that name none."""
        table = self.document.get("site")
        hall = table.get("hall") if isinstance(table, dict) else None
        return hall if isinstance(hall, str) else ""

    def label(self, index: int) -> str:
        """Return ``HALL/WINDOW`` of an entry, as far as it says so."""
        entry = self.entries[index]
        hall, window = (entry.get("hall") or self.hall, entry.get("window")) if isinstance(entry, dict) else ("", "")
        return f"{hall or '?'}/{window or '?'}"

    def line(self, index: int) -> int:
        """Return the line where an entry begins."""
        return self.own_lines.get(index, {}).get((), 1)


def read_site(file: str) -> Site:
    """Read the site file; raises :class:`ConfigError`."""
    data = _read(file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _wrong("CFG-102", "the site file is not UTF-8 text", "save it as UTF-8", file, line) from None
    if match := _SECRET.search(text):
        line = text.count("\n", 0, match.start()) + 1
        action = "take it out, and make a new key: this one has left its owner; here stand only paths of files"
        raise _wrong("CFG-196", "a private key stands in the site file", action, file, line)
    document, found = read_toml(text, file)
    common, own = _split(found.lines)
    site = Site(file, hashlib.sha256(data).hexdigest(), document, common, own)
    _check_frame(site)
    return site


def check_entry(site: Site, index: int, found: Findings) -> Entry | None:
    """Return the entry's own keys, or ``None`` after adding all that is wrong with them to *found*."""
    table, path = site.entries[index], ("window", index)
    own = {key: value for key, value in table.items() if key not in TABLES} if isinstance(table, dict) else table
    entry: Entry | None = walk(own, Entry, path, found, TABLES)
    if entry is not None and entry.hall is None and not site.hall:
        found.add((*path, "hall"), "CFG-111", "hall is missing", "add hall to [[window]], or to [site]")
        return None
    return entry


def all_lines(site: Site) -> dict[Path, int]:
    """Return the lines of the whole file."""
    own = {("window", index, *path): line for index, lines in site.own_lines.items() for path, line in lines.items()}
    return {**site.lines, **own}


def _read(file: str) -> bytes:
    try:
        with FilePath(file).open("rb") as opened:
            data = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        cause = f"the site file cannot be read: {os.strerror(error.errno or 0)}"
        raise _wrong("CFG-101", cause, "check its path and its rights", file) from None
    if len(data) > _MAX_BYTES:
        raise _wrong("CFG-101", "the site file is larger than 16 MiB", "check its path", file)
    return data


def _split(lines: Mapping[Path, int]) -> tuple[dict[Path, int], dict[int, dict[Path, int]]]:
    common: dict[Path, int] = {}
    own: dict[int, dict[Path, int]] = {}
    for path, line in lines.items():
        if path[:1] == ("window",) and len(path) > 1 and isinstance(path[1], int):
            own.setdefault(path[1], {})[path[2:]] = line
        else:
            common[path] = line
    return common, own


def _check_frame(site: Site) -> None:
    """Raise :class:`ConfigError` where the file has no windows, or ``[site]`` or a window is something else."""
    found = Findings(site.file, all_lines(site))
    if "site" in site.document:
        walk(site.document["site"], SiteTable, ("site",), found)
    if not isinstance(site.document.get("window"), list) or not site.entries:
        found.add(("window",), "CFG-111", "there is no [[window]]", "add one for each window, in double brackets")
    known = [*TABLES, "site", "window"]
    for key in site.document.keys() - set(known):
        found.add((key,), "CFG-110", f"unknown key {quoted(key)}", "correct or delete it", nearest(key, known))
    found.finish()


def _wrong(code: str, cause: str, action: str, file: str, line: int = 0) -> ConfigError:
    return ConfigError([Problem(code, cause, action, file=file, line=line)])
