"""The daemon's snapshot as lines for people: fixed ASCII columns first, the sentence last, the worst problem on top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from edge.messages import Lang
from edge.messages.states import KINDS, STATES, word
from edge.page.said import Trouble, gravest_of, of_device, told
from edge.tools.columns import beside, joined, width
from edge.tools.live.words import AGES, WORDS
from edge.tools.toml_text import shown

_RULE = 78
_NAME, _STATE, _WHEN = (11, 16), 10, 11
_ACTION = " " * 8
_RED, _PLAIN = "\x1b[1;31m", "\x1b[0m"


class View(NamedTuple):
    """How it is shown: language, the screen's columns (``None``: no end), colours, and what time it is."""

    lang: Lang
    columns: int | None
    colour: bool
    now: datetime


def document(snapshot: Mapping[str, Any], view: View) -> Iterator[str]:
    """Yield the lines of *snapshot*."""
    words, health = WORDS[view.lang], snapshot["health"]
    names = [*snapshot["devices"], *health.get("subscribers", {})]
    name = min(max([_NAME[0], *map(len, names)]), _NAME[1])
    rule = "-" * min(_RULE, view.columns or _RULE)
    fields = [
        words["window"].format(hall=snapshot["hall"], window=snapshot["window"]),
        f"hall-edge {snapshot['version']}",
    ]
    fields.append(words["since"].format(since=moment(snapshot["since"], view, seconds=False)))
    yield from joined([*fields, *([words["lab"]] if snapshot["lab"] else [])], view.columns)
    gravest = gravest_of(snapshot)
    yield from _gravest(gravest, snapshot, view)
    yield rule
    for device, status in snapshot["devices"].items():
        yield from _row(device, status["state"], _proven(status, view), _device(status, view), view, name)
        mine = of_device(device, status)
        if mine.code and mine != gravest:
            yield from _problem(f"{'':{name + 1}}", mine, view)
    yield rule
    for row in _delivery(snapshot, view):
        yield from _row(*row, view, name)
    for problem in health.get("problems", ()):
        one = Trouble(problem["code"], problem["message"], problem["action"], problem.get("level", "attention"))
        if one != gravest:
            yield from _problem(f"{sign(problem)} ", one, view)


def needs_somebody(problem: Mapping[str, Any]) -> bool:
    """Return whether *problem* keeps the window from its work, or soon will."""
    return bool(problem.get("level", "attention") == "attention")


def sign(problem: Mapping[str, Any]) -> str:
    """Return the mark in front of *problem*."""
    return "!" if needs_somebody(problem) else "-"


def moment(stamp: str | None, view: View, *, seconds: bool = True) -> str:
    """Return the local time of *stamp*: the time of day, or of an older one the day too."""
    if not stamp:
        return "-"
    when = datetime.fromisoformat(stamp).astimezone(view.now.tzinfo)
    if not seconds:
        return when.strftime("%Y-%m-%d %H:%M")
    return when.strftime("%H:%M:%S" if view.now - when < timedelta(hours=12) else "%m-%d %H:%M")


def age(seconds: float, lang: Lang) -> str:
    """Return so many *seconds* in the largest unit that fits."""
    size, text = next((unit for unit in AGES[lang] if seconds >= unit[0]), AGES[lang][-1])
    return text.format(int(seconds // size))


def said_of(status: Mapping[str, Any], lang: Lang) -> str:
    """Return what a device is, and how it does."""
    between = "：" if lang == "zh" else ": "
    return f"{word(KINDS, status['kind'], lang)}{between}{word(STATES, status['state'], lang)}"


def _gravest(trouble: Trouble | None, snapshot: Mapping[str, Any], view: View) -> Iterator[str]:
    if trouble is None:
        yield WORDS[view.lang]["well"]
        return
    problems = {problem["code"]: problem for problem in snapshot["health"].get("problems", ())}
    mark = "!" if trouble.device else sign(problems[trouble.code])
    for place, line in enumerate(_problem(f"{mark} ", trouble, view, effect=True)):
        yield f"{_RED}{line}{_PLAIN}" if view.colour and not place else line


def _problem(indent: str, trouble: Trouble, view: View, *, effect: bool = False) -> Iterator[str]:
    """Yield a problem's code and sentence, and below it what to do."""
    said, words = told(trouble, view.lang), WORDS[view.lang]
    place = f"{trouble.device}  " if trouble.device and effect else ""
    begin = f"{indent}{trouble.code}  {place}"
    first, *rest = beside(width(begin), shown(said["seen"]), view.columns)
    yield f"{begin}{first}".rstrip()
    yield from rest
    below = indent if not indent.strip() else _ACTION
    for label in ("effect", "action") if effect else ("action",):
        if said[label]:
            begin = below + words[label]
            first, *rest = beside(width(begin), shown(said[label]), view.columns)
            yield f"{begin}{first}".rstrip()
            yield from rest


def _row(name: str, state: str, when: str, text: str, view: View, columns: int) -> Iterator[str]:
    fixed = f"{shown(name):{columns}} {state:{_STATE}} {when:{_WHEN}} "
    first, *rest = beside(len(fixed), text, view.columns)
    yield f"{fixed}{first}".rstrip()
    yield from rest


def _proven(status: Mapping[str, Any], view: View) -> str:
    return moment(status.get("last_proven"), view)


def _device(status: Mapping[str, Any], view: View) -> str:
    words, between = WORDS[view.lang], WORDS[view.lang]["between"]
    proven = status.get("last_proven")
    if not proven:
        return f"{said_of(status, view.lang)}{between}{words['not-proven']}"
    ago_s = max((view.now - datetime.fromisoformat(proven)).total_seconds(), 0.0)
    return f"{said_of(status, view.lang)}{between}{words['proven'].format(age=age(ago_s, view.lang))}"


def _delivery(snapshot: Mapping[str, Any], view: View) -> Iterator[tuple[str, str, str, str]]:
    """Yield what is said of the broker, the ladder, the store, the subscribers and privacy: name, state, time, text."""
    words, health = WORDS[view.lang], snapshot["health"]
    link, box = health["link"], health["outbox"]
    yield "broker", link["state"], link.get("code") or "-", words[f"broker-{link['state']}"]
    rungs = " → ".join(words[rung].format(seq=seq) for rung, seq in health["ladder"].items())
    yield "delivery", health["delivery"].removesuffix("-only"), "-", rungs
    counts = [words["kept"].format(depth=box["depth"])]
    if box.get("oldest_s") is not None:
        counts.append(words["oldest"].format(age=age(box["oldest_s"], view.lang)))
    counts += [words[key].format(count=box[key]) for key in ("quarantined", "expired", "damaged") if box.get(key)]
    yield "outbox", str(box["depth"]), "-", words["between"].join(counts)
    for name, subscriber in health.get("subscribers", {}).items():
        acked = subscriber.get("acked")
        heard = words["heard"].format(when=moment(acked, view)) if acked else words["never-heard"]
        text = words["subscriber"].format(seq=subscriber["upto_seq"], heard=heard)
        yield name, "-", moment(acked, view), text
    yield "privacy", "-", "-", privacy(snapshot.get("privacy"), view.lang)


def privacy(figures: Mapping[str, Any] | None, lang: Lang) -> str:
    """Return what this PC has read and keeps of citizens, in figures; always said."""
    words = WORDS[lang]
    if figures is None:
        return words["privacy-unknown"]
    text = words["privacy"].format(reads=figures["full_reads_today"], kept=figures["sensitive_kept"])
    oldest = figures.get("sensitive_oldest_s")
    return text if oldest is None else text + words["privacy-oldest"].format(age=age(oldest, lang))
