"""The wall clock of a daemon, to be set at will."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.host.rig import Clock
from tests.support.project import ROOT


@pytest.fixture(scope="session")
def clock_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the library that moves the wall clock."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: the clock is not set (apt install gcc libc6-dev)")
    library = tmp_path_factory.mktemp("shim") / "clock_shim.so"
    source = ROOT / "tests" / "faults" / "host" / "clock_shim.c"
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", str(library), str(source), "-ldl"], check=True)
    return library


@pytest.fixture
def clock(clock_library: Path, tmp_path: Path) -> Clock:
    """Lend the wall clock of the daemons that are started under it."""
    return Clock(clock_library, tmp_path / "clock")
