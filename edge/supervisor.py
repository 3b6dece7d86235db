"""One state machine a device. The supervisor alone decides to retry, and what "ready" means.

::

    starting ──open──► ready ◄──job──► busy
       ▲                 │ error (its class says which state)
       └── back-off ── absent · denied · held · stuck · fault · attention

An absent device is opened as soon as its node is there; everything else is retried with a jittered back-off,
0.5 → 30 s, or as soon as it was unplugged and plugged in again. The first failure is logged loudly, repeats
quietly, the return once with its duration.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from edge import logs
from edge.driver import DeviceInfo, Driver
from edge.errors import DeviceAbsent, DeviceError, DeviceLost, EdgeError, JobCancelled
from edge.events import Payload
from edge.jobs import DeviceJob
from edge.lanes.thread import DriverBug, ThreadLane
from edge.outbox import Row
from edge.port import DevicePort
from edge.wire import State

_BACKOFF_S = (0.5, 30.0)
_LOOK_S = 0.2  # how often an absent device's node is looked for
_STEADY_S = 10.0  # ready for so long: the next failure starts with the shortest back-off again
USABLE = ("ready", "busy")


@dataclass(frozen=True)
class DeviceState:
    """What the retained status of a device says; ``since`` and ``proven`` are on the monotonic clock."""

    state: State
    since: float
    reason: str | None = None
    code: str | None = None
    action: str | None = None


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
        self.failures = 0
        self.bugs = 0
        self._make = make
        self._accept = accept
        self._changed = changed
        self._clock, self._sleep = clock, sleep
        self._log = logs.for_device(name)
        self._lane: ThreadLane | None = None
        self._ready_at = 0.0
        self._down_since: float | None = None

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
            await self._drop_lane(JobCancelled("the daemon stops"))

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

    async def _live(self) -> None:
        """Open the device and serve it until something fails."""
        self._lane = ThreadLane(
            self.name, self.driver, self.port, lambda events, case: self._accept(self, events, case)
        )
        self._lane.on_change = self._look_busy
        self.info = await self._lane.open()
        waiting = self.driver.proof_s is not None and self.port.last_proof is None
        if not waiting:
            self._ready()
        elif self.current.state in ("starting", "absent"):  # else it keeps the state that it failed with
            self._enter("starting", reason="waiting for the first sign of life")
        serving = asyncio.ensure_future(self._lane.serve())
        try:
            while waiting and not serving.done():
                await asyncio.wait([serving], timeout=_LOOK_S)
                if self.port.last_proof is not None:
                    waiting = False
                    self._ready()
            await serving
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError, EdgeError):
                await serving

    def _ready(self) -> None:
        if self._down_since is not None:
            away_s = round(self._clock() - self._down_since, 1)
            self._log.info("the device is back", extra={"fields": {"away_s": away_s, "tries": self.failures}})
        self._down_since = None
        self._ready_at = self._clock()
        self._enter("ready")

    def _look_busy(self) -> None:
        if self._lane is not None and self.usable:
            self._enter("busy" if self._lane.busy else "ready")

    def _failed(self, error: EdgeError) -> None:
        if self.usable and self._clock() - self._ready_at > _STEADY_S:
            self.failures = 0
        self.failures += 1
        if self._down_since is None:
            self._down_since = self._clock()
        if isinstance(error, DriverBug):
            self.bugs += 1
            self._log.error(error.message, exc_info=error.__cause__, extra={"fields": {"code": error.code}})
        state: State = error.state if isinstance(error, DeviceError) else "fault"
        known = self.current.state == state and self.current.code == error.code
        fields = {"code": error.code, "state": state, "action": error.action, "tries": self.failures}
        (self._log.debug if known else self._log.warning)(error.message, extra={"fields": fields})
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
        # jittered, so that the devices of a hub do not come back at the same moment
        delay = min(_BACKOFF_S[1], _BACKOFF_S[0] * 2 ** min(self.failures - 1, 6)) * random.uniform(0.5, 1.0)  # noqa: S311
        end = self._clock() + delay
        while not self.port.present() or self._clock() < end:
            if not self.port.present():
                self.failures, end = 0, self._clock()  # what is plugged in again is a new start
                if self.current.state != "absent":
                    absent = DeviceAbsent(f"{self.port.address.target} is not there any more")
                    self._enter("absent", absent.message, absent.code, absent.action)
            await self._sleep(min(_LOOK_S, max(0.0, end - self._clock()) or _LOOK_S))

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
            await lane.close(why)
            if not lane.abandoned:
                self.port.release()
