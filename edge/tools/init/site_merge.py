"""Make one window's configuration of a site file; every value keeps the line where it stands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from edge.config.findings import Findings
from edge.errors import nearest, quoted
from edge.toml_lines import Path
from edge.tools.init.site import TABLES, Entry, Site

_NAMED = ("device", "subscriber", "requester")
"""Arrays of tables that are told apart by their names."""
_FILLED = {"mqtt": None, "paths": None, "subscriber": ("key",), "requester": ("key",)}
"""Where ``{hall}`` and ``{window}`` are filled in: in these keys, or in all of the table."""
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
Lines = dict[Path, int]


class Merged:
    """A window's configuration, and the line of the site file for each of its keys."""

    def __init__(self, site: Site, index: int, entry: Entry) -> None:
        self._site = site
        self._own: Mapping[str, Any] = site.entries[index]
        self._own_lines = site.own_lines.get(index, {})
        self._entry = entry
        self.document: dict[str, Any] = {}
        self.lines: Lines = {}
        self.names = {"hall": entry.hall or site.hall, "window": entry.window}
        self._window()
        for table in TABLES:
            self._merge(table)
        self.findings = Findings(site.file, self.lines)
        self._check_without()
        self._fill()

    def _window(self) -> None:
        """Make ``[window]``; where a key of it comes from ``[site]``, its line is there."""
        common = self._site.document.get("site", {}).get("allow_drivers", [])
        allowed = [*common, *self._entry.allow_drivers]
        lab = {"lab": True} if self._entry.lab else {}
        self.document["window"] = {**self.names, **lab, **({"allow_drivers": allowed} if allowed else {})}
        start = self._own_lines.get((), 1)
        self.lines[("window",)] = start
        for key in self.document["window"]:
            self.lines[("window", key)] = self._own_lines.get((key,), self._site.lines.get(("site", key), start))

    def _merge(self, table: str) -> None:
        common, own = self._site.document.get(table), self._own.get(table)
        if common is None and own is None:
            return
        self.lines.update({path: line for path, line in self._site.lines.items() if path == (table,)})
        if table in _NAMED and _is_array(common) and _is_array(own):
            self._merge_arrays(table, common or [], own or [])
        elif (common is None or isinstance(common, dict)) and (own is None or isinstance(own, dict)):
            self.document[table] = {**(common or {}), **(own or {})}
            self._take(self._site.lines, (table,), (table,), common or {})
            self._take(self._own_lines, (table,), (table,), own or {})
        else:  # something else than a table: the loader says so
            self.document[table] = common if own is None else own
            self._take(self._own_lines if own is not None else self._site.lines, (table,), (table,), None)

    def _merge_arrays(self, table: str, common: list[Any], own: list[Any]) -> None:
        merged: list[Any] = []
        at: dict[object, int] = {}
        sources = [(entry, self._site.lines, number, False) for number, entry in enumerate(common)]
        sources += [(entry, self._own_lines, number, True) for number, entry in enumerate(own)]
        for entry, lines, number, is_own in sources:
            name = entry.get("name") if isinstance(entry, dict) else None
            if not is_own and name in self._entry.without:
                continue
            if is_own and isinstance(name, str) and name in at:
                place = at[name]
                merged[place] = {**merged[place], **entry}
                self._take(lines, (table, number), (table, place), entry)
                continue
            if not is_own and isinstance(name, str):
                at.setdefault(name, len(merged))
            self._take(lines, (table, number), (table, len(merged)), None)
            merged.append(entry)
        self.document[table] = merged

    def _take(self, lines: Mapping[Path, int], old: Path, new: Path, keys: Mapping[str, Any] | None) -> None:
        """Note the lines of what stands at *old* for *new*: of these *keys*, or of all and the table itself."""
        if keys is None or new not in self.lines:
            self.lines[new] = lines.get(old, self.lines.get(new, self._own_lines.get((), 1)))
        depth = len(old)
        for path, line in lines.items():
            if path[:depth] == old and len(path) > depth and (keys is None or path[depth] in keys):
                self.lines[(*new, *path[depth:])] = line

    def _check_without(self) -> None:
        named = [self._site.document.get(table) for table in _NAMED]
        names = [one["name"] for tables in named if isinstance(tables, list) for one in tables if _is_named(one)]
        for name in self._entry.without:
            if name not in names:
                self.lines[("window", "without")] = self._own_lines.get(("without",), 1)
                cause = f"without: nothing common is called {quoted(name)}"
                self.findings.add(("window", "without"), "CFG-113", cause, "correct or delete it", nearest(name, names))

    def _fill(self) -> None:
        for table, keys in _FILLED.items():
            value = self.document.get(table)
            if isinstance(value, list):
                filled = [self._filled(one, (table, number), keys) for number, one in enumerate(value)]
                self.document[table] = filled
            elif isinstance(value, dict):
                self.document[table] = self._filled(value, (table,), keys)

    def _filled(self, table: Any, where: Path, keys: tuple[str, ...] | None) -> Any:
        if not isinstance(table, dict):
            return table
        return {
            key: self._text(value, (*where, key)) if isinstance(value, str) and (keys is None or key in keys) else value
            for key, value in table.items()
        }

    def _text(self, text: str, where: Path) -> str:
        for name in _PLACEHOLDER.findall(text):
            if name not in self.names:
                cause = f"{where[-1]}: there is no placeholder {quoted(f'{{{name}}}')}"
                self.findings.add(where, "CFG-197", cause, "use {hall} or {window}", nearest(name, self.names))
        return _PLACEHOLDER.sub(lambda match: self.names.get(match[1], match[0]), text)


def _is_array(value: object) -> bool:
    return value is None or isinstance(value, list)


def _is_named(table: object) -> bool:
    return isinstance(table, dict) and isinstance(table.get("name"), str)
