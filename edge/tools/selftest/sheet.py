"""What stands on the printed report: one A4 page, however much there is to say. HTML and PDF show the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from edge.messages import Lang
from edge.selftest.model import Answer, Check, Report, Result
from edge.tools.selftest.text import answer_line, counts, local, remarks, said
from edge.tools.selftest.value import check_value, grouped
from edge.tools.selftest.words import SHEET, TAGS
from edge.tools.toml_text import shown

_ORDER: tuple[Result, ...] = ("fail", "warn", "skip", "ok")


class Row(NamedTuple):
    """A check; *remarks* are whole sentences below it."""

    result: Result
    tag: str
    code: str
    name: str
    text: str
    remarks: tuple[str, ...]


class Sheet(NamedTuple):
    """The page from top to bottom."""

    lang: Lang
    title: str
    fields: tuple[tuple[str, str], ...]
    answer: Answer
    verdict: str
    counts: str
    rows: tuple[Row, ...]
    """The gravest first: what does not fit on the page is what passed."""
    left_out: str
    """What is said where *rows* were cut: ``{count}`` in it."""
    value: tuple[str, str]
    """The check value's name, and as much of it as a person compares."""
    verify: str
    signature: str


def sheet(report: Report, lang: Lang) -> Sheet:
    """Return the page of *report* in *lang*."""
    words = SHEET[lang]
    checks = sorted(report.checks, key=lambda check: _ORDER.index(check.result))
    fields = (
        (words["hall"], report.hall),
        (words["window"], report.window),
        (words["host"], shown(report.host)),
        (words["version"], report.version),
        (words["level"], report.level),
        (words["started"], local(report.started)),
    )
    return Sheet(
        lang=lang,
        title=words["title"],
        fields=fields,
        answer=report.answer,
        verdict=answer_line(report, lang),
        counts=counts(report, lang),
        rows=tuple(_row(check, lang) for check in checks),
        left_out=words["left-out"],
        value=(words["value"], grouped(check_value(msgspec.to_builtins(report)))),
        verify=words["verify"],
        signature=words["signature"],
    )


def _row(check: Check, lang: Lang) -> Row:
    below = remarks(check, lang) if check.result in ("fail", "warn") else ()
    words = SHEET[lang]
    texts = tuple(words[label].format(text=text) for label, text in below if label in ("effect", "action"))
    return Row(check.result, TAGS[check.result], check.code, shown(check.name), said(check, lang), texts)


def that_fit(rows: Sequence[Row], height_of: Callable[[Row], float], room: float) -> tuple[Sequence[Row], int]:
    """Return the rows that fit into *room*, and how many do not; below a cut there is room to say so."""
    used, heights = 0.0, [height_of(row) for row in rows]
    if sum(heights) <= room:
        return rows, 0
    for place, height in enumerate(heights):
        used += height
        if used > room:
            return rows[:place], len(rows) - place
    return rows, 0
