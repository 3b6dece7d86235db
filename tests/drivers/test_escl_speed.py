"""Pages a minute and memory of the eSCL driver alone: from the scanner to ``port.blob``."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from drivers.scanner_escl import EsclScanner, EsclSettings
from edge.events import Page, Scan
from edge.jobs import DeviceJob
from tests.drivers.escl_rig import REQUEST, QuickPort
from tests.support.project import ROOT

WANTED_A_MINUTE = 300
MEBIBYTE = 1 << 20
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


def resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


class Measured(NamedTuple):
    """``added``: bytes of memory more than at page 10."""

    pages_a_minute: float
    cpu_ms_a_page: float
    added: int


def scanned(address: str, sheets: int) -> Measured:
    """Scan A4 in colour at 300 dpi."""
    port = QuickPort(address)
    driver = EsclScanner(msgspec.convert({}, EsclSettings), port)
    driver.open()
    command = Scan(source="feeder")
    job = DeviceJob(REQUEST, command, time.monotonic() + 600)
    settled, highest, count, began, worked = 0, 0, 0, time.monotonic(), time.process_time()
    for event in driver.execute(command, job):
        if isinstance(event, Page):
            count += 1
            assert (event.width, event.height, event.color, event.blank) == (2480, 3508, "color", False)
            assert len(port.take_blob(event.blob.id)) > MEBIBYTE // 2
            settled = resident() if count == 10 else settled
            highest = max(highest, resident())
    took_s, cpu_s = time.monotonic() - began, time.process_time() - worked
    driver.close()
    assert count == sheets
    return Measured(60 * count / took_s, 1000 * cpu_s / count, highest - settled)


@pytest.mark.slow
def test_a_page_takes_little_of_the_processor(tmp_path: Path) -> None:
    """Told in processor time: how many pages a minute that makes depends on what else the machine does."""
    with scanner_process(tmp_path, 15) as address:
        measured = scanned(address, 15)
    assert measured.cpu_ms_a_page < 0.75 * 60_000 / WANTED_A_MINUTE
    assert measured.added < 16 * MEBIBYTE  # in a process that has run other tests; less than one page as it is decoded


@pytest.mark.long
@pytest.mark.timeout(180)
def test_five_hundred_pages_take_no_more_memory_than_ten(tmp_path: Path) -> None:
    with scanner_process(tmp_path, 500) as address:
        measured = scanned(address, 500)
    assert measured.pages_a_minute > WANTED_A_MINUTE
    assert measured.added < 3 * MEBIBYTE
