"""For all tests: leak guards, a real broker, ``async def`` tests."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["tests.support.aio", "tests.support.broker", "tests.support.leaks", "tests.support.window"]

# A slow machine is no bug of the code; pytest-timeout stops what hangs.
settings.register_profile("hall-edge", settings(), deadline=None)
settings.load_profile("hall-edge")
