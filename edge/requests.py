"""What a request must look like before anything acts on it (pure functions, no device, no broker)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from edge.errors import EdgeError
from edge.events import Params
from edge.wire import CompletionCode, Request

MAX_BYTES = 64 * 1024
MAX_DEPTH = 8
MAX_AHEAD_S = 3600.0
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[][{}]', re.DOTALL)  # a string, or a bracket outside of strings

CODES = {
    "CMD-101": "the request is no valid JSON of the contract",
    "CMD-102": "the deadline has passed, or lies too far ahead",
    "CMD-103": "there is no such device, or it is not usable now",
    "CMD-104": "this device does not know this command",
    "CMD-105": "too many requests wait for this device",
    "CMD-106": "the job was cancelled",
    "CMD-107": "the job's deadline passed",
    "CMD-108": "personal parameters are accepted only in a sealed request",
    "CMD-109": "the daemon ended before the request did",
}


class Refusal(EdgeError):
    """A request that is not accepted; ``completion`` is the code of the one reply it gets."""

    default_code = "CMD-101"
    default_action = "compare the request with the contract"

    def __init__(
        self,
        message: str,
        completion: CompletionCode = "invalid",
        *,
        code: str | None = None,
        action: str | None = None,
    ):
        super().__init__(message, code=code, action=action)
        self.completion = completion


@dataclass(frozen=True)
class Asked:
    """A request that passed every check but those of the device; *deadline* is on the monotonic clock."""

    request_id: str
    deadline: float
    deadline_text: str
    params: Mapping[str, Any]
    case: str | None
    sealed: bool


def check_size(body: bytes) -> None:
    """Raise :class:`Refusal` for what is too large to be looked at."""
    if len(body) > MAX_BYTES:
        raise Refusal(f"the request is larger than {MAX_BYTES} bytes")


def parse(body: bytes, *, sealed: bool, now: Callable[[], float] = time.time) -> Asked:
    """Return the request in *body*; raises :class:`Refusal` without repeating what was in it."""
    check_size(body)
    if _depth(body) > MAX_DEPTH:
        raise Refusal(f"the request is nested deeper than {MAX_DEPTH}")
    try:
        request = msgspec.json.decode(body, type=Request)
        until = datetime.fromisoformat(request.deadline)
        if until.tzinfo is None:
            raise Refusal("the deadline has no offset")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refusal(f"the request is no valid JSON of the contract{_place(error)}") from None
    left = until.timestamp() - now()
    if not 0 < left <= MAX_AHEAD_S:
        why = "has passed" if left <= 0 else f"lies more than {MAX_AHEAD_S:.0f} s ahead"
        raise Refusal(
            f"the deadline {why}", "refused", code="CMD-102", action="set the clocks, and the deadline from now"
        )
    deadline = time.monotonic() + left
    return Asked(request.request_id, deadline, request.deadline, request.params, request.case, sealed)


def read_params(asked: Asked, wanted: type[Params]) -> Params:
    """Return the parameters of *asked* as *wanted*; raises :class:`Refusal`."""
    try:
        params = msgspec.convert(asked.params, wanted)
    except msgspec.ValidationError as error:
        raise Refusal(f"the parameters do not fit {wanted.command}{_place(error)}") from None
    if not asked.sealed and any(getattr(params, name) is not None for name in wanted.sealed_params):
        names = ", ".join(sorted(wanted.sealed_params))
        raise Refusal(
            f"{names}: personal, and the request is not sealed", code="CMD-108",
            action="seal the request to the key in the window's status topic",
        )  # fmt: skip
    return params


def _depth(body: bytes) -> int:
    """Return how deep *body* nests, reading it as JSON text without building anything."""
    deepest = depth = 0
    for token in _TOKENS.finditer(body):
        if token[0] in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in (b"]", b"}"):
            depth -= 1
    return deepest


def _place(error: Any) -> str:
    """Return where a decoding error is (`` at $.deadline``), never what stands there."""
    where = str(error).rpartition("`")[0].rpartition("`")[2]
    return f" at {where}" if where.startswith("$") else ""
