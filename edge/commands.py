"""Commands: a request becomes a job, and gets its ack, its progress and exactly one completion.

All of it runs in the event loop. A completion is stored before it is sent, so that a request that comes again
(the same ``request_id``), even after a restart, gets the same answer and does nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from edge import logs
from edge.driver import Driver
from edge.errors import EdgeError, JobCancelled, Unsupported
from edge.jobs import DeviceJob
from edge.outbox import Outbox, Row
from edge.requests import Asked, Refusal, parse, read_params
from edge.supervisor import Supervisor
from edge.topics import Topics
from edge.transport import Message
from edge.wire import Completion, CompletionCode, EventName, Progress, RequestAck, Told
from edge.wire import Reply as ReplyBody

_MAX_WAITING = 8
_REMEMBERED = 1000
_KEPT_S = 24 * 3600
_JSON = "application/json"
_SEALED = "application/jose+json"
_log = logs.get("commands")

WindowCommand = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Reply = Callable[[ReplyBody], None]


class Commands:
    """Takes requests from the broker and answers them by *send*."""

    def __init__(
        self,
        devices: Mapping[str, Supervisor],
        outbox: Outbox,
        topics: Topics,
        send: Callable[[Message], None],
        open_sealed: Callable[[bytes], bytes],
    ) -> None:
        self.window_commands: dict[str, WindowCommand] = {}
        self.dropped = 0
        """Requests dropped without an answer: retained, or with no valid place to reply to."""
        self._devices, self._outbox, self._topics = devices, outbox, topics
        self._send, self._open_sealed = send, open_sealed
        self._running: dict[str, tuple[DeviceJob, RequestAck]] = {}
        self._waiting: dict[str, list[DeviceJob]] = {name: [] for name in devices}
        self._done: OrderedDict[str, bytes] = OrderedDict(outbox.call(_load).result())
        self._loop = asyncio.get_running_loop()

    def handle(self, message: Message) -> None:
        """Take one message of the branch ``request/``."""
        _, device, command = self._topics.inside(message.topic)
        if message.retain or not self._topics.may_reply_to(message.response_topic):
            self.dropped += 1
            why = "it was retained" if message.retain else "its Response Topic is not below our reply/"
            _log.warning("request dropped: %s", why, extra={"fields": {"device": device, "count": self.dropped}})
            return
        reply = self._replier(message)
        try:
            sealed = message.content_type == _SEALED
            body = self._open_sealed(message.payload) if sealed else message.payload
            asked = parse(body, sealed=sealed)
            if not self._seen(asked, reply):
                self._begin(device, command, asked, reply)
        except EdgeError as error:
            self._refuse(error, reply, (message.response_topic or "").rpartition("/")[2])

    # -- before it is accepted ----------------------------------------------------------------------

    def _seen(self, asked: Asked, reply: Reply) -> bool:
        """Answer a request that came before; return whether it did."""
        if asked.request_id in self._running:
            reply(self._running[asked.request_id][1])
            return True
        if asked.request_id in self._done:
            reply(msgspec.json.decode(self._done[asked.request_id], type=Completion))
            return True
        return False

    def _begin(self, device: str, command: str, asked: Asked, reply: Reply) -> None:
        if device == "window":
            self._run_window(command, asked, reply)
            return
        if device not in self._devices:
            raise Refusal("there is no such device", code="CMD-103", action="see the window's device/+/about topics")
        supervisor = self._devices[device]
        if command == "cancel":
            self._cancel(device, asked, reply)
            return
        params = read_params(asked, _known(supervisor.driver, command))
        if not supervisor.usable:
            now = supervisor.current
            raise Refusal(
                f"the device is {now.state}", "refused", code=now.code or "CMD-103", action=now.action or "wait"
            )
        waiting = self._waiting[device]
        if len(waiting) >= _MAX_WAITING:
            raise Refusal("too many requests wait for this device", "busy", code="CMD-105", action="try again later")
        job = DeviceJob(
            asked.request_id, params, asked.deadline, case=asked.case,
            progress=lambda text_code, step, of: self._soon(
                reply, Progress(request_id=asked.request_id, text_code=text_code, step=step, of=of)
            ),
            finished=lambda rows, error: self._soon(self._finish, device, job, reply, rows, error),
        )  # fmt: skip
        ack = RequestAck(request_id=asked.request_id, position=len(waiting), deadline=asked.deadline_text)
        self._running[asked.request_id] = (job, ack)
        waiting.append(job)
        reply(ack)
        supervisor.start(job)

    def _cancel(self, device: str, asked: Asked, reply: Reply) -> None:
        """Cancel the job named in the parameters, or all of the device's."""
        wanted = asked.params.get("request_id")
        jobs = [job for job in self._waiting[device] if wanted in (None, job.request_id)]
        for job in jobs:
            job.cancel()
        self._complete(reply, Completion(request_id=asked.request_id, code="ok", data={"cancelled": len(jobs)}))

    def _run_window(self, command: str, asked: Asked, reply: Reply) -> None:
        """Carry out a command to the daemon itself: quick, no device involved."""
        if command not in self.window_commands:
            raise Refusal(f"the window knows {', '.join(sorted(self.window_commands))}", "unsupported", code="CMD-104")
        data = dict(self.window_commands[command](asked.params))
        self._complete(reply, Completion(request_id=asked.request_id, code="ok", data=data))

    def _refuse(self, error: EdgeError, reply: Reply, request_id: str) -> None:
        """Send the completion that a request gets when it is not accepted; it is not remembered."""
        code: CompletionCode = error.completion if isinstance(error, Refusal) else "invalid"
        _log.info("request refused", extra={"fields": {"code": error.code, "completion": code}})
        reply(Completion(request_id=request_id, code=code, error=_told(error)))

    # -- after it was accepted ----------------------------------------------------------------------

    def _finish(
        self, device: str, job: DeviceJob, reply: Reply, rows: Sequence[Row], error: EdgeError | None
    ) -> None:
        self._waiting[device].remove(job)
        events = tuple(EventName(id=row.id, seq=str(row.seq), type=f"hall.{_dotted(row)}.v1") for row in rows)
        told = _told(error) if error is not None else None
        self._complete(reply, Completion(request_id=job.request_id, code=_code(error), events=events, error=told))

    def _complete(self, reply: Reply, completion: Completion) -> None:
        request_id, stored = completion.request_id, msgspec.json.encode(completion)
        self._done[request_id] = stored
        while len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        self._running.pop(request_id, None)
        kept = self._outbox.call(lambda db: _store(db, request_id, stored))
        kept.add_done_callback(lambda _kept: self._soon(reply, completion))

    def _replier(self, message: Message) -> Reply:
        def reply(body: ReplyBody) -> None:
            self._send(
                Message(
                    message.response_topic or "",
                    msgspec.json.encode(body),
                    content_type=_JSON,
                    correlation=message.correlation,
                )
            )

        return reply

    def _soon(self, work: Callable[..., None], *args: Any) -> None:
        """Run *work* in the event loop, from any thread."""
        self._loop.call_soon_threadsafe(work, *args)


