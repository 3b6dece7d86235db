"""The commands of docs/administrator.md, "Install, upgrade, remove": what is tested is what stands there."""

from __future__ import annotations

import re
from functools import cache

from tests.support.project import ROOT

DOCUMENT = "docs/administrator.md"
SECTION = "## Install, upgrade, remove"


@cache
def commands() -> frozenset[str]:
    """Return the section's commands, without comments; ``sudo`` is left out, a chroot's user is root."""
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
    lines = "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)).splitlines()
    return frozenset(line.partition("#")[0].strip().removeprefix("sudo ") for line in lines)


def documented(command: str) -> str:
    """Return *command*, as a chroot can run it; ``AssertionError`` when the document does not have it."""
    assert command in commands(), f"{DOCUMENT} does not say: {command}"
    return re.sub(r"^apt ", "apt-get --quiet --yes ", command)  # the same program; apt itself is for people
