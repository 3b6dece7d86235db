"""``hall-edge watch``: the running daemon, live."""

from __future__ import annotations

import argparse
import sys

from edge.tools.ask import Unreachable, add_socket_arguments, answers
from edge.tools.status import UNREACHABLE, show

_CLEAR = "\x1b[H\x1b[2J"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge watch``."""
    add_socket_arguments(parser)


def run(chosen: argparse.Namespace) -> int:
    """Print a snapshot at every change until Ctrl-C or until the daemon ends; 3 when none answers."""
    try:
        for now in answers(chosen.run_dir, "watch"):
            if sys.stdout.isatty() and not chosen.json:
                sys.stdout.write(_CLEAR)
            show(now, sys.stdout, as_json=chosen.json)
            sys.stdout.flush()
    except Unreachable as error:
        print(error, file=sys.stderr)  # noqa: T201
        return UNREACHABLE
    return 0
