"""What can be wrong with a configuration file, and the collection of what is wrong with one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from edge.errors import ConfigError, Problem, quoted
from edge.toml_lines import Path

CODES: Mapping[str, str] = {
    "CFG-100": "several problems in the configuration",
    "CFG-101": "the configuration file cannot be read",
    "CFG-102": "the configuration file is not UTF-8 text",
    "CFG-103": "the configuration file is not TOML",
    "CFG-110": "unknown key",
    "CFG-111": "missing key or table",
    "CFG-112": "value of the wrong type",
    "CFG-113": "value out of its range or pattern",
    "CFG-114": "name used twice",
    "CFG-115": "keys that need or exclude each other",
    "CFG-120": "unknown driver",
    "CFG-121": "driver of a foreign package that is not allowed",
    "CFG-122": "driver needs a package that is not installed",
    "CFG-123": "driver is broken",
    "CFG-124": "settings that the driver refuses",
    "CFG-130": "address without a usable path or host",
    "CFG-131": "address of an unknown scheme",
    "CFG-132": "option of an address unknown or given twice",
    "CFG-133": "option of an address out of its range",
    "CFG-134": "address used twice",
    "CFG-140": "broker URL that cannot be understood",
    "CFG-141": "user name or password in the broker URL",
    "CFG-142": "personal data without TLS",
    "CFG-143": "lab mode beside a client certificate",
    "CFG-144": "personal data without a key to seal it",
    "CFG-145": "broker password without TLS (a warning)",
    "CFG-150": "named file cannot be read",
    "CFG-151": "secret file open to every user (a warning in lab mode)",
    "CFG-152": "named file holds something else",
    "CFG-153": "private key where a public one belongs",
    "CFG-160": "the client certificate does not name this window",
    "CFG-161": "allowed command that does not exist",
    "CFG-162": "key of two requesters",
    "CFG-170": "every key of a subscriber has expired",
    "CFG-171": "the last key of a subscriber expires soon (a warning)",
    "CFG-172": "too many keys to seal to",
    "CFG-173": "two different keys with one kid",
    "CFG-174": "what should seal cannot be loaded",
    "CFG-175": "key that the configured provider refuses",
}


class Findings:
    """Collects the problems of one file and puts each at its line."""

    def __init__(self, file: str, lines: Mapping[Path, int]) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.file = file
        self.lines = lines

    def add(self, path: Path, code: str, cause: str, action: str, near: str | None = None) -> None:
        """Add a problem with the key at *path*."""
        self.take(path, [Problem(code, cause, action, near)])

    def take(self, path: Path, problems: Iterable[Problem], *, as_warnings: bool = False) -> None:
        """Add *problems* that do not know where they stand: it is at *path*."""
        key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        placed = [replace(one, file=self.file, line=self.line(path), key=key) for one in problems]
        (self.warnings if as_warnings else self.problems).extend(placed)

    def line(self, path: Path) -> int:
        """Return the line of *path*, or of the nearest table or array around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def unique(self, what: str, code: str, texts: Mapping[Path, str]) -> None:
        """Add a problem for each of *texts* that stood before."""
        first: dict[str, Path] = {}
        for path, text in texts.items():
            if first.setdefault(text, path) != path:
                cause = f"the {what} {quoted(text)} is already used in line {self.line(first[text])}"
                self.add(path, code, cause, f"give each its own {what}")

    def finish(self) -> None:
        """Raise :class:`ConfigError` with all problems in the order of their lines, if there are any."""
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda problem: problem.line))
