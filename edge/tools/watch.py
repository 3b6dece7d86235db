"""``hall-edge watch``: the running daemon, live."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime

from edge.messages.language import Lang, add_language_argument, language
from edge.tools.ask import Unreachable, add_socket_arguments, answers
from edge.tools.columns import coloured
from edge.tools.status import show, unreachable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge watch``."""
    add_socket_arguments(parser)
    add_language_argument(parser)


def run(chosen: argparse.Namespace) -> int:
    """Show the daemon until Ctrl-C; 3 when none answers. Elsewhere than on a terminal: a line a change."""
    lang = language(chosen.lang)
    try:
        if chosen.json:
            for now in answers(chosen.run_dir, "watch"):
                show(now, sys.stdout, lang, as_json=True)
                sys.stdout.flush()
        elif sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            _live(chosen.run_dir, lang)
        else:
            _lines(chosen.run_dir, lang)
    except Unreachable as error:
        return unreachable(error, lang)
    return 0


def _live(run_dir: str, lang: Lang) -> None:
    """Redraw the screen every second."""
    from edge.tools.live.polled import Polled
    from edge.tools.live.screen import taken
    from edge.tools.live.text import View, document
    from edge.tools.live.words import WORDS

    next(answers(run_dir, "status"))  # none there: said on the screen that stays
    polled, words = Polled(run_dir), WORDS[lang]
    with taken(sys.stdout, polled.wake) as screen:
        for seen in polled:
            if seen.snapshot is None:
                continue
            now = datetime.now().astimezone()
            view = View(lang, screen.size()[0], coloured(sys.stdout) and not seen.stale, now)
            last = words["live"].format(time=now.strftime("%H:%M:%S"))
            lines = list(document(seen.snapshot, view))
            if seen.stale or seen.refused is not None:
                lines.insert(0, words["stale"].format(seconds=int(seen.age_s)))
                if coloured(sys.stdout):
                    lines = [f"\x1b[2m{line}\x1b[0m" for line in lines]
            screen.draw(lines, words["more"], last)


def _lines(run_dir: str, lang: Lang) -> None:
    """Write what changes, a line each."""
    from edge.tools.live.changes import Changes
    from edge.tools.live.polled import Polled
    from edge.tools.live.words import WORDS

    next(answers(run_dir, "status"))
    changes, words, silent = Changes(lang), WORDS[lang], False
    for seen in Polled(run_dir):
        said = list(changes.lines(seen.snapshot)) if seen.snapshot is not None else []
        if (seen.stale or seen.refused is not None) != silent:
            silent = not silent
            said.insert(
                0, f"{'daemon':16} {'silent' if silent else 'answers':10} {words['gone' if silent else 'back']}"
            )
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        sys.stdout.writelines(f"{now}  {line}\n" for line in said)
        sys.stdout.flush()
