"""The contract suite runs over every driver; ``--bench MODULE:ATTRIBUTE`` runs it over a driver from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.benches import BENCHES, find
from tests.contract.desk import Desk


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "a DriverBench of your own: only such drivers are tested"
    parser.addoption("--bench", action="append", metavar="MODULE:ATTRIBUTE", help=text)


def chosen(config: pytest.Config) -> list[str]:
    """Return the names of the entries to test."""
    given: list[str] | None = config.getoption("--bench", default=None)
    return given or [bench.name for bench in BENCHES]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what tests the suite itself when somebody tests a driver of his own."""
    given = config.getoption("--bench", default=None)
    return True if given and collection_path.name == "test_the_suite.py" else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "bench_name" in metafunc.fixturenames:
        names = chosen(metafunc.config)
        if "line_desk" in metafunc.fixturenames:
            names = [name for name in names if find(name).line]
        metafunc.parametrize("bench_name", names)


@pytest.fixture
def desk(bench_name: str, tmp_path: Path) -> Iterator[Desk]:
    """A driver, its device and the cable between them."""
    with ExitStack() as stack:
        yield Desk(bench_name, find(bench_name), tmp_path, stack)


@pytest.fixture
def line_desk(desk: Desk) -> Desk:
    """The same, but only of drivers on a serial line: what it says can be cut and disturbed."""
    return desk
