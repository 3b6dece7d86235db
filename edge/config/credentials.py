"""What systemd gives the daemon by ``LoadCredential=``, for whoever looks at a configuration before it does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

DROP_INS = "/etc/systemd/system/hall-edge.service.d"
_LINE = re.compile(r"\s*LoadCredential(Encrypted)?\s*=\s*(?:([\w.-]+):(/.*?))?\s*", re.ASCII)


@dataclass(frozen=True)
class Grant:
    """The file that systemd reads for a credential; an *encrypted* one only systemd itself can open."""

    path: str
    encrypted: bool = False


@dataclass(frozen=True)
class Lookup:
    """Where the files are that a configuration names, for whoever is not the daemon."""

    granted: Mapping[str, Grant] = field(default_factory=dict)
    """For ``credential:NAME`` where there is no ``$CREDENTIALS_DIRECTORY``."""
    root: str = ""
    """Stands before every path: the folder of a system that does not run."""
    elsewhere: bool = False
    """Whether it is another PC's configuration: files that are not here are no mistake then."""
    absent: set[str] = field(default_factory=set)
    """Those files, once the configuration was checked."""


def granted(root: str = "") -> dict[str, Grant]:
    """Return the credentials that the unit's drop-ins name, by name."""
    found: dict[str, Grant] = {}
    for path in sorted(Path(root + DROP_INS).glob("*.conf")):
        with suppress(OSError, UnicodeDecodeError):
            for line in path.read_text(encoding="utf-8").splitlines():
                if match := _LINE.fullmatch(line):
                    _note(match, found)
    return found


def _note(match: re.Match[str], found: dict[str, Grant]) -> None:
    if match[2]:
        found[match[2]] = Grant(match[3], encrypted=bool(match[1]))
    else:  # an empty line takes back what stood before, of its own sort
        for name in [name for name, grant in found.items() if grant.encrypted == bool(match[1])]:
            del found[name]
