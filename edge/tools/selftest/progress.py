"""What a person sees while the self-test runs, on stderr: what has finished, and for whom it waits.

On a terminal the lines are drawn in place and taken away before the result comes; elsewhere one short line a check.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TextIO

from edge.messages import catalogue
from edge.selftest.model import Ask, Begun, Check
from edge.tools.columns import cut, joined, of_terminal
from edge.tools.selftest.text import Layout, check_lines
from edge.tools.selftest.words import TAGS, WORDS
from edge.tools.toml_text import shown

_ROWS = 24
_BELL = "\a"


class Progress:
    """Draws on *err*; ``quiet``: only what a person is to do."""

    def __init__(self, err: TextIO, layout: Layout, *, quiet: bool = False) -> None:
        self._err, self._layout, self._quiet = err, layout, quiet
        self._live = err.isatty() and os.environ.get("TERM") != "dumb"
        self._drawn = 0
        self._names: Sequence[str] = ()
        self._finished: list[Check] = []
        self._asked: Ask | None = None

    def begin(self) -> None:
        """Say at once that something happens."""
        if self._live:
            self._draw([WORDS[self._layout.lang]["beginning"]])
        elif not self._quiet:
            self._say(WORDS[self._layout.lang]["beginning"])

    def begun(self, begun: Begun) -> None:
        """Take what there is to wait for."""
        self._names = begun.names
        self._layout = self._layout.fit(begun.names)
        self._redraw()

    def check(self, check: Check) -> None:
        """Show that *check* has finished."""
        self._finished.append(check)
        if self._asked is not None and self._asked.device == check.name:
            self._asked = None
        if self._live:
            self._redraw()
        elif not self._quiet:
            self._say(f"{TAGS[check.result]}  {check.code:7}  {shown(check.name)}")

    def ask(self, ask: Ask) -> None:
        """Ask the person to do something."""
        self._asked = ask
        if self._live:
            self._err.write(_BELL)
            self._redraw()
        else:
            self._say(self._question(ask))

    def clear(self) -> None:
        """Take away what is drawn."""
        if self._drawn:
            self._err.write(f"\r\x1b[{self._drawn}A\x1b[J")
            self._err.flush()
            self._drawn = 0

    def _redraw(self) -> None:
        if not self._live:
            return
        columns, rows = of_terminal(self._err), _rows(self._err)
        layout = self._layout._replace(columns=columns)
        last = [line for check in self._finished for line in check_lines(check, layout)]
        below = joined([self._waiting()], columns)
        if self._asked is not None:
            below += joined([self._question(self._asked)], columns)
        room = max(rows - len(below) - 1, 0)
        self._draw([*last[len(last) - min(room, len(last)) :], *below][-max(rows - 1, 1) :])

    def _waiting(self) -> str:
        words = WORDS[self._layout.lang]
        done = {check.name for check in self._finished}
        names = [shown(name) for name in dict.fromkeys(self._names) if name not in done]
        if not names:
            return words["testing"].format(finished=len(self._finished))
        count = len(dict.fromkeys(self._names))
        return words["waiting"].format(finished=count - len(names), count=count, names=" ".join(names))

    def _question(self, ask: Ask) -> str:
        entry = catalogue().get(ask.code)
        what = entry.wording(self._layout.lang).title if entry else ask.code
        seconds = int(ask.wait_s)
        return WORDS[self._layout.lang]["ask"].format(seconds=seconds, device=shown(ask.device), what=what)

    def _draw(self, lines: Sequence[str]) -> None:
        columns = of_terminal(self._err)
        lines = [line if "\x1b" in line or columns is None else cut(line, columns) for line in lines]
        back = f"\r\x1b[{self._drawn}A\x1b[J" if self._drawn else ""
        self._err.write(back + "".join(f"{line}\n" for line in lines))
        self._err.flush()
        self._drawn = len(lines)

    def _say(self, line: str) -> None:
        self._err.write(f"{line}\n")
        self._err.flush()


def _rows(err: TextIO) -> int:
    try:
        return os.get_terminal_size(err.fileno()).lines or _ROWS
    except OSError:
        return _ROWS
