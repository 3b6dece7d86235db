"""The checks of one device: what its supervisor knows of it, and what its driver finds when it looks closer.

A device that serves somebody is not disturbed: what is known of it is told instead. One that does not work is tried
once more, so that what is told is what is so now.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from edge.config import Device
from edge.errors import DeviceAttention, EdgeError, JobCancelled
from edge.jobs import SelftestJob
from edge.reload import in_thread
from edge.selftest.model import Asker, Check, Level, Result
from edge.selftest.nodes import Details, facts_of, unstable_name
from edge.supervisor import Supervisor

CODES = {
    "DEV-000": "it works: it last answered {seconds} s ago",
    "DEV-001": "its line is open; it says nothing by itself, so it is not proven yet",
    "DEV-002": "it is in use and was not disturbed: it last answered {seconds} s ago",
    "DEV-003": "it is in use and was not disturbed",
    "DEV-120": "it is still being opened after {seconds} s",
    "DEV-121": "it works, but its own checks have not ended within {seconds} s",
    "DEV-123": "it was given up while it was tested: the daemon ends, or its configuration has changed",
    "DEV-122": "{node} is a name that changes with the order of plugging in",
}
SETTLE_S = 5.8
"""So long a device may take to be opened: longer than a reader that is asked at five rates."""
ATTENTION_S = 2.5
"""And one that waits for a person: drivers stay with such a device, and look again and again."""
STEADY_S = 1.0
"""So long one that was just opened is watched: some fail at their first poll only."""
LIMIT_S: Mapping[Level, float] = {"internal": 2.0, "external": 45.0, "interactive": 90.0}
"""So long the driver's own checks may take."""
TOTAL_S: Mapping[Level, float] = {"internal": 8.6, "external": 55.0, "interactive": 110.0}
"""So long everything may take: less than whoever runs the checks waits for one device."""
_GRACE_S = 0.5
_LOOK_S = 0.02
_TOO_LATE = "CMD-107"


async def device_checks(device: Device, supervisor: Supervisor, level: Level, ask: Asker) -> AsyncIterator[Check]:
    """Yield what is found of one device: its own line first; *ask* tells a person what to do now."""
    checked = _Checked(device, supervisor, time.monotonic() + TOTAL_S[level])
    await _settled(supervisor)
    details = await in_thread("selftest-node", lambda: facts_of(device, supervisor.port.around()))
    if not supervisor.usable:
        yield checked.state(details)
        return
    found = [check async for check in checked.driver(level, ask)]
    yield checked.with_details(found[0], details)
    for check in (*found[1:], *checked.remarks()):
        yield check


async def _settled(supervisor: Supervisor) -> None:
    """Wait until its state is what is so now: one that does not work is tried again, and has to go on working."""
    if supervisor.usable:
        return
    if supervisor.current.state == "starting":
        await _until(lambda: supervisor.current.state != "starting", SETTLE_S)
    else:
        before, patience_s = supervisor.failed, SETTLE_S
        if supervisor.current.state == DeviceAttention.state:
            patience_s = ATTENTION_S
        supervisor.plugged()
        await _until(
            lambda: supervisor.usable or supervisor.failed > before or not supervisor.port.present(), patience_s
        )
    await _until(lambda: not supervisor.usable, STEADY_S)


async def _until(true: Callable[[], bool], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not true() and time.monotonic() < end:  # noqa: ASYNC110  # nobody tells of tries that change nothing
        await asyncio.sleep(_LOOK_S)


class _Checked:
    """Makes the checks of one device."""

    def __init__(self, device: Device, supervisor: Supervisor, end: float) -> None:
        self._device, self._supervisor, self._end = device, supervisor, end

    def state(self, details: Details) -> Check:
        """Return the check of a device that cannot be used now."""
        now = self._supervisor.current
        facts: Details = {"state": now.state, "tries": self._supervisor.failed, **details}
        if now.code is None:
            return self._told("DEV-120", "warn", details=facts, seconds=f"{SETTLE_S:.0f}")
        return self._check(now.code, "fail", now.reason or "", now.action or "", facts)

    async def driver(self, level: Level, ask: Asker) -> AsyncIterator[Check]:
        """Have the driver look, unless the device is in use; yield one check at least."""
        if self._supervisor.current.state == "busy":
            yield self._in_use()
            return
        job, error = await self._asked(level, ask)
        findings = list(job.findings)
        for finding in findings:
            yield self._check(finding.code, finding.result, finding.seen, finding.action, finding.details)
        if isinstance(error, JobCancelled):
            yield self._cancelled(job, error, level)
        elif error is not None:
            yield self._check(error.code, "fail", error.message, error.action)
        elif not findings:
            yield self._proof("DEV-000", "DEV-001")

    def _cancelled(self, job: SelftestJob, error: JobCancelled, level: Level) -> Check:
        """Return why the driver's own checks have not ended."""
        if job.gave_way:
            return self._in_use()
        if error.code == _TOO_LATE:
            return self._told("DEV-121", "warn", seconds=f"{LIMIT_S[level]:.0f}")
        return self._told("DEV-123", "fail")

    async def _asked(self, level: Level, ask: Asker) -> tuple[SelftestJob, EdgeError | None]:
        """Run the driver's self-test in its lane; return it with what was found, and how it ended if not well."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        end: list[EdgeError | None] = []
        limit_s = min(LIMIT_S[level], self._end - _GRACE_S - time.monotonic())

        def finished(error: EdgeError | None) -> None:
            end.append(error)
            loop.call_soon_threadsafe(ended.set)

        def asks(code: str) -> None:
            loop.call_soon_threadsafe(ask, code, limit_s)

        job = SelftestJob(level, time.monotonic() + limit_s, ask=asks, finished=finished)
        self._supervisor.start(job)
        try:
            await asyncio.wait_for(ended.wait(), limit_s + _GRACE_S)
        except TimeoutError:  # a call of the driver is under way, which may take longer than we do
            return job, JobCancelled("the self-test took too long", code=_TOO_LATE)
        finally:
            job.cancel()
        return job, end[0]

    def remarks(self) -> Iterable[Check]:
        """Yield what should be known of a device that works."""
        now = self._supervisor.current
        if now.code is not None:
            yield self._check(now.code, "warn", now.reason or "", now.action or "")
        if better := unstable_name(self._device, self._supervisor.port.around()):
            action = f'write address = "{better}"' if better != "?" else ""
            yield self._told("DEV-122", "warn", action=action, node=self._device.address.target)

    def with_details(self, check: Check, details: Details) -> Check:
        """Return *check* with what is known of the device besides."""
        return self._check(check.code, check.result, check.seen, check.action, {**details, **check.details})

    def _in_use(self) -> Check:
        return self._proof("DEV-002", "DEV-003")

    def _proof(self, proven: str, silent: str) -> Check:
        age_s = self._supervisor.proven_s_ago()
        if age_s is None:
            return self._told(silent, "ok")
        return self._told(proven, "ok", seconds=f"{age_s:.1f}", details={"proven_s_ago": round(age_s, 1)})

    def _told(
        self, code: str, result: Result, *, action: str = "", details: Details | None = None, **words: str
    ) -> Check:
        return self._check(code, result, CODES[code].format(**words), action, details)

    def _check(self, code: str, result: Result, seen: str, action: str, details: Details | None = None) -> Check:
        return Check(
            part="device", name=self._device.name, code=code, result=result, seen=seen, action=action,
            details=details or {},
        )  # fmt: skip
