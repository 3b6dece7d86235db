"""Self-tests that a driver in a process of its own can be told to do."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge.driver import Finding, Job
from edge.errors import DeviceFault
from edge.selftest.model import Level

if TYPE_CHECKING:
    from tests.core.process_drivers import Doll


def finds(_: Doll, level: Level, job: Job) -> Iterator[Finding]:
    job.check()
    yield Finding(code="TRY-000", seen=f"first, {level}", details={"figure": 1.5})
    yield Finding(code="TRY-101", result="warn", action="do this")


def waits(doll: Doll, _: Level, job: Job) -> Iterator[Finding]:
    yield Finding(code="TRY-000")
    job.report("TRY-201")
    while True:
        job.check()
        doll.port.idle(0.05)


def breaks(_doll: Doll, _level: Level, _job: Job) -> Iterator[Finding]:
    yield Finding(code="TRY-000")
    raise DeviceFault("it is broken", code="TRY-102", action="replace it")


def no_finding(_doll: Doll, _level: Level, _job: Job) -> Iterator[Finding]:
    yield Finding(code="no code")


def dies(_doll: Doll, _level: Level, _job: Job) -> Iterator[Finding]:
    yield Finding(code="TRY-000")
    os.kill(os.getpid(), signal.SIGKILL)
