"""Read the words of a scenario line or of a device's options, and complain in the user's terms."""

import difflib
import math
import re
from collections.abc import Iterable, Sequence

LONGEST_S = 1e8


class ScenarioError(Exception):
    """Say what is wrong with a line: where, the cause, the nearest word that would have been right."""

    def __init__(self, cause: str, where: str = "") -> None:
        super().__init__(cause, where)
        self.cause = cause
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.cause}" if self.where else self.cause

    def at(self, where: str) -> "ScenarioError":
        """Give the same complaint with a place, unless it has one."""
        return ScenarioError(self.cause, self.where or where)


def unknown(what: str, word: str, known: Iterable[str]) -> ScenarioError:
    """Make the complaint about a word that is not known, with the nearest known one or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"
    return ScenarioError(f"unknown {what} {word!r}; {hint}")


def to_number(text: str, what: str, low: int, high: int) -> int:
    """Convert decimal digits, with both limits included."""
    if not re.fullmatch(r"-?[0-9]{1,12}", text) or not low <= int(text) <= high:
        raise ScenarioError(f"{what} must be a whole number from {low} to {high}, not {text!r}")
    return int(text)


def to_seconds(text: str, what: str) -> float:
    """Convert a duration in seconds, zero or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= LONGEST_S:
        raise ScenarioError(f"{what} must be seconds such as 1.5, not {text!r}")
    return value


def to_bytes(text: str, what: str) -> bytes:
    """Convert hexadecimal digits in pairs."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ScenarioError(f"{what} must be hexadecimal digits in pairs, not {text!r}") from None


class Words:
    """Hold the words after an action: first those known by their place, then ``key=value`` in any order.

    Take the placed ones with ``required``/``optional``, then the options, then call ``done`` once: it refuses
    what nobody asked for. ``_`` and ``-`` are the same in a key.
    """

    def __init__(self, words: Sequence[str] = ()) -> None:
        self._words = list(words)
        self._options: dict[str, str] | None = None
        self._asked: set[str] = set()

    @classmethod
    def from_options(cls, options: dict[str, object]) -> "Words":
        """Make words from Python values: True and False become 1 and 0."""
        plain = {key: int(value) if isinstance(value, bool) else value for key, value in options.items()}
        return cls([f"{key}={value}" for key, value in plain.items()])

    def required(self, what: str) -> str:
        """Take the next word whatever it contains."""
        if not self._words:
            raise ScenarioError(f"{what} is missing")
        return self._words.pop(0)

    def optional(self) -> str | None:
        """Take the next word unless it is an option."""
        return self._words.pop(0) if self._words and "=" not in self._words[0] else None

    def text(self, key: str, default: str) -> str:
        """Take an option as it stands."""
        text = self._take(key)
        return default if text is None else text

    def given(self, key: str) -> bool:
        """Tell whether an option is there."""
        return self._take(key) is not None

    def number(self, key: str, default: int, low: int, high: int) -> int:
        """Take a whole number, both limits included."""
        text = self._take(key)
        return default if text is None else to_number(text, key, low, high)

    def seconds(self, key: str, default: float) -> float:
        """Take a duration in seconds."""
        text = self._take(key)
        return default if text is None else to_seconds(text, key)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Take a switch: 1 or 0."""
        return self.choice(key, ("0", "1"), str(int(default))) == "1"

    def choice(self, key: str, allowed: Sequence[str], default: str) -> str:
        """Take one of the allowed words."""
        text = self._take(key)
        if text is not None and text not in allowed:
            raise unknown(f"value of {key}", text, allowed)
        return default if text is None else text

    def raw(self, key: str) -> bytes | None:
        """Take bytes written in hexadecimal digits."""
        text = self._take(key)
        return None if text is None else to_bytes(text, key)

    def done(self) -> None:
        """Refuse whatever is left over."""
        for key in self._pairs():
            if key not in self._asked:
                raise unknown("option", key, self._asked)

    def _take(self, key: str) -> str | None:
        self._asked.add(key)
        return self._pairs().get(key)

    def _pairs(self) -> dict[str, str]:
        if self._options is None:
            self._options = {}
            for word in self._words:
                key, equals, value = word.partition("=")
                if not equals:
                    raise ScenarioError(f"{word!r} is one word too many here; options are written key=value")
                key = key.replace("_", "-")
                if key in self._options:
                    raise ScenarioError(f"option {key!r} is there twice")
                self._options[key] = value
        return self._options
