"""What a request must look like before anything acts on it (pure functions, no device, no broker)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from edge.errors import EdgeError
from edge.events import Params
from edge.wire import CompletionCode, Request, SignedRequest

R = TypeVar("R", bound=Request)

MAX_BYTES = 64 * 1024
MAX_DEPTH = 8
MAX_AHEAD_S = 3600.0
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[][{}]', re.DOTALL)  # a string, or a bracket outside of strings

CODES = {
    "CMD-101": "the request is no valid JSON of the contract",
    "CMD-102": "the deadline has passed, or lies too far ahead",
    "CMD-103": "there is no such device",
    "CMD-104": "this device does not know this command",
    "CMD-105": "too many requests wait for this device",
    "CMD-106": "the job was cancelled",
    "CMD-107": "the job's deadline passed",
    "CMD-108": "personal parameters are accepted only in a sealed request",
    "CMD-109": "the daemon ended before the request did",
    "CMD-110": "the request is not signed, and this window takes only signed ones",
    "CMD-111": "this command is not allowed here, or not to this requester",
    "CMD-112": "the signature is not accepted",
    "CMD-113": "the request was signed for another window, device, command or requester",
    "CMD-114": "the signed request has expired or is not valid yet, or a clock is wrong",
    "CMD-115": "the signed request is older than one already taken",
    "CMD-116": "the signed request was used already",
    "CMD-117": "the request is signed for more than 30 seconds",
    "CMD-118": "the request is signed, and this window knows no requester's key",
    "CMD-119": "a key for signatures cannot be used",
    "CMD-120": "the device cannot be used now",
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
    return _asked(_decoded(body, Request), now, sealed=sealed)


def parse_signed(body: bytes, *, sealed: bool, now: Callable[[], float] = time.time) -> tuple[SignedRequest, Asked]:
    """Return the request in *body*, whose signature is good, with its claims; raises :class:`Refusal`."""
    request = _decoded(body, SignedRequest)
    return request, _asked(request, now, sealed=sealed)


def _decoded(body: bytes, wanted: type[R]) -> R:
    check_size(body)
    if _too_deep(body):
        raise Refusal(f"the request is nested deeper than {MAX_DEPTH}")
    try:
        request = msgspec.json.decode(body, type=wanted)
        json.loads(body.decode(), object_pairs_hook=_each_once)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refusal(f"the request is no valid JSON of the contract{_place(error)}") from None
    return request


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object that says something twice: two readers may take it for two different things."""
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands twice in one object")


def _asked(request: Request, now: Callable[[], float], *, sealed: bool) -> Asked:
    try:
        until = datetime.fromisoformat(request.deadline)
        if until.tzinfo is None:
            raise Refusal("the deadline has no offset")
        left = until.timestamp() - now()
    except (ValueError, OverflowError):
        raise Refusal("the deadline is no time") from None
    if not 0 < left <= MAX_AHEAD_S:
        why = "has passed" if left <= 0 else f"lies more than {MAX_AHEAD_S:.0f} s ahead"
        raise Refusal(
            f"the deadline {why}", "refused", code="CMD-102", action="set the clocks, and the deadline from now"
        )
    deadline = time.monotonic() + left
    return Asked(request.request_id, deadline, request.deadline, request.params, request.case, sealed)


def known_command(commands: Iterable[type[Params]], command: str) -> type[Params]:
    """Return that of a device's *commands* which is called so; raises :class:`Refusal` when it knows none."""
    by_name = {known.command: known for known in commands}
    if command not in by_name:
        names = ", ".join(by_name) or "no commands"
        raise Refusal(f"this device knows {names}", "unsupported", code="CMD-104")
    return by_name[command]


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


def _too_deep(body: bytes) -> bool:
    """Return whether *body* nests deeper than allowed, reading it as JSON text without building anything."""
    depth = 0
    for token in _TOKENS.finditer(body):
        if token[0] in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif token[0] in (b"]", b"}"):
            depth -= 1
    return False


def _place(error: Any) -> str:
    """Return where a decoding error is (`` at $.deadline``), never what stands there."""
    where = str(error).rpartition("`")[0].rpartition("`")[2]
    return f" at {where}" if where.startswith("$") else ""
