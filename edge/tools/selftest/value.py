"""The check value: what is on paper, or was sent, is what the self-test found.

It is the SHA-256 of the report as JSON, with sorted keys, without blanks, and without the value itself. It has no key:
it shows that somebody mistyped or shortened, not who made the report.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from pathlib import Path
from typing import Any

GROUPS, GROUP = 6, 4
_IN_HTML = re.compile(rb'<script type="application/json" id="report">(.*?)</script>', re.DOTALL)
_IN_PDF = re.compile(rb"/Keywords \(([A-Za-z0-9+/=]+)\)")
_MOST = 4_000_000


class NoReport(Exception):
    """A file that was to be verified holds no report."""


def check_value(body: dict[str, Any]) -> str:
    """Return the check value of a report, as hexadecimal digits."""
    bare = {key: item for key, item in body.items() if key != "check_value"}
    text = json.dumps(bare, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def grouped(value: str) -> str:
    """Return as much of *value* as a person compares, in groups: ``3f9a 00c1 …``."""
    return " ".join(value[place : place + GROUP] for place in range(0, GROUPS * GROUP, GROUP))


def packed(text: str) -> str:
    """Return the JSON *text* as a PDF carries it among its keywords."""
    return base64.b64encode(text.encode()).decode("ascii")


def read(file: Path) -> dict[str, Any]:
    """Return the report that *file* holds: JSON, or the HTML or PDF that we wrote; else :class:`NoReport`."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST)
        if found := _IN_HTML.search(content):
            content = found[1]  # its < are written as \u003c
        elif content.startswith(b"%PDF-") and (found := _IN_PDF.search(content)):
            content = base64.b64decode(found[1], validate=True)
        body = json.loads(content)
    except (OSError, ValueError, binascii.Error, RecursionError):
        raise NoReport(file) from None
    if not isinstance(body, dict) or "checks" not in body or not isinstance(body.get("check_value"), str):
        raise NoReport(file)
    return body
