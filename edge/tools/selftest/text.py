"""The report for people: fixed ASCII columns first, the sentence last, the answer at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from edge.messages import Lang, catalogue, remedy, sentence
from edge.messages.states import WHO, word
from edge.selftest.model import Begun, Check, Report
from edge.tools.columns import beside, joined, width
from edge.tools.selftest.words import TAGS, WORDS
from edge.tools.toml_text import shown

RULE = 78
_INDENT = " " * 8
_NAME = (10, 16)  # columns of a check's name, at least and at most
_COLOURS = {"ok": "32", "warn": "33", "fail": "1;31", "skip": "2"}
_NAMED = 3  # so many checks are named in the answer


class Layout(NamedTuple):
    """How the lines are laid out: the language, the screen's columns (``None``: no end), and how wide names are."""

    lang: Lang
    columns: int | None = None
    name: int = _NAME[0]
    colour: bool = False

    def fit(self, names: Iterable[str]) -> Layout:
        """Return the layout for checks of these *names*."""
        longest = max((len(name) for name in names), default=0)
        return self._replace(name=min(max(longest, _NAME[0]), _NAME[1]))


def body(report: Report, layout: Layout) -> Iterator[str]:
    """Yield the lines below the header; the last one is the answer."""
    layout = layout.fit(check.name for check in report.checks)
    for check in report.checks:
        yield from check_lines(check, layout)
    yield _rule(layout)
    yield from joined([counts(report, layout.lang)], layout.columns)
    yield from joined([answer_line(report, layout.lang)], layout.columns)


def header(begun: Begun | Report, layout: Layout) -> list[str]:
    """Return what is tested, where, how and when, and a rule."""
    words = WORDS[layout.lang]
    fields = (
        words["title"],
        words["window"].format(window=begun.window),
        words["host"].format(host=shown(begun.host)),
        words[begun.level],
        local(begun.started),
    )
    return [*joined(fields, layout.columns), _rule(layout)]


def _rule(layout: Layout) -> str:
    return "-" * min(RULE, layout.columns or RULE)


def local(stamp: str) -> str:
    """Return the local time of an RFC 3339 *stamp*, to the minute."""
    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M")


def check_lines(check: Check, layout: Layout) -> Iterator[str]:
    """Yield the line of *check*, and for what is not well its effect, its action and where more is said."""
    tag = TAGS[check.result]
    fixed = f"  {check.code:7}{check.took_s:7.1f}s  {shown(check.name):{layout.name}} "
    if layout.colour:
        tag = f"\x1b[{_COLOURS[check.result]}m{tag}\x1b[0m"
    begin, *rest = beside(len(TAGS["ok"]) + width(fixed), said(check, layout.lang), layout.columns)
    yield (tag + fixed + begin).rstrip()
    yield from rest
    if check.result in ("warn", "fail"):
        words = WORDS[layout.lang]
        for label, text in remarks(check, layout.lang):
            begin, *rest = beside(len(_INDENT) + width(words[label]), text, layout.columns)
            yield (_INDENT + words[label] + begin).rstrip()
            yield from rest


def said(check: Check, lang: Lang) -> str:
    """Return what was seen, in *lang*, with its place in the configuration where it has one."""
    place, nearest = check.details.get("place"), check.details.get("nearest")
    hint = WORDS[lang]["nearest"].format(nearest=nearest) if nearest else ""
    return shown(f"{place}: " * bool(place) + sentence(check.code, check.seen, lang) + hint)


def remarks(check: Check, lang: Lang) -> Iterator[tuple[str, str]]:
    """Yield what *check* means for the window, the one thing to do, and where more is said: ``(label, text)``."""
    entry = catalogue().get(check.code)
    if entry is not None:
        yield "effect", entry.wording(lang).effect
    if action := remedy(check.code, check.action, lang):
        yield "action", shown(action)
    if entry is not None:
        yield "details", WORDS[lang]["explain"].format(code=check.code)


def counts(report: Report, lang: Lang) -> str:
    """Return how many checks came to what, and how long it took."""
    results = {result: report.count(result) for result in ("ok", "warn", "fail", "skip")}
    return WORDS[lang]["counts"].format(**results, took=f"{report.took_s:.1f}")


def answer_line(report: Report, lang: Lang) -> str:
    """Return whether the window can open, and who mends what does not work; of single devices, whether they work."""
    words = WORDS[lang]
    worst = "fail" if report.count("fail") else "warn"
    by_whom: dict[str, list[str]] = {}
    for check in report.checks:
        if check.result == worst:
            entry = catalogue().get(check.code)
            by_whom.setdefault(entry.who if entry else "technician", []).append(shown(check.name))
    alone = bool(report.checks) and all(check.part == "device" for check in report.checks)
    clauses = [words[f"devices-{report.answer}" if alone else report.answer]]
    for who, all_names in by_whom.items():
        names = list(dict.fromkeys(all_names))
        listed = words["listed"].join(names[:_NAMED])
        if len(names) > _NAMED:
            listed += words["more"].format(count=len(names) if lang == "zh" else len(names) - _NAMED)
        clauses.append(words["mends"].format(names=listed, who=word(WHO, who, lang)))
    return words["between"].join(clauses)
