"""An ID-card reader in virtual time: the simulator's model and its bad cable, without a port and without waiting."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections import deque
from collections.abc import Iterable, Iterator

from drivers._sdt_settings import IdCardSettings
from drivers.idcard_sdt import SdtIdCardDriver
from edge.errors import DeviceLost, JobCancelled, Unsupported
from edge.events import Payload, ReadCard
from edge.links import Line as LinkLine
from edge.links import SerialLine
from simulators.faults import SPOILERS, Line, fault_from
from simulators.idcard_sdt import IdCardReader
from simulators.words import Words
from tests.support.port import BytePort


class Rig(BytePort):
    """A reader, the link to it, and the port that opens the link; time passes only while the driver waits."""

    simulated = True

    def __init__(self, **options: object) -> None:
        self.now = 1000.0
        self.rate = 115200
        self.has_line = True
        self.muted = False
        self.plugged = True
        self.closed = 0
        self.opened = 0
        self.stray = b""
        self.logged: list[str] = []
        self.sent: list[str] = []
        self.after: dict[str, deque[str]] = {}
        """Command → what is done, one each time, as soon as it was answered (``""``: nothing)."""
        self.model = IdCardReader(Words.from_options(options))
        self.model.power_on(self.now)
        self._line = Line(1)

    def do(self, line: str) -> None:
        """Do what a scenario line says, without the name of the device."""
        action, *words = line.split()
        if action in SPOILERS:
            self._line.add(fault_from(action, Words(words), self.model, random.Random(1))())
        elif action == "unplug":
            self.plugged = False
        elif action in {"mute", "unmute"}:
            self.muted = action == "mute"
        else:
            self.model.actions()[action](Words(words)).start(self.now)

    def then(self, command: str, *lines: str) -> None:
        """Do *lines* after the next answers to *command*."""
        self.after.setdefault(command, deque()).extend(lines)

    # --- Link

    def read(self, wait_s: float) -> bytes:
        self._check()
        due = self._line.next_due()
        if due is None or due > self.now + wait_s:
            self.now += max(0.0, wait_s)
            return b""
        self.now = max(self.now, due)
        data = b""
        while (piece := self._line.take(self.now)) is not None:
            if piece.pull:
                self.plugged = False
                break
            data += piece.data
        if not data:
            self._check()
        return data

    def idle(self, wait_s: float) -> bool:
        self._check()
        if self.stray:
            return True
        self.now += wait_s
        return False

    def write(self, data: bytes) -> None:
        self._check()
        command = data[7:9].hex()
        self.sent.append(command)
        self.now += 1e-3
        fits = self.model.baud in {0, self.rate} and not self.muted
        for output in self.model.receive(data, self.now) if fits else ():
            self._line.say(output, self.now)
        if self.after.get(command) and (line := self.after[command].popleft()):
            self.do(line)

    def discard(self) -> None:
        self.stray = b""
        while (due := self._line.next_due()) is not None and due <= self.now:
            self._line.take(self.now)

    def set_baud(self, baud: int) -> None:
        if not self.has_line:
            raise Unsupported("no line")
        self.rate = baud

    def wake(self) -> None:
        raise AssertionError("a driver wakes nobody")

    def close(self) -> None:
        self.closed += 1

    def _check(self) -> None:
        if not self.plugged:
            raise DeviceLost("pulled")

    # --- Port

    def open(self, line: LinkLine | None = None) -> Rig:
        self.opened += 1
        self.rate = line.baud if isinstance(line, SerialLine) else 9600
        return self

    def monotonic(self) -> float:
        return self.now

    def digest(self, text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def log(self, message: str, **fields: float | str | bool) -> None:
        self.logged.append(f"{message} {fields}")


class Job:
    """A command under way: ends at its deadline, or when told."""

    request_id = "00000000-0000-0000-0000-000000000000"

    def __init__(self, rig: Rig, limit_s: float = 10.0) -> None:
        self.said: list[str] = []
        self.checks: list[float] = []
        self.cancel_after: int | None = None
        self._rig = rig
        self._end = rig.now + limit_s

    def check(self) -> None:
        self.checks.append(self._rig.now)
        if self._rig.now >= self._end or len(self.checks) == self.cancel_after:
            raise JobCancelled("enough")

    def remaining_s(self) -> float:
        return max(0.0, self._end - self._rig.now)

    def report(self, text_code: str, step: int | None = None, of: int | None = None) -> None:
        assert step is of is None
        self.said.append(text_code)


def driver(rig: Rig, **settings: object) -> SdtIdCardDriver:
    """Return an open driver; what it asked while opening is forgotten."""
    made = unopened(rig, **settings)
    made.open()
    rig.sent.clear()
    return made


def unopened(rig: Rig, **settings: object) -> SdtIdCardDriver:
    own = IdCardSettings(**settings)  # type: ignore[arg-type]
    assert own.problems() == {}
    return SdtIdCardDriver(own, rig)


def polled(driven: SdtIdCardDriver, times: int = 1) -> list[Payload]:
    """Return what *times* polls yield together."""
    return [event for _ in range(times) for event in driven.poll(0.3)]


def executed(driven: SdtIdCardDriver, job: Job, **params: str) -> list[Payload]:
    """Return what a read command yields, until it ends or is cancelled."""
    return list(until_cancelled(driven.execute(ReadCard(**params), job)))


def until_cancelled(events: Iterable[Payload]) -> Iterator[Payload]:
    with contextlib.suppress(JobCancelled):
        yield from events


def told(events: Iterable[Payload]) -> list[str]:
    """Return the events' types; a rejection with its reason."""
    return [f"{event.type}:{reason}" if (reason := getattr(event, "reason", "")) else event.type for event in events]
