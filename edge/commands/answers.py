"""The answers that were given: stored before they are sent, so that a request that comes again gets the same one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable

import msgspec

from edge.commands.requests import CODES
from edge.delivery.transport import Message
from edge.errors import EdgeError, JobCancelled, Unsupported
from edge.wire import Completion, CompletionCode, Reply, Told

REMEMBERED = 1000
_JSON = "application/json"


def load(db: sqlite3.Connection) -> list[tuple[str, bytes]]:
    """Return the stored completions, oldest first; a request without one was cut off by the daemon's end."""
    query = "SELECT id, completion FROM request ORDER BY rowid DESC LIMIT ?"
    kept = reversed(db.execute(query, (REMEMBERED,)).fetchall())
    return [(request_id, completion or _cut_off(request_id)) for request_id, completion in kept]


def store(db: sqlite3.Connection, request_id: str, completion: bytes | None) -> None:
    """Remember that *request_id* was accepted, or (with *completion*) how it ended."""
    db.execute("INSERT OR REPLACE INTO request VALUES (?, ?, ?)", (request_id, time.time(), completion))
    db.execute("DELETE FROM request WHERE rowid <= (SELECT max(rowid) FROM request) - ?", (REMEMBERED,))


def ending(error: EdgeError | None) -> CompletionCode:
    """Return the code of the completion of a job that ended with *error*."""
    if error is None:
        return "ok"
    if isinstance(error, JobCancelled):
        return "timed-out" if error.code == "CMD-107" else "cancelled"
    return "unsupported" if isinstance(error, Unsupported) else "device-error"


def told(error: EdgeError) -> Told:
    """Return *error* as a reply shows it."""
    return Told(code=error.code, message=error.message, action=error.action)


def replier(message: Message, send: Callable[[Message], None]) -> Callable[[Reply], None]:
    """Return what answers the request in *message*."""

    def reply(body: Reply) -> None:
        topic, encoded = message.response_topic or "", msgspec.json.encode(body)
        send(Message(topic, encoded, content_type=_JSON, correlation=message.correlation))

    return reply


def _cut_off(request_id: str) -> bytes:
    why = Told(code="CMD-109", message=CODES["CMD-109"], action="send a new request if it is still wanted")
    return msgspec.json.encode(Completion(request_id=request_id, code="device-error", error=why))
