"""A bench for every test that wants one, and a reader on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.bench import Bench
from tests.simulators.host import Host


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path / "window", seed=5) as bench:
        yield bench


@pytest.fixture
def reader(bench: Bench) -> Iterator[Host]:
    with Host(bench.add("id-1", "idcard_sdt")) as host:
        yield host
