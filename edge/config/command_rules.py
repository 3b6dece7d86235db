"""Rules of ``[commands]`` and ``[[requester]]``: allowed names exist, keys are public, each requester has its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from edge.commands.permits import known_names
from edge.config.findings import Findings
from edge.config.rules import NamedFiles
from edge.config.tables import Device
from edge.errors import nearest, quoted
from edge.events import COMMANDS
from edge.toml_lines import Path

_POINT = r"[\w-]{43}"
_ACTION = "get the file from whoever sends the requests again"


def check_requests(document: Mapping[str, Any], files: NamedFiles, devices: Iterable[Device], found: Findings) -> None:
    """Report what is wrong with who may ask this window for what, beyond its types."""
    foreign = [command for device in devices for command in device.driver_type.commands]
    known = known_names(dict.fromkeys([*COMMANDS, *foreign]))
    table = document.get("commands")
    _check_allow(("commands", "allow"), table, known, found)
    listed = document.get("requester")
    entries = [(("requester", index), one) for index, one in enumerate(listed if isinstance(listed, list) else ())]
    names: dict[Path, str] = {}
    points: dict[Path, str] = {}
    for where, entry in entries:
        _check_allow((*where, "allow"), entry, known, found)
        texts = {key: text for key, text in entry.items() if isinstance(text, str)} if isinstance(entry, dict) else {}
        if "name" in texts:
            names[(*where, "name")] = texts["name"]
        data = files.read((*where, "key"), texts["key"]) if "key" in texts else None
        if data is not None and (point := _check_key((*where, "key"), data, found)):
            points[(*where, "key")] = point
    found.unique("name", "CFG-114", names)
    found.unique("key", "CFG-162", points)


def _check_allow(where: Path, table: object, known: list[str], found: Findings) -> None:
    allow = table.get("allow") if isinstance(table, dict) else None
    for index, name in enumerate(allow if isinstance(allow, list) else []):
        if isinstance(name, str) and name not in known:
            action = "write a tier (read, test, act), or kind.command as in scanner.scan"
            near = next((one for one in known if one.endswith(f".{name}")), None) or nearest(name, known)
            found.add((*where, index), "CFG-161", f"allow: there is no {quoted(name)}", action, near)


def _check_key(path: Path, data: bytes, found: Findings) -> str | None:
    """Report why *data* is no public key for signatures; return what tells it from others."""
    try:
        jwk = msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        jwk = {}
    if "d" in jwk or "k" in jwk or b"PRIVATE KEY" in data:
        action = "put only the public half here, and make a new key: this one has left its owner"
        found.add(path, "CFG-153", "key: the file holds a private key", action)
        return None
    edwards = jwk.get("kty") == "OKP"
    wanted: dict[str, tuple[str | None, ...]] = {
        "kty": ("EC", "OKP"), "crv": ("Ed25519",) if edwards else ("P-256",), "use": ("sig", None),
        "alg": ("Ed25519", "EdDSA", None) if edwards else ("ES256", None),
    }  # fmt: skip
    wrong = [name for name, values in wanted.items() if jwk.get(name) not in values]
    points = ("x",) if edwards else ("x", "y")
    wrong += [name for name in points if not re.fullmatch(_POINT, str(jwk.get(name)), re.ASCII)]
    if wrong:
        cause = f"key: the file holds no public JWK for signatures (EC P-256 or OKP Ed25519); wrong: {', '.join(wrong)}"
        found.add(path, "CFG-152", cause, _ACTION)
        return None
    return str(jwk["x"])
