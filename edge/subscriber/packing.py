"""How a request goes on its way: signed when we have a key for it, sealed when it says something about a person."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from edge.commands.signatures import Key, read_key, sign
from edge.events import COMMANDS, Params
from edge.sealing.jwe import CONTENT_TYPE, JweSealer
from edge.secret import reveal
from edge.subscriber.errors import BadArgument, RequestError
from edge.subscriber.topics import checked_name
from edge.subscriber.windows import Window


@dataclass(frozen=True)
class Signer:
    """Signs requests as the requester *name* of the windows' configuration, with its private key."""

    name: str
    key: Key = field(repr=False)

    def __post_init__(self) -> None:
        checked_name(self.name, "requester")
        if not self.key.is_private:
            raise BadArgument("the key to sign with is a public one", action="give the private half")

    @classmethod
    def load(cls, name: str, path: Path) -> Self:
        """Return the signer whose private JWK is in *path*; raises ``BadArgument`` or ``KeyUnusable``."""
        return cls(name, read_key(path))


@dataclass(frozen=True)
class Parcel:
    """One request to *device* of a window (*place*: ``hall/name``), ready to be sent as often as needed."""

    place: str
    device: str
    command: str
    topic: str
    body: Mapping[str, Any] = field(repr=False)

    def packed(self, window: Window, signer: Signer | None) -> tuple[bytes, str]:
        """Return payload and content type for now: a signature is good for half a minute only."""
        payload, content_type = _plain(self.body), "application/json"
        if signer is not None:
            place = {"iss": signer.name, "aud": self.place, "device": self.device, "command": self.command}
            payload, content_type = sign({**self.body, **place}, signer.key), CONTENT_TYPE
        if personal_params(self.command) & self.body["params"].keys():
            aad = json.dumps({"topic": self.topic, "request_id": self.body["request_id"]}, separators=(",", ":"))
            payload, content_type = JweSealer([_key_of(window)]).seal(payload, aad.encode()), CONTENT_TYPE
        return payload, content_type


def body(params: Mapping[str, Any] | Params | None, timeout_s: float, case: str | None) -> dict[str, Any]:
    """Return a new request with an id of its own."""
    deadline = datetime.now(UTC) + timedelta(seconds=timeout_s)
    return {
        "request_id": str(uuid.uuid4()),
        "deadline": deadline.isoformat(timespec="milliseconds"),
        "params": msgspec.to_builtins(params, enc_hook=reveal) if params is not None else {},
        **({"case": case} if case else {}),
    }


def personal_params(command: str) -> frozenset[str]:
    """Return the parameters of *command*, of whichever kind, that may only travel sealed."""
    return frozenset().union(*(known.sealed_params for known in COMMANDS if known.command == command))


def _plain(request: Mapping[str, Any]) -> bytes:
    return json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()


def _key_of(window: Window) -> ECKey:
    """Return the public key that *window* shows in its status."""
    if window.status is None or window.status.key is None:
        raise RequestError(f"{window!r} shows no key to seal to", code="SUB-107", action="update the window's daemon")
    try:
        return ECKey.import_key(window.status.key)
    except (JoseError, ValueError, TypeError, KeyError):
        raise BadArgument(f"{window!r} shows a key that is none", code="SUB-107") from None
