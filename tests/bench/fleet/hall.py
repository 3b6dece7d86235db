"""The process of the simulated windows: ``python -m tests.bench.fleet.hall``, told what to do by :mod:`child`."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from pathlib import Path
from typing import Any

from edge.subscriber import Login
from edge.subscriber.address import Address
from tests.bench.fleet.child import serve
from tests.bench.fleet.window import HEALTH_S, KEEPALIVE_S, Place, SimulatedWindow
from tests.support.wait import wait_until_async


class Hall:
    """All windows of one process."""

    def __init__(self) -> None:
        self._windows: list[SimulatedWindow] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def do(self, order: dict[str, Any]) -> dict[str, Any]:
        what = order.pop("do")
        if what == "begin":
            await self._begin(**order)
        elif what == "publish":
            await self._publish(**order)
        elif what == "returned":
            await wait_until_async(lambda: self._up_again(order["connects"]), order["limit_s"], "all windows are back")
            return {"up_at": sorted(window.up_at for window in self._windows)}
        return {
            "seq": sum(window.seq for window in self._windows), "up": sum(window.up for window in self._windows),
            "unconfirmed": sum(window.unconfirmed for window in self._windows),
            "refused": sum(window.refused for window in self._windows),
            "connects": [window.connects for window in self._windows],
        }  # fmt: skip

    async def _begin(self, hall: str, names: list[str], host: str, port: int, ca: str | None) -> None:
        for name in names:
            tls = _tls(Path(ca), f"window/{hall}/{name}") if ca else None
            self._windows.append(SimulatedWindow(hall, name, Place(host, port, tls)))
        self._tasks = [asyncio.create_task(window.run()) for window in self._windows]
        await wait_until_async(lambda: all(window.up for window in self._windows), 120, "all windows are connected")
        self._tasks.append(asyncio.create_task(self._keep_alive()))

    async def _publish(self, rate: float, seconds: float) -> None:
        """Let events happen at *rate* a second, as in a hall: at random, and at any window."""
        due = time.monotonic()
        end = due + seconds
        while (due := due + random.expovariate(rate)) < end:
            if (wait_s := due - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            random.choice(self._windows).event(int(due * 1e9))
        await asyncio.sleep(max(0.0, end - time.monotonic()))

    async def _keep_alive(self) -> None:
        rounds = 0
        while True:
            for number, window in enumerate(self._windows):
                window.ping()
                if (rounds * KEEPALIVE_S + number % HEALTH_S) % HEALTH_S < KEEPALIVE_S:
                    window.tell_health()
                await asyncio.sleep(KEEPALIVE_S / len(self._windows))
            rounds += 1

    def _up_again(self, connects: list[int]) -> bool:
        return all(
            window.up and window.connects > before for window, before in zip(self._windows, connects, strict=True)
        )

    async def run(self) -> None:
        await serve(self.do)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _tls(ca: Path, name: str) -> ssl.SSLContext | None:
    login = Login(ca=ca / "ca.pem", certificate=ca / f"{name}.pem", key=ca / f"{name}.key")
    return Address.parse("mqtts://localhost:1", login).tls


if __name__ == "__main__":
    asyncio.run(Hall().run())
