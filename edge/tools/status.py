"""``hall-edge status``: what the running daemon says now."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from typing import Any, TextIO

from edge.messages.language import Lang, add_language_argument, language
from edge.tools.ask import Unreachable, add_socket_arguments, answers
from edge.tools.columns import coloured, of_terminal

UNREACHABLE = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge status``."""
    add_socket_arguments(parser)
    add_language_argument(parser)


def run(chosen: argparse.Namespace) -> int:
    """Print one snapshot; 0 when all is well, 1 when a device is not usable or a person is needed, 3: no daemon."""
    from edge.device_state import USABLE  # slow to import, and the self-test does without

    lang = language(chosen.lang)
    try:
        now = next(answers(chosen.run_dir, "status"))
    except Unreachable as error:
        return unreachable(error, lang)
    show(now, sys.stdout, lang, as_json=chosen.json)
    problems = now["health"].get("problems", ())
    grave = any(problem.get("level", "attention") == "attention" for problem in problems)
    return 1 if grave or any(device["state"] not in USABLE for device in now["devices"].values()) else 0


def show(now: dict[str, Any], out: TextIO, lang: Lang, *, as_json: bool) -> None:
    """Write the snapshot *now* to *out*, for people or as JSON."""
    if as_json:
        out.write(json.dumps(now, ensure_ascii=False) + "\n")
        return
    from edge.tools.live.text import View, document

    view = View(lang, of_terminal(out), coloured(out), datetime.now().astimezone())
    out.writelines(f"{line}\n" for line in document(now, view))


def unreachable(error: Unreachable, lang: Lang) -> int:
    """Say that no daemon answers; return the exit code for it."""
    from edge.messages.telling import lines

    sys.stderr.writelines(f"{line}\n" for line in lines(error, lang))
    return UNREACHABLE
