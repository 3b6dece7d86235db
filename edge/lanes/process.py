"""A driver that runs in a process of its own, as its lane's thread sees it.

::

    lane's thread ── RemoteDriver ── Child ══ socket pair ══ worker: the driver itself
                                        └── wake() and close() from any thread

Everything that a lane does with a driver it does with this one: jobs, the hand-shake of generators, watching. What a
crash, a hang or a leak of native code ends is one process, for at most 3 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from edge import logs
from edge.decoders import msgpack_decoder
from edge.driver import DeviceInfo, Driver, Finding, Job, Settings
from edge.envelope import BadPayload
from edge.errors import ConfigError, DeviceAbsent, DeviceLost, EdgeError, JobCancelled, Problem
from edge.events import BY_TYPE, Params, Payload
from edge.lanes.channel import (
    Accepted,
    Body,
    Cancel,
    Events,
    Execute,
    Failed,
    Found,
    Garbage,
    Loaded,
    Logged,
    Open,
    Opened,
    Poll,
    Progress,
    Selftest,
    Told,
    close_all,
    encode,
    mapped,
)
from edge.lanes.child import FROZEN_S, Child
from edge.lanes.spawn import ProcessFault
from edge.lanes.thread import WAIT_S, DriverBug
from edge.port import DevicePort
from edge.selftest.model import Level

START_S = 10.0
"""An interpreter has started and the driver is imported within this, on a PC that is very busy."""
_CLOSE_S = 1.0
_LANE_SLACK_S = 5.0
T = TypeVar("T")


class RemoteDriver(Driver):
    """Stands for a driver that runs in a process of its own, started by ``open`` and ended by ``close``."""

    opens_again = True
    longest_wait_s = 0.25
    """A poll waits so long at most: a hung one is noticed that much sooner."""

    def __init__(self, driver_type: type[Driver], settings: Settings, port: DevicePort) -> None:
        super().__init__(settings, port)
        self._type = driver_type
        self._port = port
        self._child: Child | None = None
        self._seen_beats = 0
        # the process is watched more closely than the lane does, whose own watch comes later
        limit_s = driver_type.poll_limit_s + START_S + _LANE_SLACK_S
        own = {"kind": driver_type.kind, "commands": driver_type.commands, "poll_limit_s": limit_s}
        own |= {"silent": driver_type.silent, "hung": driver_type.hung}
        for name, value in {**own, "settings_type": driver_type.settings_type}.items():
            setattr(self, name, value)  # of the class elsewhere: here each device has another one

    @property
    def beats(self) -> int:
        """How many moves the driver has made in its process, as far as was heard."""
        return 0 if self._child is None or self._child.last is None else self._child.last.beats

    @property
    def pid(self) -> int | None:
        """The id of the process, while there is one."""
        return None if self._child is None or self._child.ended else self._child.pid

    def open(self) -> DeviceInfo:
        """Start the process and open the device; after ``DeviceAbsent`` the process stays, to open it again."""
        limit_s = self._type.poll_limit_s
        try:
            child = self._child or self._started()
            child.say(Open())
            # a library that is being loaded may hold the interpreter all the time
            opened = self._expect(Opened, max(FROZEN_S, limit_s), limit_s)
        except DeviceAbsent:
            raise
        except BaseException:
            self.close()
            raise
        self.proof_s = opened.proof_s
        return opened.info

    def _started(self) -> Child:
        self._child = child = Child(self._type, self.settings, self._port)
        self._port.hold(child)
        self._expect(Loaded, START_S, START_S)
        return child

    def poll(self, wait_s: float) -> Iterable[Payload]:
        wait_s = min(wait_s, self.longest_wait_s)
        return self._call(Poll(wait_s=wait_s), wait_s + self._type.poll_limit_s)

    def execute(self, command: Params, job: Job) -> Iterable[Payload]:
        order = Execute(
            request_id=job.request_id,
            kind=command.kind,
            command=command.command,
            params=msgspec.Raw(encode(command)),
            remaining_s=job.remaining_s(),
        )
        return self._call(order, WAIT_S + self._type.poll_limit_s, job)

    def selftest(self, level: Level, job: Job) -> Iterator[Finding]:
        call = _Call(self._alive(), WAIT_S + self._type.poll_limit_s, job)
        call.child.say(Selftest(level=level, remaining_s=job.remaining_s()))
        while (found := self._expect(Found, FROZEN_S, call.hung_s, call).finding) is not None:
            yield found

    def close(self) -> None:
        self._drop(_CLOSE_S)

    def _drop(self, grace_s: float = 0.0) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end(grace_s)

    # --- a call ---

    def _call(self, order: Poll | Execute, hung_s: float, job: Job | None = None) -> Iterable[Payload]:
        """Have the driver do *order*; return its list, or its events one by one as they come."""
        call = _Call(self._alive(), hung_s, job)
        call.child.say(order)
        if (first := self._events(call)).more:
            return self._stream(call, first)
        return _payloads(first)

    def _stream(self, call: _Call, events: Events) -> Iterator[Payload]:
        while True:
            yield from _payloads(events)
            if not events.more:
                return
            call.child.say(Accepted())  # whoever has taken the event asks for the next: it is durable
            events = self._events(call)

    def _events(self, call: _Call) -> Events:
        return self._expect(Events, FROZEN_S, call.hung_s, call)

    def _expect(self, kind: type[T], quiet_s: float, hung_s: float, call: _Call | None = None) -> T:
        """Return what the process answers, and do on the way what it says besides."""
        child = self._alive() if call is None else call.child
        while True:
            told, fds = child.hear(quiet_s, hung_s)
            try:
                self._note(told)
                body = told.body
                if isinstance(body, Events):
                    self._keep(body, fds)
            finally:
                close_all(fds)
            if call is not None:
                call.look()
            if isinstance(body, kind):
                return body
            self._aside(child, body, call)

    def _aside(self, child: Child, body: Body | None, call: _Call | None) -> None:
        if isinstance(body, Logged):
            child.log(body)
        elif isinstance(body, Progress) and call is not None and call.job is not None:
            call.job.report(body.text_code, body.step, body.of)
        elif isinstance(body, Failed):
            raise self._error(body)
        elif body is not None:
            raise self._refused(f"{type(body).__name__} at the wrong time")

    def _note(self, told: Told) -> None:
        """Show the core the device's signs of life; an age crosses, for clocks may differ."""
        self._port.simulated = self._port.simulated or told.simulated
        if told.beats != self._seen_beats:
            self._seen_beats = told.beats
            self._port.beat()
        self._port.slow_s = told.slow_s
        if told.proof_age_s is not None:
            self._port.last_proof = self._port.monotonic() - told.proof_age_s

    def _keep(self, events: Events, fds: list[int]) -> None:
        if len(fds) != len(events.blobs):
            raise self._refused(f"{len(events.blobs)} blobs in {len(fds)} files")
        try:
            for ref, fd in zip(events.blobs, fds, strict=True):
                self._port.keep_blob(ref, mapped(fd, ref.size))
        except Garbage as error:
            raise self._refused(str(error)) from None

    def _alive(self) -> Child:
        if self._child is None or self._child.ended:
            raise DeviceLost(
                "the driver's process has ended", code=ProcessFault.default_code, action=ProcessFault.default_action
            )
        return self._child

    def _refused(self, what: str) -> ProcessFault:
        self._drop()
        return ProcessFault(f"the driver's process said what it must not ({what})")

    def _error(self, failed: Failed) -> EdgeError:
        """Return the error that the driver has raised in its process."""
        if not failed.kinds:
            bug = DriverBug(f"{failed.message} in the driver")
            bug.__cause__ = logs.Elsewhere(failed.where)
            return bug
        known = {kind.__name__: kind for kind in _below(EdgeError)}
        kind = next((known[name] for name in failed.kinds if name in known), EdgeError)
        if issubclass(kind, ProcessFault):
            self._drop()
        if issubclass(kind, ConfigError):
            return ConfigError([Problem(failed.code, failed.message, failed.action)])
        error = kind.__new__(kind)
        EdgeError.__init__(error, failed.message, code=failed.code or None, action=failed.action or None)
        return error


class _Call:
    """One ``poll`` or ``execute`` under way."""

    def __init__(self, child: Child, hung_s: float, job: Job | None) -> None:
        self.child = child
        self.hung_s = hung_s
        self.job = job
        self._cancelled = False

    def look(self) -> None:
        """Pass on that the job was cancelled, once; its deadline the driver's process sees itself."""
        if self.job is None or self._cancelled:
            return
        try:
            self.job.check()  # it is the lane's proof of life too
        except JobCancelled as end:
            if end.code == JobCancelled.default_code:
                self._cancelled = True
                self.child.say(Cancel())


def _payloads(events: Events) -> list[Payload]:
    """Return the events; raises ``BadPayload`` when one is not what its type says."""
    found = []
    for name, data in events.events:
        try:
            found.append(msgpack_decoder(BY_TYPE[name]).decode(data))
        except KeyError:
            raise BadPayload("an event of a type that is not in the vocabulary") from None
        except (msgspec.DecodeError, ValueError) as error:
            where = str(error).rpartition("`")[0].rpartition("`")[2] or "?"
            raise BadPayload(f"{name} does not fit the vocabulary at {where}") from None
    return found


def _below(kind: type[EdgeError]) -> Iterator[type[EdgeError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _below(one)
