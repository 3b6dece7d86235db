"""Commands: a request becomes a job, and gets its ack, its progress and exactly one completion.

All of it runs in the event loop. A completion is stored before it is sent, so that a request that comes again
(the same ``request_id``), even after a restart, gets the same answer and does nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from edge import logs
from edge.commands import answers
from edge.commands.admission import Admitted, Gate
from edge.commands.audit import Auditor
from edge.commands.freshness import take
from edge.commands.permits import CANCEL, WINDOW, window_tier
from edge.commands.requests import Asked, Refusal, known_command, read_params
from edge.commands.window import Start, WindowCommand, WindowJob
from edge.delivery.topics import Topics
from edge.delivery.transport import Message
from edge.errors import EdgeError, JobCancelled
from edge.events import Params
from edge.jobs import DeviceJob
from edge.store.outbox import Outbox, Row
from edge.supervisor import Supervisor
from edge.wire import Completion, CompletionCode, EventName, Progress, RequestAck
from edge.wire import Reply as ReplyBody

_MAX_WAITING = 8
_MAX_HEARD = 256
_LATE_S = 0.05  # so long after a job's deadline it is looked at
_log = logs.get("commands")

Reply = Callable[[ReplyBody], None]


@dataclass(frozen=True)
class _Running:
    """A request that was accepted; *timer* ends it when it has not begun by its deadline."""

    ack: RequestAck
    timer: asyncio.TimerHandle


class Commands:
    """Takes requests from the broker and answers them by *send*."""

    def __init__(
        self,
        devices: Mapping[str, Supervisor],
        outbox: Outbox,
        topics: Topics,
        send: Callable[[Message], None],
        gate: Gate,
    ) -> None:
        self.window_commands: dict[str, WindowCommand] = {}
        self.window_jobs: dict[str, WindowJob] = {}
        self.dropped = 0
        """Requests dropped without an answer: retained, or with no valid place to reply to."""
        self.refused: Counter[str] = Counter()
        """Requests that were not accepted, by code."""
        self._devices, self._outbox, self._topics = devices, outbox, topics
        self.gate = gate
        self._send = send
        self._auditor = Auditor(lambda draft: outbox.commit_soon([draft]))
        self._running: dict[str, _Running] = {}
        self._waiting: defaultdict[str, list[DeviceJob]] = defaultdict(list)
        self._done: OrderedDict[str, bytes] = OrderedDict(outbox.call(answers.load).result())
        self._heard = self._handled = 0  # the one counts in the MQTT thread, the other in the event loop
        self._storing = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._loop = asyncio.get_running_loop()

    def hear(self, message: Message) -> None:
        """Take one message of the branch ``request/``. Called in the MQTT thread."""
        if self._heard - self._handled >= _MAX_HEARD:
            self._drop("more come than can be looked at")
            return
        self._heard += 1
        self._soon(self.handle, message)

    def handle(self, message: Message) -> None:
        """Look at a request that was heard."""
        self._handled += 1
        _, device, command = self._topics.inside(message.topic)
        if message.retain or not self._topics.may_reply_to(message.response_topic):
            self._drop("it was retained" if message.retain else "its Response Topic is not below our reply/")
            return
        reply = answers.replier(message, self._send)
        name = (message.response_topic or "").rpartition("/")[2]
        with self._refusing(reply, name):
            admitted = self.gate.admit(message, device, command)
            if self._seen(admitted.asked, reply):
                return
            if admitted.nonce is None:
                self._begin(device, command, admitted, reply)
            else:
                self._use_up(device, command, admitted, reply)

    async def drain(self, wait_s: float) -> None:
        """Wait until all accepted requests are completed; whose driver takes longer than *wait_s* is cancelled."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), wait_s)
        for job in [job for jobs in self._waiting.values() for job in jobs]:
            job.finish(JobCancelled("the daemon stops"))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), wait_s)

    def _drop(self, why: str) -> None:
        self.dropped += 1
        if logs.worth_a_line(self.dropped):
            _log.warning("request dropped: %s", why, extra={"fields": {"count": self.dropped}})

    # -- before it is accepted ----------------------------------------------------------------------

    @contextlib.contextmanager
    def _refusing(self, reply: Reply, request_id: str, signed: Asked | None = None) -> Iterator[None]:
        """Answer whatever goes wrong inside with the completion of a request that is not accepted."""
        try:
            yield
        except EdgeError as error:
            self._refuse(error, reply, request_id, signed)
        except Exception as error:  # noqa: BLE001  # a bug of ours: whoever asked gets an answer all the same
            _log.error("a request cannot be handled", exc_info=error)
            self._refuse(EdgeError("the daemon cannot handle this request", code="SYS-106"), reply, request_id)

    def _use_up(self, device: str, command: str, admitted: Admitted, reply: Reply) -> None:
        """Let a signed request begin once the store remembers that it was used."""
        asked, nonce = admitted.asked, admitted.nonce

        def taken(failed: BaseException | None) -> None:
            self._storing -= 1
            self._look_idle()
            if failed is not None and self._seen(asked, reply):
                return  # the same request came twice in one breath
            with self._refusing(reply, asked.request_id, asked if failed is None else None):
                if failed is not None:
                    raise failed
                self._begin(device, command, admitted, reply)

        self._storing += 1
        self._idle.clear()
        stored = self._outbox.call(lambda db: take(db, nonce) if nonce else None)
        stored.add_done_callback(lambda done: self._soon(taken, done.exception()))

    def _seen(self, asked: Asked, reply: Reply) -> bool:
        """Answer a request that came before; return whether it did."""
        if asked.request_id in self._running:
            reply(self._running[asked.request_id].ack)
            return True
        if asked.request_id in self._done:
            reply(msgspec.json.decode(self._done[asked.request_id], type=Completion))
            return True
        return False

    def _begin(self, device: str, command: str, admitted: Admitted, reply: Reply) -> None:
        asked, permit = admitted.asked, admitted.permit
        if device == WINDOW and (work := self.window_jobs.get(command)) is not None:
            permit.check(WINDOW, command, work.params.tier)
            params = read_params(asked, work.params)
            work.check()
            self._accept(device, work.params, params, admitted, reply, work.start)
            return
        if device == WINDOW:
            self._run_window(command, admitted, reply)
            return
        if device not in self._devices:
            raise Refusal("there is no such device", code="CMD-103", action="see the window's device/+/about topics")
        supervisor = self._devices[device]
        if command == CANCEL:
            permit.check(supervisor.kind, CANCEL, "read")
            self._cancel(device, asked, reply)
            return
        known = known_command(supervisor.driver.commands, command)
        permit.check(known.kind, command, known.tier)
        params = read_params(asked, known)
        if not supervisor.usable:
            now = supervisor.current
            raise Refusal(
                f"the device is {now.state}", "refused", code=now.code or "CMD-120", action=now.action or "wait"
            )
        self._accept(device, known, params, admitted, reply, supervisor.start)

    def _accept(
        self, device: str, known: type[Params], params: Params, admitted: Admitted, reply: Reply, start: Start
    ) -> None:
        """Make a job of a request, and begin it by *start* when it is remembered."""
        asked = admitted.asked
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
        if admitted.requester is not None and known.tier == "act":
            self._auditor.accepted(admitted.requester, asked.request_id, device, known.command)
        timer = self._loop.call_at(asked.deadline + _LATE_S, job.look)
        self._running[asked.request_id] = _Running(ack, timer)
        self._idle.clear()
        waiting.append(job)
        stored = self._outbox.call(lambda db: answers.store(db, asked.request_id, None))
        stored.add_done_callback(lambda done: self._soon(self._start, start, job, reply, ack, done.exception()))

    def _start(self, start: Start, job: DeviceJob, reply: Reply, ack: RequestAck, failed: BaseException | None) -> None:
        """Begin, now that the request is remembered: after a kill it must not run a second time."""
        if isinstance(failed, EdgeError):
            job.finish(failed)
        else:
            reply(ack)
            start(job)

    def _cancel(self, device: str, asked: Asked, reply: Reply) -> None:
        """Cancel the job named in the parameters, or all of the device's."""
        wanted = asked.params.get("request_id")
        if set(asked.params) - {"request_id"} or not isinstance(wanted, str | None):
            raise Refusal("cancel takes a request_id, or nothing for all requests of the device")
        jobs = [job for job in self._waiting[device] if wanted in (None, job.request_id)]
        for job in jobs:
            job.cancel()
        self._complete(reply, Completion(request_id=asked.request_id, code="ok", data={"cancelled": len(jobs)}))

    def _run_window(self, command: str, admitted: Admitted, reply: Reply) -> None:
        """Carry out a command to the daemon itself: quick, no device involved."""
        asked, tier = admitted.asked, window_tier(command)
        if command not in self.window_commands:
            known = ", ".join(sorted({*self.window_commands, *self.window_jobs}))
            raise Refusal(f"the window knows {known}", "unsupported", code="CMD-104")
        admitted.permit.check(WINDOW, command, tier)
        data = dict(self.window_commands[command](asked.params))
        self._complete(reply, Completion(request_id=asked.request_id, code="ok", data=data))

    def _refuse(self, error: EdgeError, reply: Reply, request_id: str, signed: Asked | None = None) -> None:
        """Send the completion that a request gets when it is not accepted.

        It is remembered, until the daemon ends, only for a *signed* one: that cannot be tried a second time.
        """
        code: CompletionCode = error.completion if isinstance(error, Refusal) else "invalid"
        self.refused[error.code] += 1
        if logs.worth_a_line(self.refused[error.code]):
            fields = {"code": error.code, "completion": code, "count": self.refused[error.code]}
            _log.info("request refused", extra={"fields": fields})
        if isinstance(error, Refusal):
            self._auditor.refused(error)
        completion = Completion(request_id=request_id, code=code, error=answers.told(error))
        if signed is not None:
            self._remember(request_id, msgspec.json.encode(completion))
        reply(completion)

    # -- after it was accepted ----------------------------------------------------------------------

    def _finish(self, device: str, job: DeviceJob, reply: Reply, rows: Sequence[Row], error: EdgeError | None) -> None:
        self._waiting[device].remove(job)
        events = tuple(EventName(id=row.id, seq=str(row.seq), type=row.type) for row in rows)
        told = answers.told(error) if error is not None else None
        self._complete(
            reply, Completion(request_id=job.request_id, code=answers.ending(error), events=events, error=told)
        )

    def _complete(self, reply: Reply, completion: Completion) -> None:
        """Store *completion*, then send it."""
        self._storing += 1
        self._idle.clear()
        stored = msgspec.json.encode(completion)
        kept = self._outbox.call(lambda db: answers.store(db, completion.request_id, stored))
        kept.add_done_callback(lambda _kept: self._soon(self._completed, reply, completion, stored))

    def _completed(self, reply: Reply, completion: Completion, stored: bytes) -> None:
        self._storing -= 1
        self._remember(completion.request_id, stored)
        running = self._running.pop(completion.request_id, None)
        if running is not None:
            running.timer.cancel()
        reply(completion)
        self._look_idle()

    def _remember(self, request_id: str, completion: bytes) -> None:
        self._done[request_id] = completion
        while len(self._done) > answers.REMEMBERED:
            self._done.popitem(last=False)

    def _look_idle(self) -> None:
        if not (self._running or self._storing):
            self._idle.set()

    def _soon(self, work: Callable[..., None], *args: Any) -> None:
        """Run *work* in the event loop, from any thread."""
        self._loop.call_soon_threadsafe(work, *args)
