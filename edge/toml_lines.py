"""Find the line of every key of a TOML document: what :mod:`tomllib` does not tell.

The text must have passed ``tomllib.loads``, so nothing is checked here. Should the scanner ever lose its way,
it skips to the end: a few keys then have no line of their own.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left

Path = tuple[str | int, ...]
"""The way to a value, by keys and indexes: ``("device", 0, "address")``."""

_BLANK = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*+"|'[^']*+'""")
_SCALAR = re.compile(  # up to two quotes may stand before the closing three
    r'''"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?'{3,5}|"(?:[^"\\]|\\.)*+"|'[^']*+'|[^,\]}#\n]++''', re.DOTALL
)


def key_lines(text: str) -> dict[Path, int]:
    """Return the line (from 1) of every table, key and array element of *text*."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[Path, int] = {}
        self._last: dict[Path, int] = {}  # index of the last table of each array of tables
        self._line_ends = [match.start() for match in re.finditer("\n", text)]

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while opening := self._next():
            if opening == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else len(self._text)
        return match[0] if match else ""

    def _next(self) -> str:
        """Skip blanks and comments; return the character there, or nothing at the end."""
        self._take(_BLANK)
        return self._text[self._at : self._at + 1]

    def _line(self) -> int:
        return bisect_left(self._line_ends, self._at) + 1

    def _keys(self) -> list[str]:
        """Read a dotted key; stop at the ``=`` or ``]`` behind it."""
        keys = []
        separator = "."
        while separator == ".":
            self._next()
            key = self._take(_KEY)
            keys.append(tomllib.loads(f"key = {key}")["key"] if key.startswith(("'", '"')) else key)
            separator = self._next()
            if separator == ".":
                self._at += 1
        return keys

    def _header(self) -> Path:
        """Read ``[table]`` or ``[[array of tables]]``; on the way may stand the last table of an array."""
        line = self._line()
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        *around, name = self._keys()
        self._at += brackets
        path: Path = ()
        for key in around:
            path += (key,)
            self._lines.setdefault(path, line)
            if path in self._last:
                path += (self._last[path],)
        path += (name,)
        if brackets > 1:
            self._lines.setdefault(path, line)
            self._last[path] = self._last.get(path, -1) + 1
            path += (self._last[path],)
        self._lines[path] = line
        return path

    def _pair(self, path: Path) -> None:
        line = self._line()
        for key in self._keys():
            path += (key,)
            self._lines.setdefault(path, line)
        self._at += len("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self._next()
        if opening not in ("[", "{"):
            self._take(_SCALAR)
            return
        self._at += 1
        index = 0
        while self._next() not in ("]", "}", ""):
            if opening == "{":
                self._pair(path)
            else:
                self._lines[(*path, index)] = self._line()
                self._value((*path, index))
                index += 1
            if self._next() == ",":
                self._at += 1
        self._at += 1
