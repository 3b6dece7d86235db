"""``hall-edge reload``: let the running daemon read its configuration anew, and tell what became of it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from edge.tools.ask import Unreachable, add_socket_arguments, answers

REFUSED, RESTART, UNREACHABLE = 5, 6, 3
_DEVICES = ("opened", "reopened", "closed", "kept")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge reload``."""
    add_socket_arguments(parser)


def run(chosen: argparse.Namespace) -> int:
    """Reload; 0 when the new configuration is in use, 5 when it is refused, 6: it needs a restart, 3: no daemon."""
    try:
        outcome = next(answers(chosen.run_dir, "reload"))
    except Unreachable as error:
        print(error, file=sys.stderr)  # noqa: T201
        return UNREACHABLE
    if chosen.json:
        print(json.dumps(outcome, ensure_ascii=False))  # noqa: T201
    elif outcome["reloaded"]:
        print(_done(outcome))  # noqa: T201
    else:
        _tell_refusal(outcome)
    return 0 if outcome["reloaded"] else RESTART if outcome.get("restart") else REFUSED


def _done(outcome: dict[str, Any]) -> str:
    """Return what has changed, a line each."""
    lines = ["the new configuration is in use"]
    lines += [f"changed: {', '.join(outcome['changed'])}"] if outcome.get("changed") else []
    lines += [f"devices {name}: {', '.join(outcome[name])}" for name in _DEVICES if outcome.get(name)]
    return "\n".join([*lines, *outcome.get("warnings", ())])


def _tell_refusal(outcome: dict[str, Any]) -> None:
    for problem in outcome.get("problems", ()):
        print(problem, file=sys.stderr)  # noqa: T201
    print("nothing was changed: the configuration before is still in use", file=sys.stderr)  # noqa: T201
