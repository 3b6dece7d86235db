"""The runner: side by side, each with its limit; what hangs or fails is told by its own code."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest

from edge.errors import DeviceBusy
from edge.selftest.model import Ask, Asker, Begun, Check, Message, Part, Report
from edge.selftest.runner import Planned, Runner

HEAD = Begun(hall="h", window="w", host="pc", version="1", level="internal", daemon=False, started="now")
Look = Callable[[Asker], AsyncIterator[Check]]


def plan(name: str, look: Look, *, part: Part = "device", limit_s: float = 5.0) -> Planned:
    return Planned(part, name, look, limit_s)


def fine(name: str, after_s: float = 0.0) -> Planned:
    async def look(_ask: Asker) -> AsyncIterator[Check]:
        await asyncio.sleep(after_s)
        yield Check(part="device", name=name, code="DEV-000", result="ok")

    return plan(name, look)


async def all_of(*planned: Planned) -> list[Message]:
    return [message async for message in Runner(HEAD, planned).messages()]


async def report_of(*planned: Planned) -> Report:
    last = (await all_of(*planned))[-1]
    assert isinstance(last, Report)
    return last


async def test_lines_come_as_they_finish_and_the_report_has_their_order() -> None:
    began = time.monotonic()
    messages = await all_of(fine("slow", 0.3), fine("slower", 0.4), fine("quick"))
    assert time.monotonic() - began < 0.65  # side by side: one after the other is 0.7
    assert [one.name for one in messages if isinstance(one, Check)] == ["quick", "slow", "slower"]
    assert isinstance(messages[0], Begun)
    assert isinstance(messages[-1], Report)
    assert [one.name for one in messages[-1].checks] == ["slow", "slower", "quick"]
    assert messages[-1].answer == "usable"
    assert [one.took_s >= 0.3 for one in messages[-1].checks] == [True, True, False]


async def test_what_hangs_is_told_by_its_own_code_and_keeps_nobody() -> None:
    left = asyncio.Event()

    async def hang(_ask: Asker) -> AsyncIterator[Check]:
        try:
            await asyncio.sleep(60)
        finally:
            left.set()
        yield Check(part="device", name="late", code="DEV-000", result="ok")

    report = await report_of(plan("stuck", hang, limit_s=0.2), fine("quick"))
    assert [(one.name, one.code, one.result) for one in report.checks] == [
        ("stuck", "TST-102", "fail"), ("quick", "DEV-000", "ok"),
    ]  # fmt: skip
    assert left.is_set()
    assert report.answer == "partial"


async def test_what_cannot_even_be_cancelled_says_nothing_afterwards() -> None:
    late = asyncio.Event()

    async def deaf(_ask: Asker) -> AsyncIterator[Check]:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)
        yield Check(part="device", name="deaf", code="DEV-000", result="ok")
        late.set()

    report = await report_of(plan("deaf", deaf, limit_s=0.1))
    await asyncio.wait_for(late.wait(), 5)
    assert [one.code for one in report.checks] == ["TST-102"]


@pytest.mark.parametrize(
    ("error", "code", "seen"),
    [
        (DeviceBusy("held by another program", code="SER-103"), "SER-103", "held by another program"),
        (ZeroDivisionError("with a citizen's name"), "TST-103", "the check itself failed: ZeroDivisionError"),
    ],
)
async def test_what_fails_says_why_and_a_bug_says_its_type_only(error: Exception, code: str, seen: str) -> None:
    async def fail(_ask: Asker) -> AsyncIterator[Check]:
        yield Check(part="device", name="dev", code="DEV-000", result="ok")
        raise error

    report = await report_of(plan("dev", fail), fine("other"))
    assert [one.code for one in report.checks] == ["DEV-000", code, "DEV-000"]
    assert report.checks[1].seen == seen
    assert report.checks[1].result == "fail"


async def test_silence_is_no_pass() -> None:
    async def silent(_ask: Asker) -> AsyncIterator[Check]:
        nothing: tuple[Check, ...] = ()
        for check in nothing:
            yield check

    (check,) = (await report_of(plan("dev", silent))).checks
    assert (check.code, check.result) == ("TST-103", "fail")


async def test_whoever_stops_listening_ends_it() -> None:
    ended = asyncio.Event()

    async def long(ask: Asker) -> AsyncIterator[Check]:
        ask("IDC-201", 30)
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        yield Check(part="device", name="dev", code="DEV-000", result="ok")

    async with aclosing(Runner(HEAD, [plan("dev", long)]).messages()) as messages:
        async for message in messages:
            if isinstance(message, Ask):
                assert (message.device, message.code, message.wait_s) == ("dev", "IDC-201", 30)
                break
    assert ended.is_set()
