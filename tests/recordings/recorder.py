"""Record what a driver and a device say to each other, on the clock that a replay will have.

Both count only what the driver waits for, so the driver decides the same in the replay: a wait that found nothing
took exactly as long as it was to take, one that bytes have ended took the real time, in whole milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from edge.driver import Port
from edge.errors import DeviceLost
from edge.links import Line, Link
from edge.links.replay import HEAD, ticks
from tests.support.port import BytePort

T = TypeVar("T", bytes, bool)
MILLISECOND = 1000


class Recorder(BytePort):
    """Implements ``edge.driver.Port`` around another port; its clock and its steps outlive the link."""

    def __init__(self, inner: Port) -> None:
        self._inner = inner
        self.address = inner.address
        self._ticks = 0
        self._steps: list[tuple[str, bytes | int]] = []

    def open(self, line: Line | None = None) -> Link:
        return RecordingLink(self, self._inner.open(line))

    def monotonic(self) -> float:
        return self._ticks / 1e6

    def digest(self, text: str) -> str:
        return self._inner.digest(text)

    def log(self, message: str, **fields: float | str | bool) -> None:
        self._inner.log(message, **fields)

    def note(self, sign: str, data: bytes = b"") -> None:
        """Remember a step."""
        self._steps.append((sign, data))

    def wait(self, wait_s: float, work: Callable[[float], T]) -> T:
        """Do *work*, which waits, and let the clock go on."""
        started = time.monotonic()
        found = work(wait_s)
        passed = ticks(wait_s)
        if found:
            passed = min(max(0, passed - 1), round((time.monotonic() - started) * 1e3) * MILLISECOND)
        self._ticks += passed
        if passed:
            self._steps.append(("=", passed))
        return found

    def write(self, path: Path, driver: str) -> None:
        """Write the recording."""
        path.write_text("\n".join([f"{HEAD} {driver}", *self._lines(), ""]), encoding="ascii")

    def _lines(self) -> Iterator[str]:
        waited = 0
        for sign, value in [*self._steps, ("", b"")]:
            if isinstance(value, int):
                waited += value
                continue
            if waited:
                yield "= " + f"{waited / 1e6:.6f}".rstrip("0").rstrip(".")
                waited = 0
            if sign:
                yield f"{sign} {value.hex(' ').upper()}".rstrip()


class RecordingLink:
    """Implements ``edge.links.Link`` around another link."""

    def __init__(self, recorder: Recorder, inner: Link) -> None:
        self._recorder = recorder
        self._inner = inner

    @property
    def simulated(self) -> bool:
        return self._inner.simulated

    def read(self, wait_s: float) -> bytes:
        try:
            data = self._recorder.wait(wait_s, self._inner.read)
        except DeviceLost:
            self._recorder.note("!")
            raise
        if data:
            self._recorder.note("<", data)
        return data

    def idle(self, wait_s: float) -> bool:
        return self._recorder.wait(wait_s, self._inner.idle)

    def write(self, data: bytes) -> None:
        self._recorder.note(">", data)
        self._inner.write(data)

    def discard(self) -> None:
        while self.read(0):
            pass

    def set_baud(self, baud: int) -> None:
        self._inner.set_baud(baud)

    def wake(self) -> None:
        self._inner.wake()

    def close(self) -> None:
        self._inner.close()
