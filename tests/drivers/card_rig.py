"""A PC/SC service of our own in another process, and the real driver on the real libpcsclite in this one.

The library reads the name of the service's socket once a process: it is the same link for all tests, and each test
says where it leads. Nothing else in the test process may use pyscard.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from drivers._card_pcsc import SOCKET_VARIABLE
from drivers.card_pcsc import PcscCardDriver
from edge.driver import DeviceInfo
from edge.errors import DeviceError
from edge.events import CardInserted, CardRead, CardRejected, Params, Payload
from edge.jobs import DeviceJob
from edge.links.address import parse_address
from edge.port import DevicePort
from tests.support.project import ROOT
from tests.support.wait import wait_until

LINK = Path(tempfile.gettempdir()) / f"hall-edge-test-{os.getpid()}.pcsc"
READER = "hall-edge simulated CCID 00 00"
TODAY = dt.date(2026, 11, 23)
REQUEST_ID = "00000000-0000-4000-8000-000000000001"


@contextmanager
def leading_to(path: Path) -> Iterator[str]:
    """Let the library of this process find the service at *path*; yield the address of a driver."""
    LINK.unlink(missing_ok=True)
    LINK.symlink_to(path)
    os.environ[SOCKET_VARIABLE] = str(LINK)
    try:
        yield f"pcsc:?socket={LINK}"
    finally:
        LINK.unlink(missing_ok=True)


class Simulator:
    """The package ``simulators`` in a process of its own, with one model."""

    def __init__(self, folder: Path, device: str = "card_pcsc", seed: int = 0) -> None:
        self.path = folder / "card"
        self._lines = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "simulators", "--dir", str(folder), f"card={device}", "--seed", str(seed)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._expect("ready")

    def do(self, *lines: str) -> None:
        """Do what each line says; returns when it is done."""
        assert self._process.stdin is not None
        for line in lines:
            self._process.stdin.write(f"card {line}\n")
            self._process.stdin.flush()
            self._lines += 1
            self._expect(f"stdin:{self._lines} card {line.split()[0]}")

    def counters(self) -> Counter[str]:
        """Return what the service has counted; what never happened counts as none."""
        self.do("counters")
        return Counter(json.loads(self.path.with_name("card.json").read_text(encoding="utf-8")))

    def reset(self) -> None:
        """Be as at the beginning: nobody connected, the reader plugged in, no card."""
        self.do("start", "allow", "thaw", "release", "reader plug", "insert storage", "remove", "restart")

    def close(self) -> None:
        with self._process as process:
            process.kill()

    def _expect(self, text: str) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().rstrip("\n")
        if line != text:
            self._process.kill()
            assert self._process.stderr is not None
            raise AssertionError(f"the simulator says {line!r}, not {text!r}: {self._process.stderr.read()}")


class Driver(PcscCardDriver):
    """The driver on a day that does not pass."""

    @staticmethod
    def today() -> dt.date:
        return TODAY


class Impatient(PcscCardDriver):
    """The driver, whose process is given up soon."""

    poll_limit_s = 0.5


class Window:
    """A driver and its port."""

    def __init__(self, address: str, **settings: object) -> None:
        checked = msgspec.convert(settings, PcscCardDriver.settings_type)
        assert checked.problems() == {}
        self.port = DevicePort("card", parse_address(address, PcscCardDriver.addresses), b"test")
        self.driver = Driver(checked, self.port)
        self.at: list[float] = []
        """When each event of :meth:`polled` came."""

    def open(self) -> DeviceInfo:
        return self.driver.open()

    def polled(self, count: int = 1, within_s: float = 5.0) -> list[Payload]:
        """Poll until *count* events have come; raises what the driver raises."""
        events: list[Payload] = []
        end = time.monotonic() + within_s
        while len(events) < count and time.monotonic() < end:
            for event in self.driver.poll(0.01):
                events.append(event)
                self.at.append(time.monotonic())
        return events

    def quiet(self, for_s: float = 0.15) -> list[Payload]:
        """Return the events of so long a time: none are expected."""
        return self.polled(1, for_s)

    def executed(self, command: Params, limit_s: float = 5.0) -> list[Payload]:
        """Return what a command yields; raises how it ends."""
        return list(self.driver.execute(command, self.job(command, limit_s)))

    def job(self, command: Params, limit_s: float = 5.0) -> DeviceJob:
        job = DeviceJob(REQUEST_ID, command, time.monotonic() + limit_s)
        job.wake = self.port.wake
        return job

    def close(self) -> None:
        self.driver.close()


Make = Callable[..., Window]


def told(events: Sequence[Payload]) -> list[str]:
    """Return the events' types; a card with its kind, a rejection with its reason."""
    words = []
    for event in events:
        more = {CardInserted: "card", CardRead: "card", CardRejected: "reason"}.get(type(event))
        words.append(f"{event.type}:{getattr(event, more)}" if more else event.type)
    return words


def forgotten(simulator: Simulator) -> None:
    """Wait until no client holds a card."""
    wait_until(lambda: not simulator.counters()["handles_open"], what="every card is let go")


def until(error: type[DeviceError], code: str, window: Window) -> list[str]:
    """Poll until that *error* is raised; return the events before it."""
    seen: list[str] = []

    def poll() -> None:
        while True:
            for event in window.driver.poll(0.5):
                seen.extend(told([event]))

    with pytest.raises(error, match=code):
        poll()
    return seen


class Later:
    """Does something in a thread of its own, a moment from now."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.at = 0.0
        self._work = work
        self._thread = threading.Timer(0.15, self._run)

    def __enter__(self) -> Later:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _run(self) -> None:
        self.at = time.monotonic()
        self._work()
