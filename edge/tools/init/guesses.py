"""What Enter takes: from the configuration before, from the PC's name, from the files that lie in place."""

from __future__ import annotations

import platform
import re
import time
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge.config.findings import Findings
from edge.config.keys import check_public_keys
from edge.config.rules import parse_broker
from edge.errors import ConfigError
from edge.tools.init.answers import Answers
from edge.tools.init.handover import NAMES, SEALED
from edge.tools.init.outcome import Place

_HOST = re.compile(r"([a-z0-9-]{1,32}?)-(w\d{1,4})", re.ASCII)
_MAX_BYTES = 1 << 20


def guess(place: Place) -> dict[str, str]:
    """Return what is probably meant, by the question's name; and ``ca``, ``crl``, ``certificate``, ``key``."""
    folder = Path(place.root + place.folder)
    found: dict[str, str] = {}
    if match := _HOST.fullmatch(host_name(place.root).partition(".")[0].lower()):
        found["hall"], found["window"] = match.groups()
    keys = [path for path in sorted(folder.glob("*.jwk")) if _is_for_sealing(path)]
    if len(keys) == 1:
        found["office"] = f"{place.folder}/{keys[0].name}"
    for key, names in {
        "ca": ("ca.pem",),
        "crl": ("crl.pem",),
        "certificate": ("window.pem",),
        "key": ("window.key", f"{NAMES['key']}{SEALED}"),
    }.items():
        name = next((name for name in names if (folder / name).is_file()), None)
        if name:
            found[key] = f"{place.folder}/{name}"
    return {**found, **_before(place.path)}


def add_files(answers: Answers, defaults: Mapping[str, str]) -> None:
    """Take the files for TLS that lie in place; a certificate not in lab mode."""
    with suppress(ConfigError):
        if not parse_broker(answers.url)[2]:
            return
        answers.ca, answers.crl = (getattr(answers, key) or defaults.get(key, "") for key in ("ca", "crl"))
        if (
            not answers.lab
            and not answers.certificate
            and not answers.key
            and {"certificate", "key"} <= defaults.keys()
        ):
            answers.certificate, answers.key = defaults["certificate"], defaults["key"]


def host_name(root: str) -> str:
    """Return the PC's name; of a system that does not run, the one it will have."""
    with suppress(OSError, UnicodeDecodeError):
        if root:
            return Path(root, "etc/hostname").read_text(encoding="ascii").strip()
    return "" if root else platform.node()


def _before(path: Path) -> dict[str, str]:
    """Return what the configuration at *path* said, so far as it can be understood."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        return {}
    subscribers = document.get("subscriber")
    first = subscribers[0] if isinstance(subscribers, list) and subscribers else None
    said: dict[str, Any] = {
        "hall": _at(document.get("window"), "hall"),
        "window": _at(document.get("window"), "window"),
        "broker": _at(document.get("mqtt"), "url"),
        "ca": _at(document.get("mqtt"), "ca"),
        "office": _at(first, "key"),
    }
    return {name: text for name, text in said.items() if isinstance(text, str) and text.isprintable() and text}


def _at(table: object, key: str) -> object:
    return table.get(key) if isinstance(table, dict) else None


def _is_for_sealing(path: Path) -> bool:
    with suppress(OSError):
        if path.is_file() and path.stat().st_size <= _MAX_BYTES:
            found = Findings("", {})
            check_public_keys(("key",), path.read_bytes(), found, time.time())
            return not found.problems
    return False
