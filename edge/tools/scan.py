"""Look for what must not leave a window: people's numbers, telephones and names, private keys, passwords.

A file that is to be handed to somebody is searched before it is written. What is found is never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import NamedTuple

_NOBODYS = ("000000", "900999")  # areas of invented people
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"
_DIGEST = re.compile(rb"(?<![0-9A-Za-z])(?=[0-9]*[a-fA-F])[0-9a-fA-F]{12,}(?![0-9A-Za-z])")
"""A check value or an id: every 300th SHA-256 in hexadecimal has eleven digits like a telephone number's in it."""


class Find(NamedTuple):
    """Where something stands, and what it is; never the thing itself."""

    line: int
    what: str


def finds(data: bytes) -> list[Find]:
    """Return all that must not be in *data*, as text of ASCII, UTF-8, GB18030 or UTF-16."""
    return sorted({Find(data.count(b"\n", 0, at) + 1, what) for at, what in places(data)})


def places(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the place and the name of all that must not be in *data*."""
    without = _DIGEST.sub(lambda digest: b"-" * len(digest[0]), data)
    for what, pattern, meant in _LOOKED_FOR:
        for match in pattern.finditer(without):
            if meant(match[0].replace(b"\0", b"")):
                yield match.start(), what


def _is_identity_number(digits: bytes) -> bool:
    text = digits.decode("ascii").upper()
    if text.startswith(_NOBODYS):
        return False
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(text, _WEIGHTS, strict=False))
    return _CHECKS[total % 11] == text[-1]


def _always(_match: bytes) -> bool:
    return True


_Looked = tuple[str, re.Pattern[bytes], Callable[[bytes], bool]]
_LOOKED_FOR: tuple[_Looked, ...] = (
    (
        "an identity number",
        re.compile(rb"(?<![0-9])(?<![0-9]\x00)[0-9](?:\x00?[0-9]){16}\x00?[0-9Xx](?!\x00?[0-9A-Za-z])"),
        _is_identity_number,
    ),
    (
        "a telephone number",
        re.compile(rb"(?<![0-9.])1[3-9][0-9]{9}(?![0-9])(?!\.[0-9])"),
        _always,
    ),
    ("a private key", re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"), _always),
    ("a private key", re.compile(rb'"(?:d|p|q|dp|dq|qi|k)"\s*:\s*"[A-Za-z0-9_-]{16,}"'), _always),
    ("a password", re.compile(rb"[a-z][a-z0-9+.-]*://[^/\s:@\"']+:[^/\s@\"']+@"), _always),
    ("a password", re.compile(rb"(?i)\b(?:password|passwd)[\"']?\s*[=:]\s*[\"']?[^\s\"'*<(][^\s\"']{3,}"), _always),
    (
        "a person's name",
        re.compile("(?:姓名|持证人|办理人)(?:：|:)\\s*".encode() + rb"(?:[\xe4-\xe9][\x80-\xbf]{2}){2,4}"),
        _always,
    ),
)
