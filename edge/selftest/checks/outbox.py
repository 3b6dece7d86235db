"""The outbox: is a write really kept, how long does that take, and what waits?"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

from edge.errors import StoreError
from edge.reload import in_thread
from edge.selftest.model import Check, Result
from edge.selftest.scene import Scene
from edge.store.file import set_meta
from edge.store.outbox import Outbox

SLOW_S = 1.0
"""A synced write of a healthy disk takes milliseconds; people wait for it."""
_PROBE = "selftest.probe"


async def look_at_outbox(scene: Scene) -> AsyncIterator[Check]:
    """Write a file and a transaction of the store, and wait until the disk has both."""
    if scene.outbox is None:
        error = scene.no_store or StoreError("the store is not open")
        yield _check(error.code, "fail", error.message, error.action)
        return
    try:
        file_s = await in_thread("selftest-write", lambda: _write(scene.state / _PROBE))
    except OSError as error:
        why = error.strerror or type(error).__name__
        yield _check("STO-131", "fail", f"a file cannot be written to the state folder ({why})")
        return
    began = time.monotonic()
    await asyncio.wrap_future(scene.outbox.call(_commit))
    store_s = time.monotonic() - began
    oldest_s, _ = await asyncio.wrap_future(scene.outbox.ages())
    yield _found(scene.outbox, file_s, store_s, oldest_s)


def _found(outbox: Outbox, file_s: float, store_s: float, oldest_s: float | None) -> Check:
    figures: dict[str, str | int | float | bool] = {
        "write_ms": round(1000 * file_s, 1), "commit_ms": round(1000 * store_s, 1), "waiting": outbox.depth,
        "quarantined": outbox.refused,
    }  # fmt: skip
    if oldest_s is not None:
        figures["oldest_s"] = round(oldest_s)
    if (trouble := outbox.room.trouble) is not None:
        return _check(trouble.code, "fail", trouble.message, trouble.action, figures)
    slowest_s = max(file_s, store_s)
    if slowest_s > SLOW_S:
        return _check("STO-130", "warn", f"a synced write takes {slowest_s:.1f} s", "", figures)
    seen = f"a synced write takes {1000 * slowest_s:.0f} ms, {outbox.depth} events wait"
    return _check("STO-000", "ok", seen, "", figures)


def _write(path: Path) -> float:
    """Write *path*, sync it, and remove it; return how long that took. Raises ``OSError``."""
    began = time.monotonic()
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(b"0" * 4096)
            file.flush()
            os.fsync(file.fileno())
        return time.monotonic() - began
    finally:
        path.unlink(missing_ok=True)


def _commit(db: sqlite3.Connection) -> None:
    """Change a number that nobody reads: a transaction that has to be synced, and no event."""
    set_meta(db, "tested", int(time.time()))


def _check(
    code: str, result: Result, seen: str, action: str = "", details: dict[str, str | int | float | bool] | None = None
) -> Check:
    return Check(
        part="outbox", name="outbox", code=code, result=result, seen=seen, action=action, details=details or {}
    )
