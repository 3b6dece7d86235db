"""Signed requests: who asks, for what, and until when.

A compact JWS (RFC 7515) over the request, with the claims ``iss``, ``aud``, ``iat`` and ``exp`` (RFC 7519) and the
device and command it is for, so that it cannot be moved to another window, device or command. Only ES256 and
Ed25519 (RFC 7518, RFC 9864), only the three header members named here: what a header asks for is never obeyed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from edge.commands.freshness import MAX_LIFE_S
from edge.commands.requests import Refusal
from edge.errors import EdgeError

TYPE = "hall-request+jwt"
_FORM = re.compile(rb"[A-Za-z0-9_-]{1,1024}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}")  # 64 bytes of signature
_KINDS = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "Ed25519"}
Key = ECKey | OKPKey


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    alg: str
    typ: str
    kid: str


class KeyUnusable(EdgeError):
    """A key for signatures cannot be used."""

    default_code = "CMD-119"
    default_action = "give the file of an EC P-256 or Ed25519 key as JWK"


@dataclass(frozen=True)
class Signed:
    """A body whose signature is good, and whose: *requester* by name, *key_id* as RFC 7638 says."""

    body: bytes
    requester: str
    key_id: str


def read_key(path: Path) -> Key:
    """Return the key (JWK, public or private, P-256 or Ed25519) in *path*; raises :class:`KeyUnusable`."""
    try:
        jwk: dict[str, Any] = json.loads(path.read_bytes())
        key: Key = (OKPKey if jwk.get("kty") == "OKP" else ECKey).import_key(jwk)
        algorithm(key)
    except OSError as error:
        raise KeyUnusable(f"{path}: {error.strerror}") from error
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise KeyUnusable(f"{path}: no P-256 or Ed25519 key in JWK form") from None
    return key


def new_key() -> ECKey:
    """Return a fresh private key (P-256) for signing, with its RFC 7638 thumbprint as ``kid``."""
    key = ECKey.generate_key("P-256", {"use": "sig"}, private=True)
    return ECKey.import_key({**key.as_dict(private=True), "kid": key.thumbprint()})


def algorithm(key: Key) -> str:
    """Return the one algorithm that *key* signs with; raises ``KeyError`` for keys of other kinds."""
    return _KINDS[(str(key.get("kty")), str(key.get("crv")))]


def key_id(key: Key) -> str:
    """Return the ``kid`` that requests signed with *key* carry: its own, else its thumbprint."""
    return key.kid or key.thumbprint()


def sign(body: Mapping[str, Any], key: Key, *, life_s: int = MAX_LIFE_S) -> bytes:
    """Return *body* signed now, with ``iat`` and ``exp``, as a compact JWS."""
    now = int(time.time())
    header = {"alg": algorithm(key), "typ": TYPE, "kid": key_id(key)}
    plain = json.dumps({**body, "iat": now, "exp": now + life_s}, ensure_ascii=False, separators=(",", ":")).encode()
    return jws.serialize_compact(header, plain, key, algorithms=[header["alg"]]).encode()


class Verifier:
    """Knows the public keys of the requesters, by requester."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self._known = {key_id(key): (name, key) for name, key in keys.items()}

    def verify(self, token: bytes) -> Signed:
        """Return what *token* holds; raises :class:`Refusal`, without repeating any of it."""
        if not _FORM.fullmatch(token):
            raise _not_accepted("it is no compact JWS")
        header = _header(token)
        known = self._known.get(header.kid)
        if known is None:
            raise _not_accepted("its key belongs to no requester of this window")
        name, key = known
        if header.typ != TYPE or header.alg != algorithm(key):
            raise _not_accepted(f"its header is not that of a request signed with {algorithm(key)}")
        try:
            found = jws.deserialize_compact(token, key, algorithms=[algorithm(key)])
        except (JoseError, ValueError, TypeError, KeyError):
            raise _not_accepted("the signature is wrong") from None
        return Signed(found.payload, name, key.thumbprint())


def _header(token: bytes) -> _Header:
    text = token.partition(b".")[0]
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)), type=_Header)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        raise _not_accepted("its header holds more or less than alg, typ and kid") from None


def _not_accepted(why: str) -> Refusal:
    return Refusal(
        f"the signature is not accepted: {why}", "refused", code="CMD-112",
        action="sign with the key whose public half the window's configuration names",
    )  # fmt: skip
