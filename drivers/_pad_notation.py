"""The byte notation of pad profiles: ``55 AA {length} {body}``, ``'EV' {staff} {timeout:u8}``.

A text is a row of parts: hexadecimal bytes (``55 AA`` or ``55AA``), ASCII between single quotes, and named
fields in braces with a form behind a colon: ``u8``, ``u16be``, ``u16le`` (a number in 1 or 2 bytes) or ``d1``
to ``d9`` (so many ASCII digits, filled up with zeros). ``{staff}`` is ``d6``, all others ``u8``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

_TOKEN = re.compile(r"'(?P<ascii>[ -&(-~]+)'|\{(?P<field>[a-z]+)(?::(?P<form>\w+))?\}|(?P<hex>(?:[0-9A-Fa-f]{2})+)")
_FORM = re.compile(r"u8|u16be|u16le|d[1-9]")
DEFAULT_FORMS: Mapping[str, str] = {"staff": "d6"}


class NotationError(ValueError):
    """A text is not in the notation; says where and why."""


@dataclass(frozen=True)
class Field:
    """A number of fixed width."""

    name: str
    form: str

    @property
    def width(self) -> int:
        """Return how many bytes the field takes."""
        if self.form.startswith("d"):
            return int(self.form[1:])
        return 1 if self.form == "u8" else 2

    @property
    def limit(self) -> int:
        """Return the greatest number that fits."""
        base = 10 if self.form.startswith("d") else 256
        return int(base**self.width) - 1

    def encode(self, value: int) -> bytes:
        """Return *value* as bytes; raises ``OverflowError`` when it does not fit."""
        if not 0 <= value <= self.limit:
            raise OverflowError(f"{{{self.name}:{self.form}}} holds at most {self.limit}")
        if self.form.startswith("d"):
            return b"%0*d" % (self.width, value)
        return value.to_bytes(self.width, self._order())

    def decode(self, data: bytes) -> int | None:
        """Return the number in *data* (``width`` bytes), or ``None`` when there is none."""
        if self.form.startswith("d"):
            return int(data) if data.isdigit() else None
        return int.from_bytes(data, self._order())

    def _order(self) -> Literal["little", "big"]:
        return "little" if self.form.endswith("le") else "big"


Part = bytes | Field


def parse_parts(text: str, allowed: Collection[str]) -> tuple[Part, ...]:
    """Return the parts of *text*, neighbouring bytes joined; fields other than *allowed* are refused."""
    parts: list[Part] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token = _TOKEN.match(text, at)
        if token is None:
            raise NotationError(
                f"cannot read character {at + 1} ({text[at : at + 8]!r}): write 55 AA, 'EV' or {{name}}"
            )
        part = _part(token, allowed)
        if isinstance(part, bytes) and parts and isinstance(parts[-1], bytes):
            parts[-1] += part
        else:
            parts.append(part)
        at = token.end()
    return tuple(parts)


def parse_bytes(text: str) -> bytes:
    """Return what *text* stands for, when it has no fields."""
    return b"".join(part for part in parse_parts(text, ()) if isinstance(part, bytes))


def _part(token: re.Match[str], allowed: Collection[str]) -> Part:
    if token["ascii"]:
        return token["ascii"].encode("ascii")
    if token["hex"]:
        return bytes.fromhex(token["hex"])
    name, form = token["field"], token["form"] or DEFAULT_FORMS.get(token["field"], "u8")
    if name not in allowed:
        choice = ", ".join(f"{{{each}}}" for each in allowed) or "none"
        raise NotationError(f"{{{name}}} cannot stand here (possible: {choice})")
    if not _FORM.fullmatch(form):
        raise NotationError(f"{{{name}:{form}}}: the form is u8, u16be, u16le or d1 to d9")
    return Field(name, form)


def render(parts: tuple[Part, ...], values: Mapping[str, int]) -> bytes:
    """Return *parts* with *values* put in; raises ``OverflowError`` when one does not fit."""
    return b"".join(part if isinstance(part, bytes) else part.encode(values[part.name]) for part in parts)


def width_of(parts: tuple[Part, ...]) -> int:
    """Return how many bytes *parts* take."""
    return sum(len(part) if isinstance(part, bytes) else part.width for part in parts)
