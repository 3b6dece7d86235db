"""A driver's own process: ``python -m edge.lanes.worker SOCKET DEVICE``, or an instance of a unit for a connection.

The driver runs in the main thread, exactly as in a lane's thread: one call at a time, a generator goes on when its
event is durable. A second thread hears the daemon and says every 0.25 s that this process runs; when the
daemon is gone, it ends the process, whatever the driver does.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import os
import queue
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from importlib import import_module
from typing import Any, NoReturn

import msgspec

from edge import logs
from edge.driver import Driver
from edge.errors import EdgeError, Unsupported
from edge.events import Payload
from edge.jobs import DeviceJob, SelftestJob
from edge.lanes.channel import (
    Accepted,
    Body,
    Cancel,
    Channel,
    Close,
    Events,
    Execute,
    Failed,
    Found,
    Loaded,
    Open,
    Opened,
    Order,
    Poll,
    Progress,
    Selftest,
    Start,
    Told,
    Wake,
    close_all,
    decode,
    encode,
)
from edge.lanes.confine import confine
from edge.lanes.worker_log import send_logs
from edge.lanes.worker_port import WorkerPort

BEAT_S = 0.25
_OUT_OF_ORDER = 70  # EX_SOFTWARE
_LISTEN_FD = 3  # sd_listen_fds(3)


class _Closing(BaseException):
    """The daemon closes the driver in the middle of a call."""


class Worker:
    """Serves one driver. ``run`` is the main thread's, ``hear`` the other's."""

    def __init__(self, channel: Channel, start: Start) -> None:
        self._channel = channel
        self._start = start
        self._port = WorkerPort(start)
        self._port.beat = self._beat
        self._driver: Driver | None = None
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._speaking = threading.Lock()
        self._beats = 0
        self._job: DeviceJob | None = None
        self._cancelled = False

    # --- speaking, any thread ---

    def say(self, body: Body | None) -> None:
        """Tell the daemon *body*; waits while it does not listen."""
        fds: list[int] = []
        if isinstance(body, Events):
            refs, fds = self._port.take_files()
            body = msgspec.structs.replace(body, blobs=refs)
        try:
            with self._speaking:
                self._channel.send(encode(self._told(body)), fds)
        finally:
            close_all(fds)

    def _show_life(self) -> None:
        """Say that the process runs, unless more is just being said or the daemon does not listen."""
        if self._speaking.acquire(blocking=False):
            try:
                with contextlib.suppress(BlockingIOError):
                    self._channel.send(encode(self._told(None)), wait=False)
            finally:
                self._speaking.release()

    def _told(self, body: Body | None) -> Told:
        proof, now = self._port.last_proof, self._port.monotonic()
        age = None if proof is None else max(0.0, now - proof)
        return Told(self._beats, age, self._port.simulated, body, self._port.slow_s)

    # --- hearing, a thread of its own ---

    def hear(self) -> None:
        """Hear the daemon for ever; end the process when the daemon is gone, or when hearing fails."""
        try:
            self._hear()
        except (EOFError, ConnectionError):
            os._exit(0)
        finally:
            os._exit(_OUT_OF_ORDER)

    def _hear(self) -> None:
        poll, due = select.poll(), 0.0
        poll.register(self._channel, select.POLLIN)
        while True:
            if poll.poll(max(0.0, due - time.monotonic()) * 1000):
                self._take(decode(self._channel.receive()[0], Order))
            if time.monotonic() >= due:
                self._show_life()
                due = time.monotonic() + BEAT_S

    def _take(self, order: Order) -> None:
        if isinstance(order, Wake):
            self._port.wake()
            self._show_life()
        elif isinstance(order, Cancel):
            self._cancelled = True
            if self._job is not None:
                self._job.cancel()
        else:
            if isinstance(order, Execute | Selftest):
                self._cancelled = False
            self._orders.put(order)

    # --- the driver's thread ---

    def run(self) -> None:
        """Do what the daemon orders, until it closes the driver."""
        self._answer(self._load)
        while not isinstance(order := self._orders.get(), Close):
            self._answer(functools.partial(self._do, order))
        self._close()

    def _answer(self, work: Callable[[], Body]) -> None:
        self._beat()
        try:
            body = work()
        except _Closing:
            self._close()
        except BaseException as error:  # noqa: BLE001  # whatever a driver raises is told the daemon
            body = self._failed(error)
        self._beat()
        self.say(body)

    def _load(self) -> Loaded:
        found: Any = import_module(self._start.module)
        for name in self._start.name.split("."):
            found = getattr(found, name)
        settings = decode(self._start.settings, found.settings_type)
        self._driver = found(settings, self._port)
        return Loaded()

    def _do(self, order: Order) -> Body:
        if self._driver is None or not isinstance(order, Open | Poll | Execute | Selftest):
            raise RuntimeError(f"{type(order).__name__} comes at the wrong time")
        if isinstance(order, Open):
            info = self._driver.open()
            return Opened(info=info, proof_s=self._driver.proof_s)
        if isinstance(order, Poll):
            return self._yielded(self._driver.poll(order.wait_s))
        if isinstance(order, Selftest):
            return self._selftest(self._driver, order)
        return self._execute(self._driver, order)

    def _execute(self, driver: Driver, order: Execute) -> Events:
        known = (one for one in driver.commands if (one.kind, one.command) == (order.kind, order.command))
        if (kind := next(known, None)) is None:
            raise Unsupported(f"the driver knows no command {order.command}")
        deadline = time.monotonic() + order.remaining_s
        job = DeviceJob(order.request_id, decode(order.params, kind), deadline, progress=self._progress)
        with self._under_way(job):
            return self._yielded(driver.execute(job.command, job))

    def _selftest(self, driver: Driver, order: Selftest) -> Found:
        deadline = time.monotonic() + order.remaining_s
        job = SelftestJob(order.level, deadline, ask=lambda code: self._progress(code, None, None))
        with self._under_way(job):
            for finding in driver.selftest(order.level, job):
                self._beat()
                self.say(Found(finding=finding))
        return Found()

    @contextlib.contextmanager
    def _under_way(self, job: DeviceJob) -> Iterator[None]:
        job.beat, job.wake = self._beat, self._port.wake
        job.begin()
        self._job = job
        if self._cancelled:  # before there was a job
            job.cancel()
        try:
            yield
        finally:
            self._job = None

    def _progress(self, text_code: str, step: int | None, of: int | None) -> None:
        self.say(Progress(text_code=text_code, step=step, of=of))

    def _yielded(self, events: Iterable[Payload]) -> Events:
        """Hand on *events*: a list at once, a generator one by one; return the end of the call."""
        if isinstance(events, list | tuple):
            return Events(events=[_named(event) for event in events])
        for event in events:
            self._beat()
            self.say(Events(events=[_named(event)], more=True))
            if not isinstance(self._orders.get(), Accepted):
                if isinstance(events, Generator):
                    events.close()
                raise _Closing
            self._beat()
        return Events()

    def _close(self) -> NoReturn:
        """Close the device and end at once: a library's own clean-up may crash, and nothing is left to save."""
        try:
            if self._driver is not None:
                self._driver.close()
        except BaseException as error:  # noqa: BLE001  # logged, and the process ends all the same
            logs.for_device(self._port.device).error("closing the device failed", exc_info=error)
        os._exit(0)

    def _beat(self) -> None:
        self._beats += 1

    def _failed(self, error: BaseException) -> Failed:
        if isinstance(error, EdgeError):
            kinds = [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, EdgeError)]
            return Failed(kinds=kinds, message=error.message, code=error.code, action=error.action)
        if isinstance(error, MemoryError):
            limit = f"the driver needs more than the {self._start.memory_mb} MiB of memory that it may use"
            return Failed(kinds=["ProcessFault"], message=limit, where=logs.where(error))
        if isinstance(error, _Unfit):
            return Failed(kinds=["BadPayload"], message=str(error))
        return Failed(kinds=[], message=type(error).__name__, where=logs.where(error))


