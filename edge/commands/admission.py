"""The gate for commands: what comes from the broker is a request that may be looked at, or a refusal.

In this order, and nothing before the step before it: size, seal, signature, depth, schema, place, time. What a
requester may ask for is known afterwards; whether the device can do it is not asked here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edge.commands.freshness import Nonce, check_place, check_time
from edge.commands.permits import Permit
from edge.commands.requests import Asked, Refusal, check_size, parse, parse_signed

if TYPE_CHECKING:
    from edge.commands.signatures import Signed
    from edge.config import Config
    from edge.delivery.transport import Message

JOSE = ("application/jose+json", "application/jose")


@dataclass(frozen=True)
class Admitted:
    """A request that may be looked at: what it asks for, who signed it if anybody did, and what that may ask for."""

    asked: Asked
    permit: Permit
    requester: str | None = None
    nonce: Nonce | None = None


class Verifies(Protocol):
    """Finds out who signed: see :class:`edge.commands.signatures.Verifier`."""

    def verify(self, token: bytes) -> Signed: ...


@dataclass(frozen=True)
class Gate:
    """The rules of one window (*place*: ``hall/window``). With a *verifier*, only signed requests come in."""

    place: str
    open_sealed: Callable[[bytes], bytes]
    verifier: Verifies | None = None
    permit: Permit = field(default_factory=Permit)
    permits: Mapping[str, Permit] = field(default_factory=dict)
    """By requester, where it has one of its own."""
    now: Callable[[], float] = time.time

    def admit(self, message: Message, device: str, command: str) -> Admitted:
        """Return the request in *message*; raises ``EdgeError``, never with anything of its content."""
        check_size(message.payload)
        body, sealed, jose = message.payload, False, message.content_type in JOSE
        if jose and body[:1] == b"{":
            body, sealed = self.open_sealed(body), True
            check_size(body)
        if jose and body[:1] != b"{":
            return self._admit_signed(body, device, command, sealed=sealed)
        if self.verifier is not None:
            raise Refusal(
                "this window takes only signed requests", "refused", code="CMD-110",
                action="sign it with a key whose public half stands in the window's configuration ([[requester]])",
            )  # fmt: skip
        return Admitted(parse(body, sealed=sealed, now=self.now), self.permit)

    def _admit_signed(self, token: bytes, device: str, command: str, *, sealed: bool) -> Admitted:
        if self.verifier is None:
            raise Refusal(
                "the request is signed, and this window knows no requester's key", "refused", code="CMD-118",
                action="add a [[requester]] with its public key to the window's configuration",
            )  # fmt: skip
        signed = self.verifier.verify(token)
        request, asked = parse_signed(signed.body, sealed=sealed, now=self.now)
        check_place(request, self.place, signed.requester, device, command)
        check_time(request, self.now)
        nonce = Nonce(signed.key_id, request.request_id, request.iat)
        return Admitted(asked, self.permits.get(signed.requester, self.permit), signed.requester, nonce)


def gate(config: Config, open_sealed: Callable[[bytes], bytes]) -> Gate:
    """Return the gate that *config* asks for; raises ``EdgeError`` when a requester's key cannot be used."""
    verifier = None
    if config.requesters:
        from edge.commands.signatures import Verifier, read_key  # 0.1 s and 10 MiB, not always needed

        verifier = Verifier({one.name: read_key(Path(one.key)) for one in config.requesters})
    own = {one.name: Permit(frozenset(one.allow)) for one in config.requesters if one.allow is not None}
    place = f"{config.window.hall}/{config.window.window}"
    return Gate(place, open_sealed, verifier, Permit(frozenset(config.commands.allow)), own)
