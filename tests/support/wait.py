"""Wait for a condition with a deadline; a test never sleeps for a fixed time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from inspect import isawaitable
from typing import TypeVar

T = TypeVar("T")

FIRST_PAUSE_S = 0.001
LONGEST_PAUSE_S = 0.02


def wait_until(predicate: Callable[[], T | None], deadline_s: float = 5, what: str = "the condition") -> T:
    """Return the predicate's first true result; ``AssertionError`` names *what* did not come true."""
    for pause_s in _pauses(deadline_s):
        if result := predicate():
            return result
        time.sleep(pause_s)
    return _last_try(predicate(), deadline_s, what)


async def wait_until_async(
    predicate: Callable[[], Awaitable[T | None] | T | None], deadline_s: float = 5, what: str = "the condition"
) -> T:
    """Do the same without blocking the loop; the predicate may be a coroutine function."""
    for pause_s in _pauses(deadline_s):
        if result := await _value(predicate()):
            return result
        await asyncio.sleep(pause_s)
    return _last_try(await _value(predicate()), deadline_s, what)


def _pauses(deadline_s: float) -> Iterator[float]:
    """Yield growing pauses until the deadline; the last one ends at it."""
    end = time.monotonic() + deadline_s
    pause_s = FIRST_PAUSE_S
    while (left_s := end - time.monotonic()) > 0:
        yield min(pause_s, left_s)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)


async def _value(result: Awaitable[T | None] | T | None) -> T | None:
    return await result if isawaitable(result) else result


def _last_try(result: T | None, deadline_s: float, what: str) -> T:
    if not result:
        raise AssertionError(f"waited {deadline_s:g} s, but not: {what}")
    return result
