"""Tell a person an error in a person's language: a line each, with its place, code, cause and the one thing to do."""

from __future__ import annotations

import sys

from edge.errors import ConfigError, EdgeError, Problem
from edge.messages import remedy, sentence
from edge.messages.files import CatalogueError
from edge.messages.language import Lang, language


def tell(error: EdgeError, asked: Lang | None = None) -> None:
    """Print *error* on standard error, in the language that was *asked* for, else in that of the person."""
    sys.stderr.writelines(f"{line}\n" for line in lines(error, language(asked)))


def lines(error: EdgeError, lang: Lang) -> list[str]:
    """Return what a person is told of *error*: a line, and for a configuration one for each mistake."""
    try:
        if isinstance(error, ConfigError):
            return [problem_line(problem, lang) for problem in error.problems]
        colon = "：" if lang == "zh" else ": "
        return [f"{error.code}{colon}{_line(error.code, error.message, error.action, lang)}"]
    except CatalogueError as damaged:  # what it hides is the more important one
        return [str(error), str(damaged)]


def problem_line(problem: Problem, lang: Lang) -> str:
    """Return the line about one mistake in the configuration, as compilers write them."""
    place = f"{problem.file}:{problem.line}: " if problem.line else f"{problem.file}: " if problem.file else ""
    ask = '（是不是 "{}"？）' if lang == "zh" else ' (did you mean "{}"?)'
    hint = ask.format(problem.nearest) if problem.nearest else ""
    return f"{place}{_line(problem.code, problem.cause, problem.action, lang)}{hint} [{problem.code}]"


def _line(code: str, message: str, action: str, lang: Lang) -> str:
    told, what = sentence(code, message, lang), remedy(code, action, lang)
    return f"{told}。{what}" if lang == "zh" else f"{told} — {what}"
