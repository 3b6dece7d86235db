"""A back office in a thread of its own, on the real subscriber library: what it was given, in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from edge.subscriber import Event, Gap, Notice, Subscriber
from edge.subscriber.address import Login
from tests.support.wait import wait_until, wait_until_async


class Office:
    """Subscribes as *name* to one hall and keeps all events; a context manager."""

    def __init__(
        self, url: str, name: str, hall: str, keys: Sequence[Path] = (), folder: Path | None = None,
        login: Login | None = None,
    ) -> None:  # fmt: skip
        """With *folder* it keeps its position and blobs there, and gets what was kept for it before."""
        self.events: list[Event] = []
        self.gaps: list[Gap] = []
        self.duplicates = 0
        self._settings = (url, name, hall, keys, folder, login)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._connected = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()), name="office", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(self._connected.is_set, 60, "the back office is connected")
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)

    @property
    def seqs(self) -> list[int]:
        return [event.seq for event in list(self.events)]

    def wait_seq(self, seq: int, deadline_s: float = 30.0) -> None:
        """Wait until everything up to *seq* was delivered."""
        wait_until(lambda: self.events and self.events[-1].seq >= seq, deadline_s, f"seq {seq} is delivered")

    async def _listen(self) -> None:
        url, name, hall, keys, folder, login = self._settings
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            kept: dict[str, Any] = {"position": folder / "position.json", "blobs": folder / "blobs"} if folder else {}
            subscriber = Subscriber(url, name=name, hall=hall, keys=keys, login=login, on_notice=self._noticed, **kept)
            async with subscriber as office:
                watching = asyncio.create_task(self._watch(office))  # beside it: what waits has to be taken meanwhile
                try:
                    async for event in office:
                        self.events.append(event)
                        self.duplicates = office.duplicates
                finally:
                    watching.cancel()
        except asyncio.CancelledError:
            pass

    async def _watch(self, office: Subscriber) -> None:
        await wait_until_async(lambda: office.connected, 60, "the back office is connected")
        self._connected.set()

    def _noticed(self, notice: Notice) -> None:
        if isinstance(notice, Gap):
            self.gaps.append(notice)
