"""What the page says: the daemon's snapshot, with its sentences in both languages. No I/O but the catalogue's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

import msgspec

from edge.device_state import USABLE
from edge.messages import Lang, catalogue, remedy, sentence
from edge.messages.states import KINDS, STATES, WHO, word


class Trouble(NamedTuple):
    """One thing to know: a code, what was seen and what to do, in English as programs say it."""

    code: str
    seen: str
    action: str
    level: str = "attention"
    """A notice keeps nothing from working."""
    device: str = ""


def encoded(snapshot: dict[str, Any]) -> bytes:
    """Return the JSON that the browser gets: *snapshot* as it is, and everything that is said of it."""
    from edge.health import stamp  # the daemon's; `hall-edge status` does without

    languages: tuple[Lang, ...] = get_args(Lang)
    said = {lang: said_in(lang, snapshot) for lang in languages}
    return msgspec.json.encode({"now": stamp(), "status": snapshot, "said": said})


def said_in(lang: Lang, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said of *snapshot* in one language."""
    problems = snapshot["health"].get("problems", ())
    gravest = gravest_of(snapshot)
    return {
        "headline": gravest and told(gravest, lang) | {"who": _who(gravest.code, lang)},
        "devices": {
            name: {
                "kind": word(KINDS, device["kind"], lang),
                "state": word(STATES, device["state"], lang),
                **(told(of_device(name, device), lang) if device.get("reason") else {}),
            }
            for name, device in snapshot["devices"].items()
        },
        "problems": [told(_of_problem(problem), lang) for problem in problems],
    }


def gravest_of(snapshot: Mapping[str, Any]) -> Trouble | None:
    """Return the one thing to see to first, or ``None`` when there is nothing."""
    return next(_by_gravity(snapshot), None)


def told(trouble: Trouble, lang: Lang) -> dict[str, str]:
    """Return *trouble* in one language, with what it means for the window."""
    entry = catalogue().get(trouble.code)
    return {
        "code": trouble.code,
        "level": trouble.level,
        "device": trouble.device,
        "seen": sentence(trouble.code, trouble.seen, lang),
        "effect": entry.wording(lang).effect if entry else "",
        "action": remedy(trouble.code, trouble.action, lang),
    }


def _by_gravity(snapshot: Mapping[str, Any]) -> Iterator[Trouble]:
    """Yield everything: a window that takes nothing, its devices, what will soon keep it from work, and the rest."""
    health, devices = snapshot["health"], snapshot["devices"].items()
    problems = health.get("problems", ())
    all_of_them = [_of_problem(one) for one in problems]
    grave = [one for one in all_of_them if one.level == "attention"]
    if not health["disk"].get("accepting", True):
        yield from grave
    known = [(device["state"], of_device(name, device)) for name, device in devices if device.get("code")]
    yield from (trouble for state, trouble in known if state not in USABLE)
    yield from grave
    yield from (trouble for state, trouble in known if state in USABLE)
    yield from all_of_them


def _of_problem(problem: Mapping[str, Any]) -> Trouble:
    return Trouble(problem["code"], problem["message"], problem["action"], problem.get("level", "attention"))


def of_device(name: str, device: Mapping[str, Any]) -> Trouble:
    """Return what is the matter with a device; an empty code: nothing."""
    level = "notice" if device["state"] in USABLE else "attention"
    return Trouble(device.get("code") or "", device.get("reason") or "", device.get("action") or "", level, name)


def _who(code: str, lang: Lang) -> str:
    entry = catalogue().get(code)
    return word(WHO, entry.who, lang) if entry else ""