def _known(driver: Driver, command: str) -> type[Any]:
    """Return the parameter type of *command*; raises :class:`Refusal` when the driver does not know it."""
    for known in driver.commands:
        if known.command == command:
            return known
    names = ", ".join(known.command for known in driver.commands) or "no commands"
    raise Refusal(f"this device knows {names}", "unsupported", code="CMD-104")


def _code(error: EdgeError | None) -> CompletionCode:
    if error is None:
        return "ok"
    if isinstance(error, JobCancelled):
        return "timed-out" if error.code == "CMD-107" else "cancelled"
    if isinstance(error, Unsupported):
        return "unsupported"
    return "device-error"


def _told(error: EdgeError) -> Told:
    return Told(code=error.code, message=error.message, action=error.action)


def _dotted(row: Row) -> str:
    kind, _, type_ = row.topic.split("/")
    return f"{kind}.{type_}"


def _load(db: sqlite3.Connection) -> list[tuple[str, bytes]]:
    query = "SELECT id, completion FROM request ORDER BY received DESC LIMIT ?"
    return list(reversed(db.execute(query, (_REMEMBERED,)).fetchall()))


def _store(db: sqlite3.Connection, request_id: str, completion: bytes) -> None:
    db.execute("INSERT OR REPLACE INTO request VALUES (?, ?, ?)", (request_id, time.time(), completion))
    db.execute("DELETE FROM request WHERE received < ?", (time.time() - _KEPT_S,))
