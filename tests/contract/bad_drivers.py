"""Drivers that break one rule each, so that the suite can be seen to notice: see ``test_the_suite.py``."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import msgspec

from drivers.code_serial import SerialScanner
from drivers.pad_serial import SerialPad
from edge.driver import DeviceInfo, Driver, Job
from edge.errors import DeviceLost
from edge.events import Evaluate, Params, Payload, Rated, Scanned
from edge.links import SerialLine
from edge.secret import Secret
from tests.contract.benches import DriverBench, simulated


class Works(SerialScanner):
    """Breaks nothing."""


class WorksElsewhere(SerialScanner):
    """Breaks nothing, in a process of its own."""

    lane = "process"


class OpensInConstructor(SerialScanner):
    def __init__(self, settings: Any, port: Any) -> None:
        super().__init__(settings, port)
        with contextlib.suppress(Exception):
            port.open(SerialLine()).close()


class CannotBeInterrupted(SerialScanner):
    def poll(self, wait_s: float) -> list[Payload]:
        assert self._link is not None
        self._link.read(wait_s)
        return []


class KeepsItsHandle(SerialScanner):
    def close(self) -> None:
        self._link = None


class ClosesOnce(SerialScanner):
    def close(self) -> None:
        assert self._link is not None
        self._link.close()
        self._link = None


class ReadsForEver(SerialScanner):
    def poll(self, wait_s: float) -> list[Payload]:
        assert self._link is not None
        while self._link.read(wait_s):
            pass
        return []


class SeesNoUnplug(SerialScanner):
    def poll(self, wait_s: float) -> list[Payload]:
        try:
            return super().poll(wait_s)
        except DeviceLost:
            return []


class LogsWhatItReads(SerialScanner):
    def poll(self, wait_s: float) -> list[Payload]:
        events = super().poll(wait_s)
        for event in events:
            text = getattr(event, "text", "")
            self.port.log("scanned", text=text.reveal() if isinstance(text, Secret) else text)
        return events


class RaisesWhatItReads(SerialScanner):
    def poll(self, wait_s: float) -> list[Payload]:
        for event in super().poll(wait_s):
            raise ValueError(f"cannot understand {getattr(event, 'text', '')}")
        return []


class SaysSomethingElse(SerialScanner):
    def poll(self, wait_s: float) -> list[Payload]:
        wrong = Rated(session="none", level=9, dwell_ms=0)
        return [wrong for _ in super().poll(wait_s)]


class PublishesHalves(SerialScanner):
    def poll(self, wait_s: float) -> list[Payload]:
        assert self._link is not None
        data = self._link.read(0) if self._link.idle(wait_s) else b""
        text = data.decode("latin-1").strip("\r\n")
        return [Scanned(content="personal", length_bytes=len(data), encoding="latin-1", text=text)] if text else []


class LeavesAThread(SerialScanner):
    def open(self) -> DeviceInfo:
        threading.Thread(target=threading.Event().wait, args=(20.0,), daemon=True).start()
        return super().open()


class HasItsOwnError(SerialScanner):
    def poll(self, wait_s: float) -> list[Payload]:
        try:
            return super().poll(wait_s)
        except DeviceLost as error:
            raise DeviceLost("oh", code="E17") from error


class HearsNoCancel(SerialPad):
    def execute(self, command: Params, job: Job) -> Iterator[Payload]:
        return super().execute(command, _Unchecked(job))


class _Unchecked:
    def __init__(self, job: Job) -> None:
        self.request_id = job.request_id
        self.remaining_s = job.remaining_s
        self.report = job.report

    def check(self) -> None: ...


class DoesWhateverItIsTold(SerialPad):
    def execute(self, command: Params, job: Job) -> Iterator[Payload]:
        return super().execute(command if isinstance(command, Evaluate) else Evaluate(timeout_s=3), job)


def _gun(driver: type[Driver]) -> DriverBench:
    return DriverBench(
        name=driver.__name__,
        driver=driver,
        attach=simulated("code_serial"),
        alive="silent",
        event=("scan SIM-000001",),
        personal={},
        people=("scan 000000199001010015虚构甲乙",),
    )


def _pad(driver: type[Driver]) -> DriverBench:
    return DriverBench(
        name=driver.__name__,
        driver=driver,
        attach=simulated("pad_serial", profile="ascii_keys"),
        settings={"profile": "ascii_keys"},
        alive="silent",
        event=("press 1",),
        command=Evaluate(timeout_s=60),
        event_by_command=True,
    )


WORKS = _gun(Works)
WORKS_ELSEWHERE = msgspec.structs.replace(_gun(WorksElsewhere), line=False, absent="serial:///dev/hall-edge/absent")
OPENS_IN_CONSTRUCTOR = _gun(OpensInConstructor)
CANNOT_BE_INTERRUPTED = _gun(CannotBeInterrupted)
KEEPS_ITS_HANDLE = _gun(KeepsItsHandle)
CLOSES_ONCE = _gun(ClosesOnce)
READS_FOR_EVER = _gun(ReadsForEver)
SEES_NO_UNPLUG = _gun(SeesNoUnplug)
LOGS_WHAT_IT_READS = _gun(LogsWhatItReads)
RAISES_WHAT_IT_READS = _gun(RaisesWhatItReads)
SAYS_SOMETHING_ELSE = _gun(SaysSomethingElse)
PUBLISHES_HALVES = _gun(PublishesHalves)
LEAVES_A_THREAD = _gun(LeavesAThread)
HAS_ITS_OWN_ERROR = _gun(HasItsOwnError)
HEARS_NO_CANCEL = _pad(HearsNoCancel)
DOES_WHATEVER_IT_IS_TOLD = _pad(DoesWhateverItIsTold)
