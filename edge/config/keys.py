"""The keys that events are sealed to: what stands in subscribers' key files, checked without any cryptography."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from edge.config.findings import Findings
from edge.config.rules import NamedFiles
from edge.errors import EdgeError, Problem, quoted
from edge.toml_lines import Path

if TYPE_CHECKING:
    from edge.sealing.provider import Provider

MOST_KEYS = 32
"""All recipients of an event together: each makes it 330 bytes larger, and an event has its limit."""
SOON_S = 30 * 86_400
_WANTED: Mapping[str, tuple[str | None, ...]] = {
    "kty": ("EC",),
    "crv": ("P-256",),
    "use": ("enc", None),
    "alg": ("ECDH-ES+A256KW", None),
}
_DAY_S = 86_400


def check_sealing(
    sealing: Mapping[str, Any],
    keys: Mapping[Path, str],
    files: NamedFiles,
    found: Findings,
    clock: Callable[[], float] = time.time,
) -> None:
    """Report what is wrong with the key files in *keys*; *sealing* is the table ``[sealing]`` as it was read."""
    foreign = _foreign(sealing, found) if sealing else None
    current: list[tuple[Path, dict[str, Any]]] = []
    for where, name in keys.items():
        data = files.read(where, name)
        if data is None:
            continue
        if foreign is not None:
            _check_foreign(where, data, foreign, found)
        elif not sealing:
            current += [(where, jwk) for jwk in check_public_keys(where, data, found, clock())]
    _check_together(current, found)


def check_public_keys(path: Path, data: bytes, found: Findings, now: float) -> list[dict[str, Any]]:
    """Return the keys in *data* (a JWK or a JWK Set) that have not expired, and report what is wrong.

    A file of which every key has expired is wrong, too.
    """
    try:
        read = msgspec.json.decode(data, type=dict[str, Any])
        jwks = msgspec.convert(read.get("keys", [read]), list[dict[str, Any]])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        jwks = [{}]
    if any("d" in jwk or "k" in jwk for jwk in jwks) or b"PRIVATE KEY" in data:
        action = "put only the public half here, and make a new key: this one has left its owner"
        found.add(path, "CFG-153", "key: the file holds a private key", action)
        return []
    wrong = [f"{name} of key {number}" for number, jwk in enumerate(jwks, 1) for name in _wrong(jwk)]
    if wrong or not jwks:
        names = ", ".join(wrong if len(jwks) > 1 else [name.partition(" ")[0] for name in wrong]) or "it is empty"
        cause = f"key: the file holds no public JWK (EC, P-256, use enc); wrong: {names}"
        found.add(path, "CFG-152", cause, "get the file from the back office again")
        return []
    return _not_expired(path, jwks, found, now)


def _wrong(jwk: Mapping[str, Any]) -> list[str]:
    """Return the members of *jwk* that are not those of a public key to seal to."""
    wrong = [name for name, values in _WANTED.items() if jwk.get(name) not in values]
    wrong += [name for name in ("x", "y") if not re.fullmatch(r"[\w-]{43}", str(jwk.get(name)), re.ASCII)]
    if not isinstance(jwk.get("kid", ""), str):
        wrong.append("kid")
    end = jwk.get("exp", 0)
    if isinstance(end, bool) or not isinstance(end, int | float):
        wrong.append("exp")
    return wrong


def _not_expired(path: Path, jwks: list[dict[str, Any]], found: Findings, now: float) -> list[dict[str, Any]]:
    left = [jwk for jwk in jwks if jwk.get("exp", math.inf) > now]
    action = "get a new key file from the back office; old and new keys may stand in one JWK Set"
    if not left:
        found.add(path, "CFG-170", "key: every key in the file has expired", action)
    elif (end := max(jwk.get("exp", math.inf) for jwk in left)) < now + SOON_S:
        problem = Problem(
            "CFG-171", f"key: the last key in the file expires in {(end - now) / _DAY_S:.0f} days", action
        )
        found.take(path, [problem], as_warnings=True)
    return left


def _check_together(current: list[tuple[Path, dict[str, Any]]], found: Findings) -> None:
    """Report too many keys, and a ``kid`` that stands for two of them."""
    seen: dict[str, dict[str, Any]] = {}
    for where, jwk in current:
        first = seen.setdefault(str(jwk.get("kid") or (jwk["x"], jwk["y"])), jwk)
        if (first["x"], first["y"]) != (jwk["x"], jwk["y"]):
            cause = f"key: two different keys have the kid {quoted(str(jwk['kid']))}"
            found.add(where, "CFG-173", cause, "ask the back office for keys with ids of their own")
    if len(seen) > MOST_KEYS:
        cause = f"{len(seen)} keys to seal every event to, and {MOST_KEYS} are allowed"
        found.add(current[-1][0], "CFG-172", cause, "take out keys that nobody uses any more")


def _foreign(table: Mapping[str, Any], found: Findings) -> Provider | None:
    """Return the provider that ``[sealing]`` names, ``None`` after saying why there is none."""
    from edge.sealing.provider import provider  # loads cryptography, and foreign code

    name, package = table.get("provider"), table.get("package")
    for key, other in (("provider", "package"), ("package", "provider")):
        if key in table and other not in table:
            found.add(("sealing", key), "CFG-115", f"{key} is given without {other}", f"add {other}")
    if not (isinstance(name, str) and isinstance(package, str)):
        return None
    try:
        return provider(name, package)
    except EdgeError as error:
        found.add(("sealing", "provider"), "CFG-174", quoted(error.message, 200)[1:-1], error.action)
    return None


def _check_foreign(path: Path, data: bytes, provider: Provider, found: Findings) -> None:
    try:
        cause = provider.problem(data)
    except Exception as error:  # noqa: BLE001  # foreign code; its text may quote the key
        cause = f"the provider's check of it fails: {type(error).__name__}"
    if cause is not None:
        found.add(path, "CFG-175", f"key: {quoted(cause, 200)[1:-1]}", "get the file from the back office again")
