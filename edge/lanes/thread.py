"""A lane that is a daemon thread of its own. A hung call is abandoned with its thread, and nothing else notices."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from edge.driver import DeviceInfo, Driver
from edge.errors import DeviceTimeout, EdgeError, JobCancelled, Unsupported
from edge.events import Params, Payload
from edge.jobs import DeviceJob
from edge.store.outbox import Row
from edge.traffic import Traffic

WAIT_S = 1.0
_WATCH_S = 1.0
_LAST_EVENTS_S = 0.5  # so long after its close a call may still hand over events

Accept = Callable[[Sequence[Payload], str | None], Sequence[Row]]
"""Makes payloads durable (with the case they belong to) and returns their rows."""


class LanePort(Protocol):
    """What a lane needs of a device's port."""

    last_proof: float | None
    slow_s: float
    beat: Callable[[], None]
    traffic: Traffic

    def begins(self, command: Params | None) -> None: ...
    def monotonic(self) -> float: ...
    def wake(self) -> None: ...
    def release(self) -> None: ...


class DriverBug(EdgeError):
    """A driver raised what is none of ours; the device is opened again."""

    default_code = "DRV-101"
    default_action = "report the log line with this code to the driver's author"


class _Abandoned(BaseException):
    """Ends an abandoned thread as soon as its hung call returns."""


