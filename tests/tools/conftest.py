"""A new PC for every test of the tools that set one up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.init_files import Files, make_files
from tests.tools.init_rig import Pc


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_files(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def pc(tmp_path: Path, files: Files) -> Pc:
    return Pc(tmp_path / "root", files)
