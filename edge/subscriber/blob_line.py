"""The subscriber's connection for blobs, and the task that puts them together.

Blobs have a connection of their own here too: half a megabyte of parts must not stand before an event.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import aiomqtt

from edge.subscriber.blob_desk import BlobDesk
from edge.subscriber.errors import Refused
from edge.subscriber.intake import Intake
from edge.subscriber.link import Link
from edge.subscriber.topics import ROOT

log = logging.getLogger(__name__)

_SUFFIX = "-blobs"


class BlobLine:
    """Receives, assembles and asks. *room* waits while the consumer has enough; *changed* hears of new deliveries."""

    def __init__(
        self,
        desk: BlobDesk,
        intake: Intake,
        link: Callable[..., Link],
        *,
        room: Callable[[], Awaitable[None]],
        changed: Callable[[], None],
        up: Callable[[], None],
    ) -> None:
        """*link* makes a connection from a client id's suffix, topics, and what to call with messages and when up."""
        self._desk, self._intake, self._room, self._changed, self._on_up = desk, intake, room, changed, up
        self._work = asyncio.Event()
        self._link = link(_SUFFIX, intake.blob_topics(), self._receive, self._up)

    @property
    def connected(self) -> bool:
        return self._link.connected

    @property
    def refused(self) -> int:
        """Return how many parts and manifests did not fit."""
        return self._desk.refused

    async def begin(self) -> None:
        """Look at what an earlier life left; raises ``BlobFolderError``."""
        await asyncio.to_thread(self._desk.begin, time.monotonic())

    async def run(self) -> None:
        """Stay connected until cancelled."""
        await self._link.run()

    def look(self) -> None:
        """Put together what is whole by now."""
        self._work.set()

    def resume(self) -> None:
        """Count waiting times anew."""
        self._desk.resume(time.monotonic())

    async def assemble(self) -> None:
        """Put blobs together, one after the other, in a thread; a cancellation waits for the one under way."""
        while True:
            self._work.clear()
            while (found := self._desk.ready()) is not None:
                key, work = found
                working = asyncio.ensure_future(asyncio.to_thread(work))
                try:
                    await asyncio.wait([working])
                finally:
                    await asyncio.wait([working])
                    self._desk.assembled(key, working.result, time.monotonic())
                self._collect()
            await self._work.wait()

    async def step(self, now: float, send: Callable[[str, bytes], Awaitable[int]] | None, name: str) -> None:
        """Look at the time; with *send*, ask for what is missing."""
        self._desk.tick(now)
        self._collect()
        for window, body in self._desk.questions(now) if send else ():
            try:
                assert send is not None  # noqa: S101  the line above
                await send(f"{ROOT}/{window}/replay/{name}", body)
            except aiomqtt.MqttError:
                return
            except Refused as error:
                log.error("parts of a blob are not asked for: %s", error)
        self.look()

    def _collect(self) -> None:
        self._intake.collect_blobs()
        self._changed()

    def _up(self) -> None:
        self.resume()
        self._on_up()

    async def _receive(self, message: aiomqtt.Message) -> None:
        await self._room()
        self._intake.take(message)
        self.look()
