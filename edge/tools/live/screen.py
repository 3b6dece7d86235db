"""A whole terminal that is redrawn in place, and given back as it was."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, TextIO

from edge.tools.columns import WIDTH, cut

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"  # the other screen, without a cursor
_BEGIN, _END = "\x1b[?2026h\x1b[H", "\x1b[J\x1b[?2026l"  # what stands between is shown at once
_CLEAR_LINE = "\x1b[K"
_ROWS = 24
_SIGNALLED = 128


class Screen:
    """Draws on *out*."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def draw(self, lines: Sequence[str], more: str, last: str) -> None:
        """Show *lines*, and *last* in the bottom one; *more* says how many did not fit."""
        columns, rows = self.size()
        room = rows - 1
        if len(lines) > room:
            hidden = len(lines) - room + 1
            lines = [*lines[: room - 1], more.format(count=hidden)]
        shown = [line if "\x1b" in line else cut(line, columns) for line in lines]
        body = "".join(f"{line}{_CLEAR_LINE}\r\n" for line in shown)
        self._out.write(f"{_BEGIN}{body}{cut(last, columns)}{_CLEAR_LINE}{_END}")
        self._out.flush()

    def size(self) -> tuple[int, int]:
        """Return its columns and rows."""
        try:
            size = os.get_terminal_size(self._out.fileno())
        except OSError:
            return WIDTH, _ROWS
        return size.columns or WIDTH, size.lines or _ROWS


@contextmanager
def taken(out: TextIO, resized: Callable[..., None]) -> Iterator[Screen]:
    """Take the terminal; it is given back however this ends. *resized* is called when its size changes."""
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, resized)
    out.write(_ENTER)
    try:
        yield Screen(out)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        out.write(_LEAVE)
        out.flush()


def _leave(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(_SIGNALLED + number)
