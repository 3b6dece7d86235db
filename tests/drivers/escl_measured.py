"""One job of the eSCL driver, measured in a process that does nothing else.

python -m tests.drivers.escl_measured ADDRESS SHEETS  prints what was measured, as JSON.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

from drivers.scanner_escl import EsclScanner, EsclSettings
from edge.events import Page, Scan
from edge.jobs import DeviceJob
from tests.drivers.escl_rig import REQUEST, QuickPort

MEBIBYTE = 1 << 20


def resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


class Measured(msgspec.Struct, frozen=True):
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


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(scanned(sys.argv[1], int(sys.argv[2]))))
