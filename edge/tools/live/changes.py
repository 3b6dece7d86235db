"""What has changed from one snapshot to the next, as lines: for a log, a pipe, a screen reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edge.messages import Lang, remedy, sentence
from edge.page.said import of_device
from edge.tools.live.text import privacy, said_of
from edge.tools.live.words import WORDS
from edge.tools.toml_text import shown

_NAME, _STATE = 16, 10


class Changes:
    """Remembers what was said last."""

    def __init__(self, lang: Lang) -> None:
        self._lang = lang
        self._known: dict[str, str] = {}

    def lines(self, snapshot: Mapping[str, Any]) -> Iterator[str]:
        """Yield a line for everything that is not as it was said last; at first for everything."""
        now = dict(self._facts(snapshot))
        for name, text in now.items():
            if self._known.get(name) != text:
                yield f"{shown(name):{_NAME}} {text}"
        words = WORDS[self._lang]
        for name in self._known.keys() - now.keys():
            yield f"{shown(name):{_NAME}} {'-':{_STATE}} {words['solved' if name.isupper() else 'removed']}"
        self._known = now

    def _facts(self, snapshot: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        words, health = WORDS[self._lang], snapshot["health"]
        for name, status in snapshot["devices"].items():
            trouble = of_device(name, status)
            said = f"{trouble.code} {sentence(trouble.code, trouble.seen, self._lang)}" if trouble.code else ""
            yield name, f"{status['state']:{_STATE}} {said_of(status, self._lang)} {shown(said)}".rstrip()
        link = health["link"]["state"]
        yield "broker", f"{link:{_STATE}} {words[f'broker-{link}']}"
        rungs = " → ".join(words[rung].format(seq=seq) for rung, seq in health["ladder"].items())
        yield "delivery", f"{health['delivery'].removesuffix('-only'):{_STATE}} {rungs}"
        figures = dict(snapshot.get("privacy") or {}, sensitive_oldest_s=None)  # its age alone is no change
        yield "privacy", f"{'-':{_STATE}} {privacy(figures if snapshot.get('privacy') else None, self._lang)}"
        for problem in health.get("problems", ()):
            said = sentence(problem["code"], problem["message"], self._lang)
            action = remedy(problem["code"], problem["action"], self._lang)
            yield problem["code"], f"{problem.get('level', 'attention'):{_STATE}} {shown(said)} — {shown(action)}"