class ThreadLane:
    """Runs one driver. The coroutines are for the event loop, everything else happens in the lane's thread."""

    def __init__(self, device: str, driver: Driver, port: LanePort, accept: Accept) -> None:
        self.driver = driver
        self.port = port
        port.beat = self._beat
        self.busy = False
        self.abandoned = False
        """Whether its thread hangs in a call and was left behind."""
        self.on_change: Callable[[], None] = lambda: None
        """Called in the event loop when a job begins or ends."""
        self.on_watch: Callable[[], None] = lambda: None
        """Called in the event loop again and again while anything of the lane is waited for: it is looked after."""
        self._accept = accept
        self._loop = asyncio.get_running_loop()
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._jobs: deque[DeviceJob] = deque()
        self._running: DeviceJob | None = None
        self._stop = threading.Event()
        self._closed = False
        self._deaf_from = float("inf")
        self._served_from: float | None = None
        self._late_s = 0.0
        """How long the PC has kept the event loop waiting; a driver's thread cannot have got on then either."""
        self._since = self._awake_s()
        self._limit_s: float | None = None
        self._thread = threading.Thread(target=self._main, name=f"lane-{device}", daemon=True)
        self._thread.start()

    async def open(self) -> DeviceInfo:
        """Open the device; raises ``DeviceError`` or :class:`DriverBug`; a hung call is a ``DeviceTimeout``."""
        info: DeviceInfo = await self._watched(self._submit(self.driver.open))
        self.port.traffic.opened()
        return info

    async def serve(self) -> None:
        """Poll until an error, which is raised, or until :meth:`close`."""
        self._served_from = self.port.monotonic()
        await self._watched(self._submit(self._serve))

    def run(self, job: DeviceJob) -> None:
        """Queue *job*: it runs between two polls, and a waiting poll is interrupted. A self-test gives way to it."""
        job.wake, job.beat, job.leave = self.port.wake, self._beat, lambda: self._forget(job)
        self._jobs.append(job)
        if not job.gives_way:
            for other in (self._running, *self._jobs):
                if other is not None and other.gives_way:
                    other.give_way()
        self.port.wake()

    async def close(self, why: EdgeError) -> None:
        """Close the driver and end the thread; a thread that does not end is abandoned.

        Jobs that wait end with *why*, and one that runs is cancelled. Once is enough.
        """
        if self._closed:
            return
        self._closed = True
        self._deaf_from = time.monotonic() + _LAST_EVENTS_S
        self._stop.set()
        while (job := self._next_job()) is not None:
            job.finish(why)
        if (job := self._running) is not None:
            job.cancel()
        self.port.wake()
        try:
            if not self.abandoned:
                with contextlib.suppress(EdgeError):
                    await self._watched(self._submit(self.driver.close))
        finally:  # also when whoever closes is cancelled
            self._work.put(None)

    def _abandon(self, why: EdgeError) -> None:
        """Leave a hung thread behind: it may not report anything any more."""
        self.abandoned = True
        self._stop.set()
        if (job := self._running) is not None:
            job.finish(why)
        # closing a device can hang too
        threading.Thread(target=self.port.release, name=f"{self._thread.name}-release", daemon=True).start()

    # -- event loop side ----------------------------------------------------------------------------

    def _submit(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._beat()
        self._work.put((work, future))
        return future

    async def _watched(self, future: asyncio.Future[Any]) -> Any:
        """Wait for *future* while the driver proves that it is not hung and that its device lives."""
        try:
            while True:
                asked = time.monotonic()
                self.on_watch()
                done, _ = await asyncio.wait([future], timeout=_WATCH_S)
                if done:
                    return future.result()
                late_s = max(0.0, time.monotonic() - asked - _WATCH_S)
                self._late_s += late_s
                if late_s < _WATCH_S:  # else we were stopped ourselves: no time to judge others
                    self._judge()
        finally:
            if not future.cancel():  # nobody waits for it any more
                future.exception()

    def _judge(self) -> None:
        hung_s, limit_s, silent_s = self._awake_s() - self._since, self._limit_s, self._silent_s()
        if limit_s is not None and hung_s > limit_s + self.port.slow_s:
            what, (code, action) = f"a call of the driver has hung for {hung_s:.0f} s", self.driver.hung
            error = DeviceTimeout(what, code=code, action=action)
            self._abandon(error)
            raise error
        if silent_s > (self.driver.proof_s or silent_s):
            code, action = self.driver.silent
            raise DeviceTimeout(f"no sign of life for {silent_s:.0f} s", code=code, action=action)

    def _awake_s(self) -> float:
        """Return the time on a clock that stands still while the PC lets nobody run."""
        return time.monotonic() - self._late_s

    def _silent_s(self) -> float:
        """Return how long the device has said nothing although it could have."""
        if self._served_from is None or self._running is not None:
            return 0.0
        proof = self.port.last_proof
        return self.port.monotonic() - (self._served_from if proof is None else max(proof, self._served_from))

    # -- the lane's thread --------------------------------------------------------------------------

    def _main(self) -> None:
        with contextlib.suppress(_Abandoned):
            while (item := self._work.get()) is not None:
                work, future = item
                try:
                    self._beat()
                    result, error = work(), None
                except _Abandoned:
                    raise
                except EdgeError as raised:
                    result, error = None, raised
                except BaseException as raised:  # noqa: BLE001  # whatever a driver raises ends here
                    error = DriverBug(f"{type(raised).__name__} in the driver")
                    result, error.__cause__ = None, raised
                self._tell(future, result, error)
        if self.abandoned:  # what hung has returned after all, and may hold the device
            with contextlib.suppress(Exception):
                self.driver.close()
            self.port.release()

    def _tell(self, future: asyncio.Future[Any], result: Any, error: EdgeError | None) -> None:
        def settle() -> None:
            if not future.done():
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)

        self._limit_s = None
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(settle)

    def _beat(self) -> None:
        if self.abandoned and threading.current_thread() is self._thread:
            raise _Abandoned
        self._since = self._awake_s()
        self._limit_s = WAIT_S + self.driver.poll_limit_s

    def _serve(self) -> None:
        while not self._stop.is_set():
            self._beat()
            if (job := self._next_job()) is None:
                self._take(self.driver.poll(WAIT_S), None, [])
            elif job.begin():
                self._execute(job)

    def _next_job(self) -> DeviceJob | None:
        with contextlib.suppress(IndexError):
            return self._jobs.popleft()
        return None

    def _forget(self, job: DeviceJob) -> None:
        with contextlib.suppress(ValueError):
            self._jobs.remove(job)

    def _take(self, events: Iterable[Payload], case: str | None, rows: list[Row]) -> None:
        """Make *events* durable: a list at once, a generator one by one (it resumes when its event is)."""
        batches = [events] if isinstance(events, list | tuple) else ((event,) for event in events)
        for batch in batches:
            if time.monotonic() > self._deaf_from:
                return  # it would never end; what is not taken is not acknowledged to the device
            if batch:
                self._limit_s = None  # a slow disk is no hung driver
                if self.abandoned:
                    raise _Abandoned
                rows += self._accept(batch, case)
            self._beat()

    def _execute(self, job: DeviceJob) -> None:
        self._running = job
        if self._stop.is_set():  # close() may have looked just before
            job.cancel()
        elif job.gives_way and self._jobs:  # and so may run()
            job.give_way()
        self._set_busy(busy=not job.gives_way)
        self.port.begins(None if job.gives_way else job.command)
        try:
            job.check()
            self._take(job.do(self.driver), job.case, job.rows)
        except (JobCancelled, Unsupported) as error:
            job.finish(error)
        except EdgeError as error:
            job.finish(error)
            raise
        except BaseException as error:
            job.finish(DriverBug(f"{type(error).__name__} in the driver"))
            raise
        else:
            job.finish()
        finally:
            self._running = None
            self.port.traffic.ends()
            self._set_busy(busy=False)

    def _set_busy(self, *, busy: bool) -> None:
        if self.busy == busy:
            return
        self.busy = busy
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.on_change)
