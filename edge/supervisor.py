"""One state machine a device. The supervisor alone decides to retry, and what "ready" means.

::

    starting ──open──► ready ◄──job──► busy
       ▲                 │ error (its class says which state)
       └── back-off ── absent · denied · held · stuck · fault · attention

An absent device is opened as soon as it is plugged in; everything else is retried with a jittered back-off,
0.5 → 30 s, or as soon as it was unplugged and plugged in again. One that comes and goes all the time is left alone
for up to 10 s and needs attention. The first failure is logged loudly, repeats quietly, the return once with its
duration.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from edge import logs
from edge.backoff import backoff_s, failures
from edge.device_state import FLAPPING, USABLE, DeviceState, Notice
from edge.driver import DeviceInfo, Driver
from edge.errors import DeviceAbsent, DeviceAttention, DeviceError, DeviceLost, EdgeError, JobCancelled
from edge.events import Payload
from edge.flapping import Flapping
from edge.jobs import DeviceJob
from edge.lanes.thread import DriverBug, ThreadLane
from edge.port import DevicePort
from edge.store.outbox import Row
from edge.wire import State

_LOOK_S = 0.2  # how often an absent device's node is looked for
STEADY_S = 3.0  # ready for so long: the next failure starts with the shortest back-off again
_OWN_ERROR_S = 0.3  # how long a pulled device's own link has to say so itself, more exactly


class Supervisor:
    """Keeps one device working. Everything here runs in the event loop."""

    def __init__(
        self,
        name: str,
        make: Callable[[], tuple[Driver, DevicePort]],
        accept: Callable[[Supervisor, Sequence[Payload], str | None], Sequence[Row]],
        changed: Callable[[Supervisor], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.info: DeviceInfo | None = None
        self.driver, self.port = make()
        self.current = DeviceState("starting", clock())
        self.failures = self.bugs = self.failed = 0  # since it was plugged in, of its driver, in all
        self.moved = 0.0
        """When its own watch last turned, on the monotonic clock: that goes on while a driver hangs; 0: not yet."""
        self.usb_serial: str | None = None
        """The serial number of its USB device, as far as one is known."""
        self.on_ready: Callable[[Supervisor], None] = lambda _: None
        """Called when it is open, before that is told."""
        self._make = make
        self._accept = accept
        self._changed = changed
        self._clock, self._sleep = clock, sleep
        self._log = logs.for_device(name)
        self._lane: ThreadLane | None = None
        self._ready_at = self._opened_at = 0.0
        self._down_since: float | None = None
        self._flapping = Flapping(clock)
        self._notice: Notice | None = None
        self._pulled: asyncio.Future[str] | None = None
        self._nap: asyncio.Future[None] | None = None
        self._poked = False
        self._held: EdgeError | None = None

    @property
    def kind(self) -> str:
        """The device's kind, as its driver says."""
        return self.driver.kind

    @property
    def usable(self) -> bool:
        """Whether the device takes commands now."""
        return self.current.state in USABLE

    async def run(self) -> None:
        """Open, serve, back off, for ever; ends only by cancellation."""
        why: EdgeError = DeviceLost("the device went away")
        try:
            while True:
                try:
                    await self._live()
                except EdgeError as error:
                    why = error
                    self._failed(error)
                await self._drop_lane(why)
                await self._pause()
                self._renew()
        finally:
            await self._drop_lane(JobCancelled("the daemon, or its configuration, gives the device up"))

    def start(self, job: DeviceJob) -> None:
        """Hand *job* to the driver; the caller has checked :attr:`usable`."""
        if self._lane is None:
            job.finish(DeviceLost("the device went away"))
        else:
            self._lane.run(job)

    def proven_s_ago(self) -> float | None:
        """Return how long ago the device last said anything; ``None``: not since it was opened."""
        proof = self.port.last_proof
        return None if proof is None else max(0.0, self.port.monotonic() - proof)

    def plugged(self) -> None:
        """Try at once: it has just been plugged in."""
        if not self.usable:
            self.failures, self._poked = 0, True
            if self._nap is not None:
                self._nap.cancel()

    def hold(self, why: EdgeError | None) -> None:
        """Keep the device closed for *why*; ``None``: let it go."""
        self._held = why
        self.reopen("")

    def unplugged(self, opened_before: float = math.inf) -> None:
        """Let go of it, if it was opened before that time: it has just been pulled out."""
        if self._pulled is not None and not self._pulled.done() and self._opened_at < opened_before:
            self._pulled.set_result("it was unplugged")

    def reopen(self, why: str) -> None:
        """Let go of it and open it again: nobody knows what its handle is worth."""
        self.plugged()
        if self._pulled is not None and not self._pulled.done():
            self._pulled.set_result(why)
            self._poked = True

    def tell(self, notice: Notice | None) -> None:
        """Show *notice* in the status while the device works, and log it once; ``None`` takes it back."""
        if notice == self._notice:
            return
        self._notice = notice
        if notice is not None:
            self._log.warning(notice.reason, extra={"fields": {"code": notice.code, "action": notice.action}})
        if self.usable:
            self._works(self.current.state)

    async def _live(self) -> None:
        """Open the device and serve it until something fails."""
        self._lane = ThreadLane(
            self.name, self.driver, self.port, lambda events, case: self._accept(self, events, case)
        )
        self._lane.on_change, self._lane.on_watch = self._look_busy, self._turned
        self.info, pulled = await self._opened(self._lane)
        self.port.simulated = self.port.simulated or self.info.simulated
        waiting = self.driver.proof_s is not None and self.port.last_proof is None
        if not waiting:
            self._ready()
        elif self.current.state in ("starting", "absent"):  # else it keeps the state that it failed with
            self._enter("starting", reason="waiting for the first sign of life")
        serving = asyncio.ensure_future(self._lane.serve())
        either: list[asyncio.Future[Any]] = [serving, pulled]
        try:
            while not serving.done():
                patience_s = _LOOK_S if waiting or self._flapping.active else None
                await asyncio.wait(either, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
                if waiting and self.port.last_proof is not None:
                    waiting = False
                    self._ready()
                if self._flapping.calm() and self.usable:
                    self._works(self.current.state)
                if pulled.done():
                    await asyncio.wait([serving], timeout=_OWN_ERROR_S)
                    break
            if not serving.done():
                raise self._held or DeviceLost(pulled.result())
            await serving
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError, EdgeError):
                await serving

    async def _opened(self, lane: ThreadLane) -> tuple[DeviceInfo, asyncio.Future[str]]:
        """Open the device; one that is absent is looked for in the same process, which is dear to start."""
        while True:
            pulled: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            self._pulled, self._opened_at = pulled, self._clock()
            if self._held is not None:
                raise self._held.with_traceback(None)  # else each time it would hold on to one more
            try:
                return await lane.open(), pulled
            except DeviceAbsent as error:
                if not self.driver.opens_again:
                    raise
                self._failed(error)
            await self._pause()

    def _ready(self) -> None:
        if self._down_since is not None:
            away_s = round(self._clock() - self._down_since, 1)
            level = logging.DEBUG if self._flapping.active else logging.INFO
            self._log.log(level, "the device is back", extra={"fields": {"away_s": away_s, "tries": self.failures}})
        self._down_since = None
        self._poked = False
        self._ready_at = self._clock()
        self.on_ready(self)
        self._works("ready")

    def _works(self, state: State) -> None:
        """Enter a usable state, with what should be known of it."""
        self._enter(state, *(FLAPPING if self._flapping.active else self._notice or ()))

    def _turned(self) -> None:
        self.moved = time.monotonic()

    def _look_busy(self) -> None:
        if self._lane is not None and self.usable:
            self._works("busy" if self._lane.busy else "ready")

    def _failed(self, error: EdgeError) -> None:
        if self.usable and self._clock() - self._ready_at > STEADY_S:
            self.failures = 0
        state: State = error.state if isinstance(error, DeviceError) else "fault"
        self.failures = failures(self.failures, self.current.state, state)
        self.failed += 1
        if self._down_since is None:
            self._down_since = self._clock()
        if isinstance(error, DriverBug):
            self.bugs += 1
            self._log.error(error.message, exc_info=error.__cause__, extra={"fields": {"code": error.code}})
        quiet = self._flapping.active and state == "absent"
        pulled, self._pulled = self._pulled, None
        if state == "absent" and (self.usable or (pulled is not None and pulled.done())):
            self._flapping.lost()
        if self._flapping.active and state == "absent":
            state, error = DeviceAttention.state, DeviceAttention(FLAPPING[0], code=FLAPPING[1], action=FLAPPING[2])
        known = self.current.state == state and self.current.code == error.code
        fields = {"code": error.code, "state": state, "action": error.action, "tries": self.failures}
        (self._log.debug if known or quiet else self._log.warning)(error.message, extra={"fields": fields})
        if not known:
            self._enter(state, error.message, error.code, error.action)

    def _enter(
        self, state: State, reason: str | None = None, code: str | None = None, action: str | None = None
    ) -> None:
        same = self.current.state in USABLE and state in USABLE
        since = self.current.since if same else self._clock()
        new = DeviceState(state, since, reason, code, action)
        if replace(new, since=0.0) != replace(self.current, since=0.0):
            self.current = new
            self._changed(self)

    async def _pause(self) -> None:
        """Wait before the next try: for the back-off, and until the device's node is there."""
        start = self._clock()
        pause_s = self._flapping.pause_s if self._flapping.active else backoff_s(self.current.state, self.failures)
        end = start + pause_s
        while not self.port.present() or self._clock() < end:
            self._turned()
            self._flapping.calm()
            if self._poked or not self.port.present():
                self.failures, end = 0, start + self._flapping.pause_s  # what is plugged in again is a new start
                self._poked = False
            if not self.port.present() and self.current.state != "absent" and not self._flapping.active:
                absent = DeviceAbsent(f"{self.port.address.target} is not there any more")
                self._enter("absent", absent.message, absent.code, absent.action)
            await self._rest(min(_LOOK_S, max(0.0, end - self._clock()) or _LOOK_S))

    async def _rest(self, wait_s: float) -> None:
        """Wait, at most until the device is plugged in."""
        self._nap = asyncio.ensure_future(self._sleep(wait_s))
        try:
            await asyncio.wait([self._nap])
        finally:
            self._nap.cancel()

    def _renew(self) -> None:
        """Make driver and port anew; one that cannot be made is tried again with the old ones."""
        try:
            self.driver, self.port = self._make()
        except Exception as error:  # noqa: BLE001  # whatever a driver's constructor raises
            bug = DriverBug(f"{type(error).__name__} in the driver's constructor")
            bug.__cause__ = error
            self._failed(bug)

    async def _drop_lane(self, why: EdgeError) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            try:
                await lane.close(why)
            finally:  # also when whoever closes is cancelled
                if not lane.abandoned:
                    self.port.release()
