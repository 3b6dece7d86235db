"""``hall-edge keys``: make key pairs, look at key files, and put several public keys into one file."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.tools.files import FileProblem

_DAY_S = 86_400
_NEXT = {
    "subscriber": "give {public} to whoever configures the windows ([[subscriber]] key = …);\n"
    "use {private} with Subscriber(keys=[…]) or hall-edge listen --key",
    "window": "put {private} as window-key.jwk into the window's state folder (owner: the daemon's user) before it "
    "starts;\n{public} shows itself in the window's status topic",
    "requester": "give {public} to whoever configures the windows (who may send commands);\n"
    "sign requests with {private}",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``hall-edge keys``."""
    verbs = parser.add_subparsers(metavar="WHAT", required=True)
    new = verbs.add_parser("new", help="make a key pair: the private half for you, the public one to give away")
    new.add_argument("--out", type=Path, required=True, metavar="FILE", help="the private half; never overwritten")
    new.add_argument("--for", dest="owner", choices=sorted(_NEXT), default="subscriber", help="default: %(default)s")
    new.add_argument("--days", type=int, metavar="N", help="expires after N days (not for requesters)")
    new.set_defaults(keys_verb=_new)
    show = verbs.add_parser("show", help="say what is in a key file; never a private part")
    show.add_argument("file", type=Path, nargs="+", metavar="FILE")
    show.set_defaults(keys_verb=_show)
    join = verbs.add_parser(
        "set", help="put the public halves of several keys into one file, to change keys without a gap"
    )
    join.add_argument("--out", type=Path, required=True, metavar="FILE", help="never overwritten")
    join.add_argument("file", type=Path, nargs="+", metavar="FILE")
    join.set_defaults(keys_verb=_set)


def run(chosen: argparse.Namespace) -> int:
    """Do what was asked for; errors are raised."""
    return int(chosen.keys_verb(chosen))


def _new(chosen: argparse.Namespace) -> int:
    private, public = chosen.out, _public_name(chosen.out)
    jwk, half = _made(chosen.owner, chosen.days)
    _write(private, jwk, 0o600)
    try:
        _write(public, half, 0o644)
    except FileProblem:
        private.unlink()
        raise
    _say(f"kid      {jwk['kid']}", f"private  {private}  keep it; nobody else can open what is sealed to it")
    if chosen.owner == "requester":
        _say(f"         {private} signs in your name")
    _say(
        f"public   {public}",
        "next     " + _NEXT[chosen.owner].format(private=private, public=public).replace("\n", "\n" + " " * 9),
    )
    return 0


def _made(owner: str, days: int | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the private and the public JWK of a new key."""
    if owner == "requester":
        from edge.commands import signatures  # signing keys are of another sort

        signing = signatures.new_key()
        return dict(signing.as_dict(private=True)), dict(signing.as_dict(private=False))
    from edge.sealing.jwe import new_key, public_jwk

    key = new_key(None if days is None else int(time.time()) + days * _DAY_S)
    return dict(key.as_dict(private=True)), public_jwk(key)


def _show(chosen: argparse.Namespace) -> int:
    for path in chosen.file:
        for jwk in _jwks(path):
            _say(f"{path}: {_described(jwk)}")
    return 0


def _set(chosen: argparse.Namespace) -> int:
    from edge.sealing.jwe import distinct, public_jwk, read_keys

    keys = distinct(key for path in chosen.file for key in read_keys(path))
    _write(chosen.out, {"keys": [public_jwk(key) for key in keys]}, 0o644)
    _say(*(f"kid      {key.kid}" for key in keys), f"public   {chosen.out}")
    return 0


def _described(jwk: Mapping[str, Any]) -> str:
    """Return one line about *jwk*, made of its public members alone."""
    from joserfc.jwk import ECKey, OKPKey

    key = (OKPKey if jwk.get("kty") == "OKP" else ECKey).import_key(dict(jwk))
    end = jwk.get("exp")
    parts = [
        f"kid {jwk.get('kid') or key.thumbprint()}" + ("" if jwk.get("kid") else " (its thumbprint)"),
        str(jwk.get("crv")),
        {"enc": "for sealing", "sig": "for signatures"}.get(str(jwk.get("use")), "for anything"),
        "PRIVATE" if key.is_private else "public",
    ]
    if isinstance(end, int | float):
        day = datetime.fromtimestamp(end, UTC).date().isoformat()
        parts.append(f"expired {day}" if end <= time.time() else f"until {day}")
    return ", ".join(parts)


def _jwks(path: Path) -> Sequence[Mapping[str, Any]]:
    from joserfc.errors import JoseError

    try:
        found = json.loads(path.read_bytes())
        jwks: list[Mapping[str, Any]] = found.get("keys", [found])
        for jwk in jwks:
            _described(jwk)
    except OSError as error:
        raise FileProblem(f"{path}: {error.strerror}") from error
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        raise FileProblem(f"{path}: no key in JWK form", code="SEC-103", action="name a JWK or JWK Set") from None
    return jwks


def _public_name(private: Path) -> Path:
    name = private.name.removesuffix(".jwk").removesuffix(".private")
    return private.with_name(f"{name}.public.jwk")


def _write(path: Path, jwk: Mapping[str, Any], mode: int) -> None:
    """Write a new file with *mode*; raises :class:`FileProblem` when there is one."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
    except FileExistsError:
        action = "name another file: who deletes a private key can no longer open what was sealed to it"
        raise FileProblem(f"{path} is there already", code="SEC-110", action=action) from None
    except OSError as error:
        raise FileProblem(f"{path}: {error.strerror}") from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        json.dump(jwk, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
