"""The subscriber a back office uses: ``async with Subscriber(…) as s: async for event in s: …``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import aiomqtt
from joserfc.jwk import ECKey

from edge.events import Params
from edge.sealing.jwe import Opener
from edge.subscriber.acks import Acknowledger
from edge.subscriber.address import Address, Login
from edge.subscriber.blob_desk import BlobDesk
from edge.subscriber.blob_files import BlobFolder
from edge.subscriber.blob_line import BlobLine
from edge.subscriber.event import Event
from edge.subscriber.intake import Intake
from edge.subscriber.keys import opener_of
from edge.subscriber.link import Link
from edge.subscriber.model import Delivery, Gap, Limits, Notice
from edge.subscriber.packing import Signer
from edge.subscriber.position import PositionFile
from edge.subscriber.requests import Completion, Reply, Requester
from edge.subscriber.topics import checked_name
from edge.subscriber.windows import Windows

log = logging.getLogger(__name__)

SESSION_S = 3 * 86_400
BLOB_SESSION_S = 60
"""Parts that wait longer at the broker are asked for again instead: it must not keep gigabytes for who is away."""
TICK_S = 0.1
LAST_WORDS_S = 2.0


class Subscriber:
    """Delivers every event of the windows once and in the order of each window, and acknowledges it.

    An event counts as processed when the next one is asked for (or :meth:`done` is called): a consumer that raises
    gets the event again after its restart, when *position* names a file. Without *position* it begins with the first
    event seen (``edge.subscriber.sequence`` says precisely where). *keys* (private, or paths to them) open the sealed
    views. *blobs* is a folder for pictures and documents: an event that brings one is delivered when its file is
    there (:attr:`Event.blob`). *on_notice* is called with a :class:`Gap` when it is named and when it is over, with
    a :class:`NewStore`, and with a :class:`WentBack`. With *observe* nothing is published: no acknowledgement, no
    question. Only one task may iterate.
    """

    def __init__(  # noqa: PLR0913  keyword-only settings, all but two with a default
        self,
        url: str,
        *,
        name: str,
        hall: str = "+",
        window: str = "+",
        keys: Sequence[ECKey | Path] = (),
        opener: Opener | None = None,
        position: Path | None = None,
        blobs: Path | None = None,
        login: Login | None = None,
        signer: Signer | None = None,
        on_notice: Callable[[Notice], None] | None = None,
        observe: bool = False,
        session_expiry_s: int = SESSION_S,
        limits: Limits | None = None,
    ) -> None:
        """Check everything, connect to nothing; raises ``BadArgument`` or ``SealError``."""
        self._name = checked_name(name, "subscriber")
        self._scope = (checked_name(hall, "hall", wildcard=True), checked_name(window, "window", wildcard=True))
        opener = opener or opener_of(keys)
        self._address = Address.parse(url, login)
        self._file = PositionFile(position, name) if position else None
        self._limits = limits or Limits()
        self._on_notice, self._observe = on_notice, observe
        self._waiting, self._room, self._was_up = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._current: Delivery | None = None
        self._requester: Requester | None = None
        self._signer = signer
        self._stopped: BaseException | None = None
        self._blocked = False
        self._tasks: list[asyncio.Task[None]] = []
        desk = BlobDesk(BlobFolder(blobs), self._limits) if blobs else None
        self._intake = Intake(self._scope, opener, self._limits, self._notice, desk)
        client_id, topics = f"hall-edge-subscriber-{name}", self._intake.topics(name)
        self._link = Link(self._address, client_id, topics, self._receive, self._up, session_expiry_s=session_expiry_s)
        self._blobs = self._blob_line(desk, client_id, session_expiry_s) if desk else None
        self._acks = Acknowledger(name, self._intake, self._link, self._limits, self._file, silent=observe)

    def _blob_line(self, desk: BlobDesk, client_id: str, session_expiry_s: int) -> BlobLine:
        def link(suffix: str, *more: Any) -> Link:
            expiry_s = min(session_expiry_s, BLOB_SESSION_S)
            return Link(self._address, client_id + suffix, *more, session_expiry_s=expiry_s)

        changed = self._look_ready
        return BlobLine(desk, self._intake, link, room=self._has_room, changed=changed, up=self._up)

    async def __aenter__(self) -> Self:
        """Begin to connect; return at once, also when the broker is not there.

        Raises ``PositionError`` or ``BlobFolderError``.
        """
        if self._file:
            marks = await asyncio.to_thread(self._file.read)
            self._intake.begin(self._name, marks)
            self._acks.begin(marks)
        if self._blobs:
            await self._blobs.begin()
        self._tasks = [self._start(self._link.run()), self._start(self._keep_house())]
        if self._blobs:
            self._tasks += [self._start(self._blobs.run()), self._start(self._blobs.assemble())]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Acknowledge what was processed, and disconnect. What was not stays unacknowledged."""
        link, house, *blobs = self._tasks
        await _ended(house, *blobs)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self._step(last=True)
        await _ended(link)
        if self._requester:
            await self._requester.close()
            self._requester = None
        self._stop(StopAsyncIteration())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        self.done()
        while (delivery := self._next()) is None:
            if self._stopped:
                raise self._stopped
            self._waiting.clear()
            await self._waiting.wait()
        self._current = delivery
        return Event(delivery)

    def _next(self) -> Delivery | None:
        """Return the next event for the consumer; what was delivered before is counted as processed once more."""
        while self._intake.ready:
            delivery = self._intake.ready.popleft()
            self._room.set()
            if not delivery.passed:
                return delivery
            self._acks.done(delivery)
        return None

    def done(self) -> None:
        """Count the event delivered last as processed, without asking for the next one."""
        if self._current:
            self._acks.done(self._current)
        self._current = None

    async def ready(self) -> None:
        """Wait until the broker has accepted the subscriptions for the first time."""
        await self._was_up.wait()
        if self._stopped:
            raise self._stopped

    @property
    def connected(self) -> bool:
        """Return whether the broker has accepted the subscriptions, and the connection stands."""
        return self._link.connected and (self._blobs is None or self._blobs.connected)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Return the gaps that are named and not over, of all windows."""
        return tuple(gap for sequence in self._intake.sequences.values() for gap in sequence.gaps)

    @property
    def windows(self) -> Windows:
        """Return what the retained topics say, by ``hall/window``."""
        return self._intake.windows

    @property
    def duplicates(self) -> int:
        """Return how many views were dropped because they were here already."""
        return sum(sequence.duplicates for sequence in self._intake.sequences.values())

    @property
    def refused(self) -> int:
        """Return how many messages were not what the contract says."""
        return self._intake.refused + (self._blobs.refused if self._blobs else 0)

    async def request(
        self,
        window: str,
        device: str,
        command: str,
        params: Mapping[str, Any] | Params | None = None,
        *,
        timeout_s: float = 30.0,
        case: str | None = None,
        on_progress: Callable[[Reply], None] | None = None,
    ) -> Completion:
        """Ask *device* of *window* for something; see :meth:`Requester.request`."""
        if self._requester is None:
            self._requester = Requester(self._address, name=self._name, hall=self._scope[0], signer=self._signer)
            self._requester.start()
        return await self._requester.request(
            window, device, command, params, timeout_s=timeout_s, case=case, on_progress=on_progress
        )

    async def _receive(self, message: aiomqtt.Message) -> None:
        """Take one message; then wait while the consumer has enough to do."""
        self._intake.take(message)
        await self._has_room()
        self._look_ready()
        if self._blobs:
            self._blobs.look()

    async def _has_room(self) -> None:
        """Wait while the consumer has enough to do."""
        while self._is_full():
            self._blocked = True
            self._waiting.set()
            self._room.clear()
            await self._room.wait()
        if self._blocked:
            self._blocked = False
            self._resume()

    def _is_full(self) -> bool:
        """Return whether nothing more should be taken. Who cannot ask again takes one by one, each when it is safe."""
        if self._observe and self._file:
            return bool(self._intake.ready) or self._current is not None or self._acks.unsaved
        return len(self._intake.ready) >= self._limits.queue

    def _look_ready(self) -> None:
        if self._intake.ready:
            self._waiting.set()

    def _up(self) -> None:
        if self.connected:
            self._was_up.set()
        self._acks.again()
        self._resume()

    def _resume(self) -> None:
        now = time.monotonic()
        for sequence in self._intake.sequences.values():
            sequence.resume(now)
        if self._blobs:
            self._blobs.resume()

    async def _keep_house(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._acks.full.wait()
            await self._step()

    async def _step(self, *, last: bool = False) -> None:
        now = time.monotonic()
        reading = self._link.connected and not self._blocked
        if reading and not last:
            for name, sequence in self._intake.sequences.items():
                sequence.tick(now)
                self._intake.collect(name)
        self._look_ready()
        if self._blobs and not last:
            asks = reading and not self._observe
            await self._blobs.step(now, self._link.send if asks else None, self._name)
        await self._acks.step(now, asking=reading and not last, last=last)
        self._room.set()

    def _notice(self, notice: Notice) -> None:
        level = logging.INFO if isinstance(notice, Gap) and notice.state != "lost" else logging.WARNING
        log.log(level, "%s", notice)
        if self._on_notice:
            self._on_notice(notice)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._task_ended)
        return task

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        """Hand a bug to the consumer, who would wait for ever."""
        if not task.cancelled() and (error := task.exception()):
            self._stop(error)

    def _stop(self, reason: BaseException) -> None:
        self._stopped = self._stopped or reason
        self._was_up.set()
        self._waiting.set()


async def _ended(*tasks: asyncio.Task[None]) -> None:
    """Cancel *tasks* and wait; their errors, if any, were handed to the consumer."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
