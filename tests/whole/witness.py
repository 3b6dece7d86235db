"""A scan gun beside devices in trouble, and who hears its codes: a process that does nothing else.

python -m tests.whole.witness FOLDER PORT  prints the gun's address, scans numbered codes from one line on its
standard input to the next, and prints how long each took to whoever is subscribed, in milliseconds, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

from simulators.bench import Bench
from tests.support.project import ROOT
from tests.support.wait import wait_until
from tests.support.wiretap import BASE, Wiretap

NAME = "witness"
CODES_A_SECOND = 20
LEAST_CODES = 300
_ARRIVE_S = 20.0


class Witness:
    """The process, as a test sees it. A context manager."""

    def __init__(self, folder: Path, port: int) -> None:
        command = [sys.executable, "-m", "tests.whole.witness", str(folder), str(port)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.address = self._line()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process as process:
            process.kill()

    def begin(self) -> None:
        """Let it scan from now on."""
        self._tell()

    def end(self) -> list[float]:
        """Return the milliseconds of each code; every one has come, once and in order."""
        self._tell()
        latencies: list[float] = json.loads(self._line())
        return latencies

    def _tell(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the witness's process ended"
        return line


def scan(bench: Bench, stop: threading.Event) -> dict[str, float]:
    """Scan codes until *stop*, at least so many; return when each was."""
    scanned: dict[str, float] = {}
    while not stop.wait(1 / CODES_A_SECOND) or len(scanned) < LEAST_CODES:
        if stop.is_set():
            time.sleep(1 / CODES_A_SECOND)
        code = f"W{len(scanned):06}"
        scanned[code] = time.monotonic()
        bench.do(f"{NAME} scan {code}")
    return scanned


def latencies(tap: Wiretap, scanned: dict[str, float]) -> list[float]:
    """Return how long each code took, in ms; raises ``AssertionError`` unless all came once and in order."""
    wait_until(lambda: len(tap.messages) >= len(scanned), _ARRIVE_S, "every code has come")
    codes = [json.loads(payload)["data"]["text"] for _, payload, _ in tap.messages]
    assert codes == list(scanned)
    return [round(1000 * (at - then), 2) for at, then in zip(tap.arrived, scanned.values(), strict=True)]


def main(folder: Path, port: int) -> None:
    """Serve one test."""
    with Bench(folder) as bench:
        bench.add(NAME, "code_serial")
        say = sys.stdout.write
        say(f"{bench.address(NAME)}\n")
        sys.stdout.flush()
        sys.stdin.readline()
        tap, stop, scanned = Wiretap(port, [f"{BASE}/event/code-scanner/{NAME}/scanned"]), threading.Event(), {}
        thread = threading.Thread(target=lambda: scanned.update(scan(bench, stop)))
        thread.start()
        sys.stdin.readline()
        stop.set()
        thread.join()
        say(json.dumps(latencies(tap, scanned)) + "\n")
        sys.stdout.flush()
        tap.close()
        sys.stdin.readline()  # the gun stays until the daemon's descriptors have been counted


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
