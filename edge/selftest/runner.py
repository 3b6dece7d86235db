"""Runs checks side by side, each with its time limit, and tells of each as it finishes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple

from msgspec.structs import replace

from edge import logs
from edge.errors import EdgeError
from edge.selftest.model import Ask, Asker, Begun, Check, Message, Part, Report, answer

CODES = {
    "TST-102": "the check has not ended within {limit_s:.0f} s",
    "TST-103": "the check itself failed: {what}",
}
"""Why a check has no result of its own."""
LIMIT_S = 8.0
"""So long a check of the window may take; the internal level then ends within 10 s."""
_END_S = 1.0
_log = logs.get("selftest")


class Planned(NamedTuple):
    """Something to look at; *look* yields one or several checks."""

    part: Part
    name: str
    look: Callable[[Asker], AsyncIterator[Check]]
    limit_s: float = LIMIT_S


class Runner:
    """One self-test."""

    def __init__(self, head: Begun, planned: Sequence[Planned], clock: Callable[[], float] = time.monotonic) -> None:
        self._head, self._planned, self._clock = head, planned, clock
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._found: list[list[Check]] = [[] for _ in planned]
        self._began = clock()

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Run everything; whoever stops listening (``aclose``) ends it."""
        yield self._head
        tasks = [
            asyncio.create_task(self._run(one, found)) for one, found in zip(self._planned, self._found, strict=True)
        ]
        running = len(tasks)
        try:
            while running:
                message = await self._queue.get()
                if message is None:
                    running -= 1
                else:
                    yield message
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=_END_S)
        yield self.report()

    def report(self) -> Report:
        """Return what was found, in the order of the plan."""
        head, checks = self._head, tuple(check for found in self._found for check in found)
        return Report(
            hall=head.hall, window=head.window, host=head.host, version=head.version, level=head.level,
            daemon=head.daemon, started=head.started, took_s=round(self._clock() - self._began, 1),
            answer=answer(checks), checks=checks,
        )  # fmt: skip

    async def _run(self, planned: Planned, found: list[Check]) -> None:
        """Look at one thing; what hangs is given up, and may say nothing any more."""
        began = self._clock()
        late = False

        def tell(check: Check) -> None:
            if not late:
                took_s = check.took_s or self._clock() - began
                found.append(_timed(check, took_s))
                self._queue.put_nowait(found[-1])

        def ask(code: str, wait_s: float) -> None:
            if not late:
                self._queue.put_nowait(Ask(device=planned.name, code=code, wait_s=wait_s))

        looking = asyncio.create_task(_looked(planned, tell, ask), name=f"selftest-{planned.name}")
        try:
            await asyncio.wait([looking], timeout=planned.limit_s)
            if not looking.done():
                tell(_hung(planned))
            elif not found:
                tell(_failed(planned, "it said nothing"))
        finally:
            late = True
            looking.cancel()
            self._queue.put_nowait(None)
            await asyncio.wait([looking], timeout=_END_S)


async def _looked(planned: Planned, tell: Callable[[Check], None], ask: Asker) -> None:
    """Tell what one check finds, whatever happens."""
    try:
        async with aclosing(planned.look(ask)) as checks:  # type: ignore[type-var]  # they are generators
            async for check in checks:
                tell(check)
    except EdgeError as error:
        seen, action = error.message, error.action
        tell(Check(part=planned.part, name=planned.name, code=error.code, result="fail", seen=seen, action=action))
    except Exception as error:  # noqa: BLE001  # a bug of ours, or of a driver: told by its name
        _log.error("a check of the self-test failed", exc_info=error, extra={"fields": {"check": planned.name}})
        tell(_failed(planned, type(error).__name__))


def _hung(planned: Planned) -> Check:
    seen = CODES["TST-102"].format(limit_s=planned.limit_s)
    return Check(part=planned.part, name=planned.name, code="TST-102", result="fail", seen=seen)


def _failed(planned: Planned, what: str) -> Check:
    seen = CODES["TST-103"].format(what=what)
    return Check(part=planned.part, name=planned.name, code="TST-103", result="fail", seen=seen)


def _timed(check: Check, took_s: float) -> Check:
    return replace(check, took_s=round(took_s, 2))
