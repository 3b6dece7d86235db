"""Columns on a terminal: a Chinese character takes two of them."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Iterable
from typing import TextIO

WIDTH = 80
_SENTENCE = 24
"""A sentence beside columns gets at least so many; else it gets lines of its own."""
_BELOW, _PHONE = 8, 32
_KEPT_TOGETHER = 10
_CLOSING = "，。、；：！？）】》”’…,.;:!?)]}"
"""What never begins a line …"""
_OPENING = "（【《“‘"
"""… and what never ends one."""
_WIDE = r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]"
_PIECES = re.compile(rf"[{_OPENING}]*(?:{_WIDE}|(?:(?!{_WIDE})[^\s{_OPENING}])+)[{re.escape(_CLOSING)}]*|\s+|.")


def width(text: str) -> int:
    """Return how many columns *text* takes."""
    return sum(map(_columns, text))


def fitted(text: str, columns: int) -> str:
    """Return *text* filled up to so many *columns*, or cut to them with an ellipsis at its end."""
    shown = cut(text, columns)
    return shown + " " * (columns - width(shown))


def cut(text: str, columns: int) -> str:
    """Return *text* as it is, or cut to at most so many *columns* with an ellipsis at its end."""
    if width(text) <= columns:
        return text
    kept, left = "", columns - width("…")
    for char in text:
        left -= _columns(char)
        if left < 0:
            break
        kept += char
    return f"{kept}…"


def wrapped(text: str, columns: int) -> list[str]:
    """Return *text* in lines of at most so many *columns*: broken at blanks, and else between Chinese characters."""
    lines, line = [], ""
    for piece in _PIECES.findall(text):
        if width(line) + width(piece.rstrip()) <= columns:
            line += piece
            continue
        kept, tail = _parted(line)
        if kept.strip():
            lines.append(kept.rstrip())
        line = tail + piece if tail else piece.lstrip()
        while width(line.rstrip()) > columns:  # a word longer than the line
            head = _head(line, columns)
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _parted(line: str) -> tuple[str, str]:
    """Return what stays on a full *line*, and the begun word that is better kept together, if it is short."""
    kept, blank, tail = line.rpartition(" ")
    return (kept, tail) if blank and kept.strip() and width(tail) <= _KEPT_TOGETHER else (line, "")


def joined(fields: Iterable[str], columns: int | None, gap: str = "  ") -> list[str]:
    """Return *fields* side by side with a *gap* between them, in as many lines of so many *columns* as they need."""
    lines: list[str] = []
    for field in fields:
        if lines and (columns is None or width(lines[-1] + gap + field) <= columns):
            lines[-1] += gap + field
        else:
            lines += [field] if columns is None else wrapped(field, columns)
    return lines


def beside(taken: int, text: str, columns: int | None) -> list[str]:
    """Return *text* as it goes on behind so many columns that are *taken*; where that is too narrow, below them."""
    if columns is None or taken + width(text) <= columns:
        return [text]
    if columns - taken >= _SENTENCE:
        first, *rest = wrapped(text, columns - taken)
        return [first, *(" " * taken + line for line in rest)]
    indent = " " * (_BELOW if columns >= _PHONE else 0)
    return ["", *(indent + line for line in wrapped(text, columns - len(indent)))]


def of_terminal(out: TextIO) -> int | None:
    """Return how many columns *out* has; ``None`` where a line may be as long as it likes: no terminal, no COLUMNS."""
    if not out.isatty():
        asked = os.environ.get("COLUMNS", "")
        return int(asked) if asked.isascii() and asked.isdecimal() and int(asked) else None
    try:
        return os.get_terminal_size(out.fileno()).columns or WIDTH
    except OSError:
        return shutil.get_terminal_size((WIDTH, 24)).columns


def coloured(out: TextIO) -> bool:
    """Return whether *out* may be coloured: a terminal that can, and nobody who says no (``NO_COLOR``)."""
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _head(text: str, columns: int) -> str:
    """Return as much of *text* as fits; at least one character."""
    end = 1
    while end < len(text) and width(text[: end + 1]) <= columns:
        end += 1
    return text[:end]


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
