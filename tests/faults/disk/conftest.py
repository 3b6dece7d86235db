"""The preloaded disk, compiled once a test process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.disk.cuts import scratch
from tests.faults.disk.shim import build


@pytest.fixture(scope="session")
def disk_shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that stands between a process and its state folder."""
    return build(tmp_path_factory.mktemp("disk-shim"))


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """A temporary folder in memory, where a sync costs nothing: for kills, which what is written outlives anyway."""
    with scratch() as folder:
        yield folder
