"""The fenced code blocks of the documentation, so that tests run exactly what a reader copies."""

from __future__ import annotations

import re

from tests.support.project import ROOT


def blocks(document: str, language: str) -> list[str]:
    """Return the blocks of one *language* in a document, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
