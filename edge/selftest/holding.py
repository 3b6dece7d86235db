"""The lock of a window that is tested while its daemon does not run: who else wants it is told, or waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from edge import logs
from edge.health import stamp
from edge.selftest.wire import AlreadyTesting
from edge.state_dir import Holder, InUse, take_lock

_WORD = "selftest"
_LOOK_S = 0.2
_log = logs.get("selftest")


def hold_to_test(state: Path, by: str) -> int:
    """Return a handle that holds the lock; raises :class:`AlreadyTesting`, or ``AlreadyRunning`` for a daemon."""
    try:
        return take_lock(state, f"{_WORD} {by} {stamp()}")
    except InUse as error:
        raise _testing(error.holder) or error from None


async def lock_of_daemon(state: Path, stop: asyncio.Event, waiting: Callable[[], None]) -> int | None:
    """Return a handle that holds the lock, when no self-test holds it any more; ``None``: *stop* was set first.

    Raises ``AlreadyRunning`` for another daemon. *waiting* is called again and again.
    """
    told = False
    while not stop.is_set():
        try:
            return take_lock(state)
        except InUse as error:
            if (testing := _testing(error.holder)) is None:
                raise
            if not told:
                _log.warning("the daemon waits for the end of a self-test", extra={"fields": {"who": testing.message}})
            told = True
        waiting()
        try:
            await asyncio.wait_for(stop.wait(), _LOOK_S)
        except TimeoutError:
            continue
    return None


def _testing(holder: Holder) -> AlreadyTesting | None:
    """Return the error that says who tests; ``None``: *holder* does something else."""
    word, _, rest = holder.doing.partition(" ")
    by, _, since = rest.partition(" ")
    return AlreadyTesting.of(by, int(holder.pid), since) if word == _WORD and holder.pid.isdecimal() else None
