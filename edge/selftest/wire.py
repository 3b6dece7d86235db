"""A self-test's messages as JSON objects, one a line: on the control socket, and from the process that tests alone."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.errors import AlreadyRunning, EdgeError
from edge.selftest.model import Ask, Begun, Check, Message, Report

_TYPES: dict[str, type[Begun | Check | Ask | Report]] = {"begun": Begun, "check": Check, "ask": Ask, "report": Report}
_NAMES = {kind: name for name, kind in _TYPES.items()}

BUG = "send the log around this time to the developers"
CODES = {"TST-101": "a self-test runs already: {by}, process {pid}, since {since}"}


class AlreadyTesting(AlreadyRunning):
    """Another self-test runs."""

    default_code = "TST-101"
    default_action = "wait until it is done"

    @classmethod
    def of(cls, by: str, pid: int, since: str) -> AlreadyTesting:
        """Return the error that says who tests."""
        return cls(CODES["TST-101"].format(by=by, pid=pid, since=since))


def told(message: Message) -> dict[str, Any]:
    """Return *message* as an object: ``{"check": {…}}``."""
    return {_NAMES[type(message)]: msgspec.to_builtins(message)}


def told_error(error: EdgeError) -> dict[str, Any]:
    """Return *error* as an object, as the control socket tells it."""
    return {"error": {"code": error.code, "message": error.message, "action": error.action}}


def heard(body: dict[str, Any]) -> Message:
    """Return the message in *body*; raises what it tells, or ``ValueError``."""
    if (said := body.get("error")) is not None:
        kind = {AlreadyTesting.default_code: AlreadyTesting, AlreadyRunning.default_code: AlreadyRunning}
        raise kind.get(said["code"], EdgeError)(said["message"], code=said["code"], action=said.get("action"))
    name, content = next(iter(body.items()))
    if name not in _TYPES:
        raise ValueError(f"a message {name!r} that no self-test says")
    return msgspec.convert(content, _TYPES[name])
