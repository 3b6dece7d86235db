"""Columns on a terminal: a Chinese character takes two of them."""

from __future__ import annotations

import unicodedata

WIDTH = 80


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


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
