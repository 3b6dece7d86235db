"""Each back office: when did it last acknowledge, and what waits for it?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from edge.delivery.replays import LastAck
from edge.problems import SILENT_S, problem
from edge.selftest.model import Check, Result
from edge.selftest.scene import Scene
from edge.store.marks import read_marks
from edge.store.outbox import Outbox

Details = dict[str, str | int | float | bool]


async def look_at_subscribers(scene: Scene) -> AsyncIterator[Check]:
    """Say that there is none."""
    del scene
    seen = "no subscriber is registered: events leave when the broker has them"
    yield _check("subscribers", "SUB-001", "ok", seen)


async def look_at_subscriber(scene: Scene, name: str) -> AsyncIterator[Check]:
    """Look at one that is registered."""
    outbox = scene.outbox
    if outbox is None:
        yield _check(name, "TST-002", "skip", "not looked at: the store is not open")
        return
    last = await _last(scene, outbox, name)
    waiting = max(0, outbox.head - last.upto)
    details: Details = {"waiting": waiting, "upto_seq": str(last.upto)}
    age_s = None if last.at is None else max(0.0, time.time() - last.at)
    if age_s is not None:
        details["acked_s"] = round(age_s)
    if age_s is None and waiting:
        yield _check(name, "SUB-131", "warn", f"{name} has never acknowledged anything, {waiting} events wait", details)
    elif await _silent(scene, outbox, name, waiting):
        told = problem("SYS-143", who=name, minutes=int((age_s or 0.0) / 60))
        yield _check(name, told.code, "warn", told.message, details, told.action)
    elif age_s is None:
        yield _check(name, "SUB-000", "ok", "there is nothing to acknowledge yet", details)
    else:
        yield _check(name, "SUB-000", "ok", f"last acknowledged {round(age_s)} s ago, {waiting} events wait", details)


async def _last(scene: Scene, outbox: Outbox, name: str) -> LastAck:
    if scene.live is not None:
        return scene.live.replays.acks.get(name, LastAck(0, None))
    mark = (await asyncio.wrap_future(outbox.call(read_marks))).get(name)
    return LastAck(0, None) if mark is None else LastAck(mark.upto, mark.acked)


async def _silent(scene: Scene, outbox: Outbox, name: str, waiting: int) -> bool:
    """Return whether events have waited for it too long: the daemon has watched it; else the oldest event tells."""
    if scene.live is not None:
        found = scene.live.health.problems.found()
        return any(one.code == "SYS-143" and one.message.startswith(f"{name} ") for one in found)
    oldest_s, _ = await asyncio.wrap_future(outbox.ages())
    return waiting > 0 and oldest_s is not None and oldest_s > SILENT_S


def _check(name: str, code: str, result: Result, seen: str, details: Details | None = None, action: str = "") -> Check:
    return Check(
        part="subscriber", name=name, code=code, result=result, seen=seen, action=action, details=details or {}
    )
