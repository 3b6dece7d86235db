"""What the drivers' self-tests have in common: waiting for a person, and a port that keeps no picture."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from edge.driver import Driver, Job, Port
from edge.events import BlobRef, MediaType
from edge.links import Line, Link
from edge.links.address import Address

SLICE_S = 0.1
"""So long may be waited for before a job is asked whether it goes on."""
MARGIN_S = 1.0
"""So long before its deadline a self-test gives up waiting, to say so."""


def patience(job: Job) -> Iterator[float]:
    """Yield how long to wait, again and again, until shortly before the deadline; raises ``JobCancelled``."""
    while (left_s := job.remaining_s() - MARGIN_S) > 0:
        job.check()
        yield min(SLICE_S, left_s)


@contextmanager
def keeping_nothing(driver: Driver) -> Iterator[None]:
    """Let *driver* take pictures that nobody gets: they are thrown away at once."""
    port, driver.port = driver.port, _NothingKept(driver.port)
    try:
        yield
    finally:
        driver.port = port


class _NothingKept:
    """A device's port, but for its pictures."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self.idle, self.proved, self.monotonic = port.idle, port.proved, port.monotonic
        self.digest, self.log = port.digest, port.log

    @property
    def address(self) -> Address:
        return self._port.address

    def open(self, line: Line | None = None) -> Link:
        return self._port.open(line)

    def slow(self, limit_s: float) -> AbstractContextManager[None]:
        return self._port.slow(limit_s)

    def blob(self, data: bytes | bytearray | memoryview, media_type: MediaType) -> BlobRef:
        size = memoryview(data).nbytes
        return BlobRef(id=str(uuid.uuid4()), media_type=media_type, size=size, sha256="0" * 64)
