"""Signed requests made by hand, without the code that signs for back offices."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from edge.commands.admission import Gate
from edge.commands.permits import Permit
from edge.commands.signatures import TYPE, Verifier
from edge.delivery.transport import Message
from edge.sealing.jwe import JweSealer
from tests.core.commands_rig import PAD, WINDOW_KEY, open_gate, request
from tests.support.window import HALL, WINDOW

PLACE = f"{HALL}/{WINDOW}"
OFFICE = ECKey.generate_key("P-256")
CLERK = OKPKey.generate_key("Ed25519")
STRANGER = ECKey.generate_key("P-256")
ISSUERS: dict[str, ECKey | OKPKey] = {"office": OFFICE, "clerk": CLERK}


def signed_gate(**rules: Any) -> Gate:
    """Return the gate of a window that knows two requesters: ``office`` may do everything, ``clerk`` only read."""
    return open_gate(verifier=Verifier(ISSUERS), permits={"clerk": Permit(frozenset({"read"}))}, **rules)


def claims(device: str = PAD, command: str = "evaluate", params: Any = None, **others: Any) -> dict[str, Any]:
    """Return a request that is right in everything, but for *others*; ``...`` takes a claim out."""
    now = int(time.time())
    body = {
        "request_id": str(uuid.uuid4()),
        "deadline": (datetime.now(UTC) + timedelta(seconds=30)).isoformat(),
        "params": params or {},
        "iss": "office", "aud": PLACE, "iat": now, "exp": now + 30, "device": device, "command": command,
    } | others  # fmt: skip
    return {key: value for key, value in body.items() if value is not ...}


def token(body: Mapping[str, Any] | bytes, key: ECKey | OKPKey = OFFICE, **header: Any) -> bytes:
    """Return *body* as a compact JWS; *header* replaces members, ``...`` takes one out."""
    own = "Ed25519" if isinstance(key, OKPKey) else "ES256"
    members = {"alg": own, "typ": TYPE, "kid": key.thumbprint()} | header
    plain = body if isinstance(body, bytes) else json.dumps(body).encode()
    kept = {name: value for name, value in members.items() if value is not ...}
    return jws.serialize_compact(kept, plain, key, algorithms=[own]).encode()


def mailed(
    body: bytes, device: str = PAD, command: str = "evaluate", *, request_id: str = "", seal: bool = False, **more: Any
) -> Message:
    """Return a signed request as it comes from the broker; *seal* seals it too."""
    body = JweSealer([WINDOW_KEY]).seal(body, b"{}") if seal else body
    more = {"content_type": "application/jose+json", **more}
    return request(device, command, body=body, request_id=request_id, **more)


def signed(
    device: str = PAD, command: str = "evaluate", params: Any = None, *, key: ECKey | OKPKey = OFFICE,
    seal: bool = False, **others: Any,
) -> Message:  # fmt: skip
    """Return a good signed request, but for *others* among its claims."""
    body = claims(device, command, params, **others)
    return mailed(token(body, key), device, command, request_id=str(body.get("request_id", "")), seal=seal)
