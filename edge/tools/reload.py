"""``hall-edge reload``: let the running daemon read its configuration anew, and tell what became of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from edge.errors import Problem
from edge.messages.language import Lang, add_language_argument, language
from edge.messages.telling import problem_line, tell
from edge.tools.ask import Unreachable, add_socket_arguments, answers

REFUSED, RESTART, UNREACHABLE = 5, 6, 3
_TEXTS: Mapping[Lang, Mapping[str, str]] = {
    "zh": {
        "done": "新配置已生效",
        "refused": "没有任何改动，仍在用之前的配置",
        "changed": "改动：{names}",
        "opened": "新打开的设备：{names}",
        "reopened": "重新打开的设备：{names}",
        "closed": "关闭的设备：{names}",
        "kept": "没有变化的设备：{names}",
    },
    "en": {
        "done": "the new configuration is in use",
        "refused": "nothing was changed: the configuration before is still in use",
        "changed": "changed: {names}",
        "opened": "devices opened: {names}",
        "reopened": "devices reopened: {names}",
        "closed": "devices closed: {names}",
        "kept": "devices kept: {names}",
    },
}
_LISTS = ("changed", "opened", "reopened", "closed", "kept")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge reload``."""
    add_socket_arguments(parser)
    add_language_argument(parser)


def run(chosen: argparse.Namespace) -> int:
    """Reload; 0 when the new configuration is in use, 5 when it is refused, 6: it needs a restart, 3: no daemon."""
    lang = language(chosen.lang)
    try:
        outcome = next(answers(chosen.run_dir, "reload"))
    except Unreachable as error:
        tell(error, lang)
        return UNREACHABLE
    if chosen.json:
        sys.stdout.write(json.dumps(outcome, ensure_ascii=False) + "\n")
    elif outcome["reloaded"]:
        sys.stdout.writelines(f"{line}\n" for line in (*_done(outcome, lang), *_findings(outcome, lang)))
    else:
        sys.stderr.writelines(f"{line}\n" for line in (*_findings(outcome, lang), _TEXTS[lang]["refused"]))
    return 0 if outcome["reloaded"] else RESTART if outcome.get("restart") else REFUSED


def _done(outcome: dict[str, Any], lang: Lang) -> Iterator[str]:
    """Yield what has changed, a line each."""
    yield _TEXTS[lang]["done"]
    for name in _LISTS:
        if outcome.get(name):
            yield _TEXTS[lang][name].format(names=", ".join(outcome[name]))


def _findings(outcome: dict[str, Any], lang: Lang) -> Iterator[str]:
    """Yield why it is refused, or what is odd about it."""
    yield from (problem_line(Problem(**found), lang) for found in outcome.get("findings", ()))
