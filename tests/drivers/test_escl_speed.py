"""Pages a minute and memory of the eSCL driver alone: from the scanner to ``port.blob``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.drivers.escl_measured import MEBIBYTE, Measured
from tests.support.project import ROOT

WANTED_A_MINUTE = 300
READ_ADDRESS = "from simulators.bench import Bench; import sys; b = Bench(sys.argv[1]); b.add('s', 'scanner_escl'); "


@contextmanager
def scanner_process(folder: Path, sheets: int) -> Iterator[str]:
    """Run the scanner in a process of its own, as on a desk, and yield its address."""
    code = f"{READ_ADDRESS} b.do('s load {sheets}'); print(b.address('s'), flush=True); sys.stdin.read(); b.close()"
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate("")


def scanned(address: str, sheets: int) -> Measured:
    command = [sys.executable, "-m", "tests.drivers.escl_measured", address, str(sheets)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Measured)


@pytest.mark.slow
def test_a_page_takes_little_of_the_processor(tmp_path: Path) -> None:
    """Told in processor time: how many pages a minute that makes depends on what else the machine does."""
    with scanner_process(tmp_path, 15) as address:
        measured = scanned(address, 15)
    assert measured.cpu_ms_a_page < 0.75 * 60_000 / WANTED_A_MINUTE
    assert measured.added < 3 * MEBIBYTE


@pytest.mark.long
@pytest.mark.timeout(180)
def test_five_hundred_pages_take_no_more_memory_than_ten(tmp_path: Path) -> None:
    with scanner_process(tmp_path, 500) as address:
        measured = scanned(address, 500)
    assert measured.pages_a_minute > WANTED_A_MINUTE
    assert measured.added < 3 * MEBIBYTE
