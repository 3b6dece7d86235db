"""For all tests: leak guards, a real broker, ``async def`` tests."""

from __future__ import annotations

pytest_plugins = ["tests.support.aio", "tests.support.broker", "tests.support.leaks"]
