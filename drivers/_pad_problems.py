"""What is wrong with a pad profile, by key path and line."""

from __future__ import annotations

import re
from collections.abc import Mapping

KeyPath = tuple[str | int, ...]
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Problems:
    """Collects ``key path: cause``; the first cause of a key counts."""

    def __init__(self, source: str) -> None:
        self.lines: Mapping[KeyPath, int] = {}
        self._source = source
        self._causes: dict[KeyPath, str] = {}

    def __len__(self) -> int:
        return len(self._causes)

    def __contains__(self, path: KeyPath) -> bool:
        return path in self._causes

    def add(self, path: KeyPath, cause: str) -> None:
        """Note that *path* is wrong."""
        self._causes.setdefault(path, cause)

    def by_key(self) -> dict[str, str]:
        """Return the causes by dotted key."""
        return {dotted(path): cause for path, cause in self._causes.items()}

    def __str__(self) -> str:
        ordered = sorted(self._causes.items(), key=lambda item: self._line(item[0]))
        return "; ".join(
            f"{self._source}:{self._line(path)}: {dotted(path)}: {cause}" if path else f"{self._source}: {cause}"
            for path, cause in ordered
        )

    def _line(self, path: KeyPath) -> int:
        """Return the line of *path*, or of the nearest table around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: KeyPath) -> str:
    """Return *path* as it would be written in TOML."""
    return ".".join(str(key) if _BARE.fullmatch(str(key)) else f'"{key}"' for key in path)
