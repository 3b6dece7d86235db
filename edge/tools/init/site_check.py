"""Check every window of a site file at once, at a desk where the windows' own files are not."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from edge.config import build
from edge.config.credentials import Lookup
from edge.config.findings import Findings
from edge.errors import ConfigError, Problem, quoted
from edge.tools.init.site import Site, check_entry
from edge.tools.init.site_merge import Merged
from edge.tools.init.site_pc import MARKS

_EXIT_CONFIG = 5


def run(site: Site) -> int:
    """Print every mistake once, with the windows that have it; 0, or 5 when there is one."""
    lookup = Lookup(elsewhere=True)
    seen: dict[tuple[int, str, str], tuple[Problem, list[str]]] = {}
    for index in range(len(site.entries)):
        for problem in _problems(site, index, lookup):
            first = seen.setdefault((problem.line, problem.code, problem.cause), (problem, []))
            first[1].append(site.label(index))
    problems = [*seen.values(), *((problem, []) for problem in _twice(site))]
    for problem, windows in sorted(problems, key=lambda one: one[0].line):
        sys.stderr.write(f"{problem}{_whose(windows)}\n")
    count = len(site.entries)
    if problems:
        sys.stderr.write(f"{site.file}: {len(problems)} mistakes in {count} windows\n")
        return _EXIT_CONFIG
    absent = f"; {len(lookup.absent)} files are not on this PC and were not looked at" if lookup.absent else ""
    sys.stdout.write(f"{site.file}: valid — {count} windows{absent}\n")
    return 0


def _problems(site: Site, index: int, lookup: Lookup) -> Iterator[Problem]:
    found = Findings(site.file, _OwnLines(site, index))
    entry = check_entry(site, index, found)
    yield from found.problems
    if entry is not None and not found.problems:
        merged = Merged(site, index, entry)
        try:
            build(merged.document, merged.findings, {}, lookup)
        except ConfigError as error:
            yield from error.problems


def _whose(windows: list[str]) -> str:
    """Return which windows have a mistake, where it is more than one's."""
    return f" [{windows[0]} and {len(windows) - 1} more windows]" if len(windows) > 1 else ""


def _twice(site: Site) -> Iterator[Problem]:
    """Yield windows with the name, or the mark, of another one."""
    first: dict[tuple[str, str], int] = {}
    for index, entry in enumerate(site.entries):
        if not isinstance(entry, dict):
            continue
        names = {"window": site.label(index), **{mark: entry.get(mark) for mark in MARKS}}
        for what, value in names.items():
            if not isinstance(value, str) or "?" in value:
                continue
            before = first.setdefault((what, value.lower()), index)
            if before != index:
                cause = f"the {what} {quoted(value)} is already used in line {site.line(before)}"
                line = site.own_lines.get(index, {}).get((what,), site.line(index))
                yield Problem("CFG-195", cause, f"give each its own {what}", file=site.file, line=line)


class _OwnLines(dict[tuple[str | int, ...], int]):
    """The lines of one entry, with the path that they have in the file."""

    def __init__(self, site: Site, index: int) -> None:
        own = site.own_lines.get(index, {})
        super().__init__({("window", index, *path): line for path, line in own.items()})
