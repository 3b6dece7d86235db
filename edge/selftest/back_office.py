"""The back office asks for a self-test: the command ``selftest`` of the window, and the event that it ends with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import aclosing

from edge.commands.requests import Refusal
from edge.envelope import Draft
from edge.errors import EdgeError
from edge.events import Params, RunSelfTest, SelfTest, SelfTestCheck
from edge.events.system import MOST_CHECKS
from edge.jobs import DeviceJob
from edge.selftest.live import SelfTests
from edge.selftest.model import Check, Report
from edge.selftest.scene import Wanted
from edge.selftest.wire import BUG
from edge.store.outbox import Row

BY = "back-office"
_SEEN = 120
_ORDER = ("fail", "warn", "skip", "ok")


class SelfTestCommand:
    """A :class:`edge.commands.window.WindowJob`; *commit* makes an event durable."""

    params: type[Params] = RunSelfTest

    def __init__(self, tests: SelfTests, commit: Callable[[Sequence[Draft]], Future[list[Row]]]) -> None:
        self._tests, self._commit = tests, commit
        self._running: set[asyncio.Task[None]] = set()

    def check(self) -> None:
        if (busy := self._tests.busy()) is not None:
            raise Refusal(busy.message, "busy", code=busy.code, action=busy.action)

    def start(self, job: DeviceJob) -> None:
        if not job.begin():
            return
        task = asyncio.get_running_loop().create_task(self._carry_out(job), name="selftest")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

        def leave() -> None:
            task.cancel()

        job.leave = leave  # whoever ends the job ends the test

    async def _carry_out(self, job: DeviceJob) -> None:
        try:
            await self._test(job)
        except EdgeError as error:
            job.finish(error)
        except asyncio.CancelledError:  # the job was ended, or the daemon ends
            raise
        except Exception as error:
            job.finish(EdgeError(f"the self-test ended by a bug: {type(error).__name__}", code="TST-109", action=BUG))
            raise
        else:
            job.finish()

    async def _test(self, job: DeviceJob) -> None:
        """Test, tell each check as a progress, and commit the event."""
        asked = job.command
        if not isinstance(asked, RunSelfTest):
            raise TypeError("not a self-test")
        step = 0
        wanted = Wanted(level=asked.level, devices=asked.devices, by=BY)
        async with aclosing(self._tests.messages(wanted)) as messages:
            async for message in messages:
                job.check()
                if isinstance(message, Check):
                    step += 1
                    job.report(message.code, step)
                elif isinstance(message, Report):
                    rows = await asyncio.wrap_future(self._commit([Draft("window", event_of(message))]))
                    job.rows.extend(rows)


def event_of(report: Report) -> SelfTest:
    """Return what the back office keeps of *report*: without figures, and short enough for an event."""
    ordered = sorted(report.checks, key=lambda check: _ORDER.index(check.result))
    return SelfTest(
        answer=report.answer,
        level="external" if report.level == "external" else "internal",
        version=report.version,
        took_s=report.took_s,
        failed=report.count("fail"),
        warned=report.count("warn"),
        checks=tuple(map(_short, ordered[:MOST_CHECKS])),
    )


def _short(check: Check) -> SelfTestCheck:
    seen = check.seen.encode("ascii", "replace").decode("ascii")[:_SEEN] if check.result != "ok" else ""
    return SelfTestCheck(part=check.part, name=check.name, code=check.code, result=check.result, seen=seen or None)
