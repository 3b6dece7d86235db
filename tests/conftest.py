"""For all tests: leak guards, a real broker, ``async def`` tests, and the long tier apart from the rest."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

_SUPPORT = ("aio", "broker", "leaks", "plugboard", "window")
pytest_plugins = [f"tests.support.{name}" for name in _SUPPORT]

# What programs tell a person is looked for in English; tests of Chinese ask for it.
os.environ.pop("LC_ALL", None)
os.environ["LC_MESSAGES"] = "en_US.UTF-8"

# readline, where pytest loads it, sets the width of a terminal that is none; programs then break their lines.
os.environ.pop("COLUMNS", None)
os.unsetenv("COLUMNS")

# A background job of a shell ignores Ctrl-C, and so would every program that it starts: a test would wait for ever.
for _number, _default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _default)

# A slow machine is no bug of the code; pytest-timeout stops what hangs.
settings.register_profile("hall-edge", settings(), deadline=None)
settings.load_profile("hall-edge")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long tier, and only it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the long tier, or everything else; what takes long begins first, so that the others fill the gaps."""
    wanted = bool(config.getoption("--long"))
    chosen = [item for item in items if (item.get_closest_marker("long") is not None) == wanted]
    config.hook.pytest_deselected(items=list(set(items) - set(chosen)))
    longest_first = sorted(chosen, key=_length, reverse=True)
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # each begins with a block of its own
    items[:] = [item for number in range(processes) for item in longest_first[number::processes]]


def _length(item: pytest.Item) -> tuple[float, bool]:
    """Return how long a test may take, as far as its marks tell."""
    limit = item.get_closest_marker("timeout")
    return float(limit.args[0]) if limit and limit.args else 0.0, item.get_closest_marker("slow") is not None
