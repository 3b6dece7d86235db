"""The daemon's side of the self-test: one at a time, for the control socket and for the back office."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec

from edge import __version__, logs
from edge.errors import EdgeError
from edge.health import stamp
from edge.reload import in_thread
from edge.selftest.model import Begun, Message, Report
from edge.selftest.runner import Runner
from edge.selftest.scene import Scene, Wanted, host
from edge.selftest.wire import AlreadyTesting, told

_log = logs.get("selftest")


class _Running(NamedTuple):
    by: str
    pid: int
    since: str


class SelfTests:
    """Tests the window of *scene*, which is made anew each time. For the event loop."""

    def __init__(self, scene: Callable[[Wanted], Scene]) -> None:
        self._scene = scene
        self._running: _Running | None = None

    async def stream(self, asked: dict[str, Any], gone: asyncio.Event) -> AsyncIterator[dict[str, Any]]:
        """Answer the verb ``selftest`` on the control socket, until the caller is *gone*."""
        wanted = wanted_of({key: value for key, value in asked.items() if key not in ("verb", "pid")})
        pid = asked.get("pid")
        async with aclosing(_until(gone, self.messages(wanted, pid if isinstance(pid, int) else 0))) as messages:
            async for message in messages:
                yield told(message)

    def busy(self) -> AlreadyTesting | None:
        """Return the error that says who tests now."""
        return None if self._running is None else AlreadyTesting.of(*self._running)

    async def messages(self, wanted: Wanted, pid: int = 0) -> AsyncGenerator[Message, None]:
        """Run one; raises :class:`AlreadyTesting`."""
        if (busy := self.busy()) is not None:
            raise busy
        self._running = _Running(wanted.who(), pid, stamp())
        _log.info("a self-test begins", extra={"fields": {"by": wanted.who(), "pid": pid, "level": wanted.level}})
        try:
            async with aclosing(run(self._scene(wanted))) as messages:
                async for message in messages:
                    if isinstance(message, Report):
                        _log.info("a self-test has ended", extra={"fields": _figures(message)})
                    yield message
        finally:
            self._running = None


async def run(scene: Scene) -> AsyncGenerator[Message, None]:
    """Test the window of *scene*; raises ``EdgeError`` for a device that there is not."""
    checks = await in_thread(
        "selftest-load", lambda: importlib.import_module("edge.selftest.plan")
    )  # not at each start
    window, plan = scene.config.window, checks.planned(scene)
    head = Begun(
        hall=window.hall, window=window.window, host=host(), version=__version__, level=scene.wanted.level,
        daemon=scene.daemon, started=stamp(), names=tuple(one.name for one in plan),
    )  # fmt: skip
    async with aclosing(Runner(head, plan).messages()) as messages:
        async for message in messages:
            yield message


def wanted_of(asked: dict[str, Any]) -> Wanted:
    """Return what *asked* says; raises ``EdgeError``."""
    try:
        return msgspec.convert(asked, Wanted)
    except msgspec.ValidationError as error:
        where = str(error).rpartition("`")[0].rpartition("`")[2] or "$"
        message = f"a self-test cannot be asked for so: wrong at {where}"
        raise EdgeError(message, code="TST-106", action="see hall-edge selftest --help") from None


def _figures(report: Report) -> dict[str, str | int | float]:
    failed = ",".join(sorted({check.code for check in report.checks if check.result == "fail"}))
    return {"answer": report.answer, "took_s": report.took_s, "failed": failed}


async def _until(gone: asyncio.Event, messages: AsyncGenerator[Message, None]) -> AsyncGenerator[Message, None]:
    """Yield *messages* until nobody listens any more."""
    left = asyncio.ensure_future(gone.wait())
    turn: asyncio.Future[Message | None] | None = None
    try:
        while True:
            turn = asyncio.ensure_future(anext(messages, None))
            await asyncio.wait([turn, left], return_when=asyncio.FIRST_COMPLETED)
            if not turn.done() or (message := turn.result()) is None:
                return
            yield message
    finally:
        left.cancel()
        if turn is not None and not turn.done():
            turn.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await turn
        await messages.aclose()
