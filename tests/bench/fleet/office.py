"""The process of the back office, on the subscriber library: ``python -m tests.bench.fleet.office``."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge.subscriber import Gap, Login, Notice, Subscriber
from tests.bench.figures import percentile
from tests.bench.fleet.child import serve
from tests.support.wait import wait_until_async


class Desk:
    """Counts what is delivered, and how long it took since it was due."""

    def __init__(self) -> None:
        self._latencies_ms: list[float] = []
        self._taken = 0
        self._gaps = 0
        self._subscriber: Subscriber | None = None
        self._listening: asyncio.Task[None] | None = None

    async def do(self, order: dict[str, Any]) -> dict[str, Any]:
        what = order.pop("do")
        if what == "begin":
            self._listening = asyncio.create_task(self._listen(**order))
            await wait_until_async(lambda: self._subscriber and self._subscriber.connected, 60, "the office listens")
        elif what == "reach":
            with suppress(AssertionError):  # the parent sees how many are missing
                await wait_until_async(lambda: self._taken >= order["count"], order["limit_s"])
        elif what == "look":
            self._latencies_ms.clear()
        latencies = self._latencies_ms
        said: dict[str, Any] = {"taken": self._taken, "gaps": self._gaps}
        if latencies:
            said |= {"p50": percentile(latencies, 50), "p99": percentile(latencies, 99)}
        return said

    async def _listen(self, url: str, name: str, hall: str, folder: str, ca: str | None) -> None:
        login = None
        if ca:
            base = Path(ca)
            own = base / "system" / name
            login = Login(ca=base / "ca.pem", certificate=own.with_suffix(".pem"), key=own.with_suffix(".key"))
        position = Path(folder) / "position.json"
        subscriber = Subscriber(url, name=name, hall=hall, position=position, login=login, on_notice=self._noticed)
        async with subscriber as self._subscriber:
            async for event in subscriber:
                self._taken += 1
                self._latencies_ms.append(time.monotonic_ns() / 1e6 - int(event.data["text"]) / 1e6)

    def _noticed(self, notice: Notice) -> None:
        self._gaps += isinstance(notice, Gap)

    async def run(self) -> None:
        await serve(self.do)
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(Desk().run())
