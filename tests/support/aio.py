"""``async def test_…``: each in a fresh loop, and every task it started must have ended when it returns.

Fixtures are synchronous; what is asynchronous opens with ``async with`` inside the test.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from contextlib import suppress

import pytest

from tests.support.wait import wait_until_async

SETTLE_S = 2.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}
    asyncio.run(_without_tasks_left(test(**arguments)))
    return True


async def _without_tasks_left(test: Awaitable[None]) -> None:
    await test
    me = asyncio.current_task()

    def left() -> list[str]:
        return [repr(task.get_coro()) for task in asyncio.all_tasks() if task is not me]

    with suppress(AssertionError):
        await wait_until_async(lambda: not left(), SETTLE_S)
    if tasks := left():
        pytest.fail("the test left tasks running:\n  " + "\n  ".join(tasks), pytrace=False)
