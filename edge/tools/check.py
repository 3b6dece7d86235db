"""``hall-edge check``: is this configuration valid? No device is touched."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable

from edge.config import Config, load
from edge.config.credentials import Lookup, granted
from edge.errors import ConfigError, Problem
from edge.messages import catalogue, remedy, sentence
from edge.messages.language import Lang, add_language_argument, language
from edge.messages.telling import lines, problem_line
from edge.tools.files import DEFAULT_CONFIG

EXIT_CONFIG = 5
_VALID = {
    "zh": "{file}：配置有效，窗口 {place}，{devices} 台设备，{subscribers} 个订阅方",
    "en": "{file}: valid — window {place}, {devices} devices, {subscribers} subscribers",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge check``."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="the configuration; default: that of --config")
    parser.add_argument("--config", "-c", default=DEFAULT_CONFIG, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="one JSON object, in both languages")
    add_language_argument(parser)


def run(chosen: argparse.Namespace) -> int:
    """Print what is wrong with the configuration, or that nothing is; 0 valid, 5 not."""
    lang, file = language(chosen.lang), chosen.file or chosen.config
    try:
        config = load(file, lookup=Lookup(granted()))
    except ConfigError as error:
        if chosen.json:
            _print_json(file, error.problems, valid=False)
        else:
            sys.stderr.writelines(f"{line}\n" for line in lines(error, lang))
        return EXIT_CONFIG
    if chosen.json:
        _print_json(file, config.warnings, valid=True)
    else:
        sys.stdout.writelines(f"{problem_line(warning, lang)}\n" for warning in config.warnings)
        sys.stdout.write(_valid(file, config, lang) + "\n")
    return 0


def _valid(file: str, config: Config, lang: Lang) -> str:
    place = f"{config.window.hall}/{config.window.window}"
    return _VALID[lang].format(file=file, place=place, devices=len(config.devices), subscribers=len(config.subscribers))


def _print_json(file: str, problems: Iterable[Problem], *, valid: bool) -> None:
    """Write the problems, or of a valid configuration the warnings."""
    told = [_object(problem) for problem in problems]
    sys.stdout.write(json.dumps({"file": file, "valid": valid, "problems": told}, ensure_ascii=False) + "\n")


def _object(problem: Problem) -> dict[str, object]:
    told: dict[str, object] = {
        "code": problem.code,
        "file": problem.file,
        "line": problem.line,
        "key": problem.key,
        "nearest": problem.nearest,
        "who": catalogue()[problem.code].who if problem.code in catalogue() else None,
    }
    languages: tuple[Lang, ...] = ("en", "zh")
    for lang in languages:
        cause, action = sentence(problem.code, problem.cause, lang), remedy(problem.code, problem.action, lang)
        told[lang] = {"cause": cause, "action": action}
    return told
