"""Which devices the window has: chosen of what was found, or given by ``--device``."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.errors import ConfigError, nearest, quoted
from edge.registry import Registry
from edge.tools.columns import fitted
from edge.tools.discover.things import Findings, Thing
from edge.tools.init.answers import wrong
from edge.tools.init.texts import KINDS, TEXTS
from edge.tools.toml_text import remark

_SHOWN = 9
Table = Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """A device that may be taken."""

    table: Table
    thing: int
    """Of several choices for one thing only one can be right."""
    sure: bool
    kind: str
    title: str
    place: str


def choices(found: Findings) -> list[Choice]:
    """Return what can be taken of what was found; what is sure comes first."""
    registry = Registry()
    listed = [
        Choice(_table(one.name, one.driver, one.offer.address, one.offer.settings), at, one.offer.sure,
               _kind(registry, one.driver), one.offer.title or thing.title, _place(thing))
        for at, thing in enumerate(found.things) for one in thing.proposals
    ]  # fmt: skip
    return sorted(listed, key=lambda one: not one.sure)


def listing(listed: Sequence[Choice], language: str) -> list[str]:
    """Return the lines of a numbered list, at most 80 columns wide."""
    texts = TEXTS[language]
    if not listed:
        return [texts["nothing"]]
    lines = [texts["found"]]
    for number, one in enumerate(listed[:_SHOWN], 1):
        kind = KINDS.get(one.kind, (one.kind, one.kind))[language == "en"]
        note = "" if one.sure else f" ({texts['unsure']})"
        title = fitted(remark(one.title), 28)
        line = f"{' *'[one.sure]}{number:>2} {fitted(kind + note, 26)} {fitted(remark(one.place), 18)} {title}"
        lines.append(line.rstrip())
    hidden = len(listed) - _SHOWN
    return lines + ([f"   {texts['more'].format(count=hidden)}"] if hidden > 0 else [])


def by_default(listed: Sequence[Choice]) -> str:
    """Return the numbers that are taken when nothing is said."""
    return ",".join(str(number) for number, one in enumerate(listed, 1) if one.sure) or "0"


def chosen(text: str, listed: Sequence[Choice]) -> list[Table]:
    """Return the devices with the numbers in *text*; raises :class:`ConfigError`."""
    words = re.split(r"[\s,;，、；]+", text.strip(" \t,;，、；\u3000"))
    if words == ["0"]:
        return []
    unknown = next((word for word in words if not word.isdecimal() or not 0 < int(word[:9]) <= len(listed)), None)
    if unknown is not None:
        raise wrong("CFG-192", f"{quoted(unknown)} is no number of the list", f"write 0, or some of 1 to {len(listed)}")
    taken = [listed[number - 1] for number in sorted({int(word) for word in words})]
    things = [one.thing for one in taken]
    twice = next((one for one in taken if things.count(one.thing) > 1), None)
    if twice is not None:
        raise wrong("CFG-192", f"two entries for one device ({quoted(twice.place)})", "take only one of them")
    return [one.table for one in taken]


def given(texts: Sequence[str], listed: Sequence[Choice]) -> list[Table]:
    """Return the devices that ``--device`` names: one that was found, ``all``, ``none``, or ``KEY=VALUE …``."""
    tables: list[Table] = []
    for text in texts:
        if "=" in text:
            tables.append(_spelled(text))
        elif text == "all":
            tables += [one.table for one in listed if one.sure]
        elif text != "none":
            tables.append(_named(text, listed))
    return tables


def needs_search(texts: Sequence[str] | None) -> bool:
    """Return whether the PC must be looked at for what ``--device`` says, or does not say."""
    return texts is None or any("=" not in text and text != "none" for text in texts)


def _named(name: str, listed: Sequence[Choice]) -> Table:
    names = [str(one.table["name"]) for one in listed]
    if name in names:
        return listed[names.index(name)].table
    near = nearest(name, names)
    cause = f"no device {quoted(name)} was found" + (f"; there is {near}" if near else "")
    action = f"use one of: {', '.join(names)}" if names else 'write "name=… driver=… address=…", or plug it in'
    raise wrong("CFG-192", cause, action, "--device")


def _spelled(text: str) -> Table:
    """Return the table of ``name=gun-1 driver=code_serial address=… content=public``."""
    try:
        pairs = [word.partition("=") for word in shlex.split(text)]
    except ValueError as error:
        raise wrong("CFG-192", f"{quoted(text)}: {error}", "close the quotes", "--device") from None
    odd = next((key for key, mark, _ in pairs if not mark or not key), None)
    if odd is not None:
        action = 'write "name=… driver=… address=…", with more keys as key=value'
        raise wrong("CFG-192", f"{quoted(odd)} is no key=value", action, "--device")
    return {key: _value(value) for key, _, value in pairs}


def _value(text: str) -> object:
    """Return numbers, lists (``[name,number]``) and true or false as such, everything else as a text."""
    if words := re.fullmatch(r"\[([a-z0-9_, -]*[a-z][a-z0-9_, -]*)\]", text, re.ASCII | re.IGNORECASE):
        return [word.strip() for word in words[1].split(",") if word.strip()]
    try:
        found = tomllib.loads(f"value = {text}") if "\n" not in text else {}
    except tomllib.TOMLDecodeError:
        return text
    value = found["value"] if list(found) == ["value"] else text
    return value if isinstance(value, bool | int | float | list) else text


def _table(name: str, driver: str, address: str, settings: Table) -> Table:
    return {"name": name, "driver": driver, "address": address, **settings}


def _kind(registry: Registry, driver: str) -> str:
    try:
        return registry.load(driver).kind
    except ConfigError:  # of a foreign package: its own name says more than nothing
        return driver


def _place(thing: Thing) -> str:
    return (thing.nodes[0].port or thing.nodes[0].node or "") if thing.nodes else ""
