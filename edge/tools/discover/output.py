"""Print what was found: a table, notes, and lines that can be pasted; or JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from edge.tools import toml_text
from edge.tools.discover.texts import TEXTS
from edge.tools.discover.things import Findings, Note, Proposal, Thing

SCHEMA = "hall-edge.discover/1"
_TAGS = {"configured": "[ SET]", "new": "[ NEW]", "ask": "[ ASK]", "unknown": "[ -- ]"}
_NOTE_TAGS = {"missing": "[SKIP]", "not-searched": "[SKIP]"}
_RULE = "-" * 78


def lines(findings: Findings, language: str, host: str, time: str) -> Iterator[str]:
    """Yield the lines for people: ASCII columns first, text last."""
    texts = TEXTS[language]
    yield "# " + texts["title"].format(host=host, time=time)
    yield "# " + _RULE
    yield from ("# " + _row(thing, language) for thing in findings.things)
    if not findings.things:
        yield "# " + texts["none"]
    yield from (f"# {_NOTE_TAGS.get(note.code, '[WARN]')} {note_text(note, language)}" for note in findings.notes)
    yield "# " + _RULE
    count = Counter(thing.state for thing in findings.things)
    yield "# " + texts["count"].format(**{state: count[state] for state in _TAGS})  # type: ignore[index]
    if any(thing.proposals for thing in findings.things):
        yield "# " + texts["paste"]
        yield from config_lines(findings, language)


def config_lines(findings: Findings, language: str) -> Iterator[str]:
    """Yield tables of devices; those that are not sure are commented out."""
    for thing in findings.things:
        if thing.proposals:
            ask = thing.state == "ask"
            yield ""
            where = "  ".join(dict.fromkeys(text for text in (_place(thing), thing.title) if text))
            yield f"# {toml_text.shown(where)}" + (f"  ({TEXTS[language]['choose']})" if ask else "")
            for number, one in enumerate(thing.proposals):
                if number:
                    yield ""
                yield from (f"# {line}" if ask else line for line in _table(one))


def as_json(findings: Findings) -> str:
    """Return everything as one JSON object."""
    things = [
        {
            "state": thing.state,
            "title": thing.title,
            "port": thing.nodes[0].port if thing.nodes else None,
            "usb": thing.nodes[0].usb_id if thing.nodes else None,
            "serial": thing.nodes[0].serial if thing.nodes else None,
            "nodes": [node.node for node in thing.nodes if node.node],
            "configured": list(thing.configured),
            "proposals": [_proposal(one) for one in thing.proposals],
        }
        for thing in findings.things
    ]
    notes = [{"note": note.code, "subject": note.subject, "detail": note.detail} for note in findings.notes]
    config = "\n".join(config_lines(findings, "en")).lstrip("\n")
    return json.dumps({"schema": SCHEMA, "things": things, "notes": notes, "config": config}, ensure_ascii=False)


def note_text(note: Note, language: str) -> str:
    """Return a note as a sentence."""
    return TEXTS[language][note.code].format(subject=note.subject, detail=note.detail)


def _row(thing: Thing, language: str) -> str:
    first = thing.nodes[0] if thing.nodes else None
    sure = ",".join(dict.fromkeys(one.driver for one in thing.proposals))
    drivers = "?" if thing.state == "ask" else sure or "-"
    usb = (first.usb_id if first else None) or "-"
    text = TEXTS[language][thing.state].format(title=thing.title, names=", ".join(thing.configured))
    return toml_text.shown(f"{_TAGS[thing.state]} {_place(thing) or '-':10} {usb:9}  {drivers:12}  {text}")


def _place(thing: Thing) -> str:
    """Return where it is plugged in, or its node."""
    return (thing.nodes[0].port or thing.nodes[0].node or "") if thing.nodes else ""


def _table(one: Proposal) -> Iterator[str]:
    yield "[[device]]"
    settings = {"name": one.name, "driver": one.driver, "address": one.offer.address, **one.offer.settings}
    yield from (f"{toml_text.key(key)} = {toml_text.value(value)}" for key, value in settings.items())


def _proposal(one: Proposal) -> dict[str, Any]:
    offer = one.offer
    return {
        "name": one.name,
        "driver": one.driver,
        "address": offer.address,
        "settings": dict(offer.settings),
        "title": offer.title,
        "sure": offer.sure,
    }