class _Unfit(Exception):
    """An event holds what cannot be encoded."""


def _named(event: Payload) -> tuple[str, msgspec.Raw]:
    try:
        return f"hall.{event.kind}.{event.type}.v1", msgspec.Raw(encode(event))
    except (TypeError, ValueError, OverflowError):
        raise _Unfit(f"{event!r} does not fit the vocabulary") from None


def _hired(channel: Channel) -> Start:
    """Say that we are here, and hear which driver to be; end when it was only a trial."""
    channel.send(encode(Told(0, None, False)))
    try:
        data, (crash,) = channel.receive()
        start: Start = decode(data, Start)
    except (EOFError, ConnectionError):
        sys.exit(0)
    os.environ.update(start.environment)
    faulthandler.enable(crash, all_threads=False)
    return start


def main(sock_fd: int) -> None:
    """Serve the daemon on the socket; where a crash happens is written to a file of the daemon's."""
    os.set_inheritable(sock_fd, False)
    channel = Channel(socket.socket(fileno=sock_fd))
    start = _hired(channel)
    confine(start.parent, start.memory_mb)
    worker = Worker(channel, start)
    send_logs(start.log_level, worker.say)
    threading.Thread(target=worker.hear, name="daemon", daemon=True).start()
    worker.run()


if __name__ == "__main__":
    if os.environ.pop("LISTEN_PID", None) == str(os.getpid()):  # an instance of a unit
        with contextlib.suppress(PermissionError):  # systemd has made it a session of its own already
            os.setsid()
        main(_LISTEN_FD)
    else:
        main(int(sys.argv[1]))
