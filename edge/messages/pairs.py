"""Tell an English sentence in Chinese: by the first pair whose English it matches, and by the words of its names."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from edge.messages.files import CatalogueError, plain_files
from edge.messages.states import STATES

Pairs = tuple[tuple[str, str], ...]
_NAME = re.compile(r"\{(\w+)\}")
_AFTER_WIDE = re.compile(r"(?<=[：，；（])\s+")


def told(text: str, pairs: Pairs) -> str | None:
    """Return the Chinese of *text* by the first of *pairs* that fits, or ``None``."""
    for english, chinese in pairs:
        if found := pattern(english).fullmatch(text):
            return _filled(chinese, {name: _word(name, value) for name, value in found.groupdict().items()})
    return None


def _filled(template: str, values: Mapping[str, str]) -> str:
    filled = _NAME.sub(lambda name: values.get(name[1], name[0]), template)
    return _AFTER_WIDE.sub("", filled)  # words begin with a blank where they go on behind a Chinese character


def _word(name: str, value: str) -> str:
    """Return *value* in Chinese where *name* has words of its own: ``{state}``, and ``{state_2}`` in the same way."""
    return told(value, words().get(name.rstrip("_0123456789"), ())) or value


@functools.cache
def words() -> Mapping[str, Pairs]:
    """Return the pairs of every name that has some; the drivers' are added to ours."""
    found: dict[str, Pairs] = {"state": tuple((name, chinese) for name, (chinese, _) in STATES.items())}
    for file in plain_files("words.toml"):
        for name, pairs in file.items():
            try:
                found[name] = (*found.get(name, ()), *((english, chinese) for english, chinese in pairs))
            except (TypeError, ValueError) as error:
                raise CatalogueError(f"words.toml: {name}: {error}") from error
    return found


@functools.cache
def pattern(template: str) -> re.Pattern[str]:
    """Return what matches a sentence made of *template*; a name that comes twice stands for the same both times."""
    known: set[str] = set()
    parts: list[str] = []
    for index, part in enumerate(_NAME.split(template)):  # what stands between the names, and every second one a name
        named = index % 2 == 1
        parts.append(re.escape(part) if not named else f"(?P={part})" if part in known else f"(?P<{part}>.+?)")
        known.update([part] if named else [])
    return re.compile("".join(parts), re.DOTALL)
