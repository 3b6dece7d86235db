"""Replaces what a scan gun has read, for recordings: other characters of the same kind, with as many bytes."""

from __future__ import annotations

import random
import re
from typing import Any, Literal

from drivers import _substitute_people as people
from drivers._code_cutter import MARKS, Terminator, silence_s
from drivers._code_text import AIM_BYTES, SYMBOLOGIES, Encoding, decode
from drivers._sdt_record import check_character
from edge.substitute import Substitute, plain

_MOST_BYTES = 16 << 10  # what goes on longer without an end is replaced in pieces
_ASCII = 0x80
_NO_LETTER = 0xFF  # in no text of UTF-8 or GB18030
_CHINESE = "样测例试虚拟模仿一二三四五六七八九十甲乙丙丁"
_BY_BYTES = {2: "бвгджзклмн", 3: _CHINESE, 4: people.PAIR}


class CodeSubstitute(Substitute):
    """Replaces the traffic of one gun."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        terminator: Terminator = settings.terminator
        self._auto = terminator == "auto"
        self._mark = MARKS.get(terminator, b"")
        self._encoding: Literal["auto"] | Encoding = settings.encoding
        self._before, self._behind = settings.prefix.encode(), settings.suffix.encode()
        self._silence_s = silence_s(terminator, settings.idle_gap_s)
        self._held = b""

    def feed(self, data: bytes, gap_s: float) -> bytes:
        done = self.flush() if gap_s >= self._silence_s else b""
        self._held += data
        if len(self._held) > _MOST_BYTES:
            return done + self.flush()
        end = self._marks(self._held).rfind(self._mark) + len(self._mark) if self._mark else 0
        if end < len(self._mark) or not end:
            return done
        whole, self._held = self._held[:end], self._held[end:]
        return done + self._codes(whole)

    def flush(self) -> bytes:
        held, self._held = self._held, b""
        return self._codes(held)

    def _marks(self, data: bytes) -> bytes:
        """Return *data* with one kind of line end, as the driver sees it."""
        return data.replace(b"\r", b"\n") if self._auto else data

    def _codes(self, data: bytes) -> bytes:
        """Return *data* with every code in it replaced; what ends one stays."""
        done, at, size = b"", 0, len(self._mark)
        ends = self._marks(data)
        while size and (end := ends.find(self._mark, at)) >= 0:
            done += self._code(data[at:end]) + data[end : end + size]
            at = end + size
        return done + self._code(data[at:])

    def _code(self, code: bytes) -> bytes:
        """Return one code, replaced: the same one by the same one."""
        before = self._before if self._before and code.startswith(self._before) else b""
        rest = code[len(before) :]
        behind = self._behind if self._behind and rest.endswith(self._behind) else b""
        rest = rest[: len(rest) - len(behind)]
        aim = rest[:AIM_BYTES] if rest[:AIM_BYTES] in SYMBOLOGIES else b""
        return before + aim + self._content(rest[len(aim) :]) + behind

    def _content(self, data: bytes) -> bytes:
        dice = self.dice("code", data)
        text, encoding, raw = decode(data, self._encoding)
        if raw is not None or encoding == "latin-1":
            other = people.like(dice, bytes(min(octet, _ASCII - 1) for octet in data).decode("ascii")).encode()
            return bytes(new if old < _ASCII else _NO_LETTER for old, new in zip(data, other, strict=True))
        new = "".join(self._character(dice, one, encoding) for one in self._numbers(dice, plain(text)))
        return new.encode(encoding)

    def _numbers(self, dice: random.Random, text: str) -> str:
        """Return *text* with its ASCII replaced; numbers of people become those of nobody, with a right check."""
        done, at = "", 0
        for found in people.CARD_NUMBER.finditer(text):
            number = found[0]
            done += _like(dice, text[at : found.start()])
            right = check_character(number[:-1]) == number[-1].upper()
            done += people.person(self, number).number if right else people.like(dice, number)
            at = found.end()
        return done + _like(dice, text[at:])

    @staticmethod
    def _character(dice: random.Random, one: str, encoding: str) -> str:
        """Return another character with as many bytes; what GB18030 has in two must not look like UTF-8."""
        if ord(one) < _ASCII or not one.isalnum():
            return one
        size = len(one.encode(encoding))
        choices = _BY_BYTES[size] if encoding == "utf-8" else _GB_BY_BYTES[size]
        return dice.choice(choices)


def _like(dice: random.Random, text: str) -> str:
    """Return *text* with other ASCII in it."""
    return re.sub(r"[\x00-\x7f]+", lambda found: people.like(dice, found[0]), text)


def _no_utf8(one: str) -> bool:
    try:
        one.encode("gb18030").decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


_GB_BY_BYTES = {2: "".join(filter(_no_utf8, _CHINESE)), 4: people.PAIR}
