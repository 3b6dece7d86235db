"""What stands around a driver under test: a port whose device can fall silent or shout, and who watches it.

``silent`` and ``shouting`` are played in virtual time, so a driver's patience costs no time of ours; ``live`` is the
real link in real time.
"""

from __future__ import annotations

import hashlib
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar

from edge.driver import Driver
from edge.errors import DeviceLost
from edge.events import BlobRef, Payload
from edge.lanes.process import RemoteDriver
from edge.links import Line, Link
from edge.links.address import Address
from edge.port import DevicePort

Mode = Literal["live", "silent", "shouting"]
T = TypeVar("T")
SHOUT_BYTES = 4096
LINE_BYTES_S = 11_520.0  # 115200 baud
DEADLINE_S = 20.0


class Flag(Protocol):
    """What is used of an event."""

    def is_set(self) -> bool: ...
    def set(self) -> None: ...
    def clear(self) -> None: ...


class Asleep:
    """Whether a driver in a process of its own waits: it has begun something since, and its main thread sleeps."""

    def __init__(self, driver: RemoteDriver) -> None:
        self._driver = driver
        self._before = 0
        self._seen: tuple[str, ...] = ()

    def is_set(self) -> bool:
        if self._driver.pid is None or self._driver.beats <= self._before:
            return False
        after_name = Path(f"/proc/{self._driver.pid}/stat").read_text().rpartition(")")[2].split()
        before, self._seen = self._seen, (after_name[0], *after_name[11:13])
        return before == self._seen and self._seen[0] == "S"

    def set(self) -> None:
        raise AssertionError("its port is in its process")

    def clear(self) -> None:
        self._before = self._driver.beats


class HarnessPort(DevicePort):
    """A device's port as the daemon has it, with a link that is watched."""

    def __init__(self, address: Address, *, public_traffic: bool = False, seed: int = 0) -> None:
        super().__init__("device", address, b"contract", public_traffic=public_traffic)
        self.mode: Mode = "live"
        self.opened = 0
        self.waiting: Flag = threading.Event()
        """Set while the driver waits for its device."""
        self.noise: Callable[[], bytes] = lambda: self._random.randbytes(SHOUT_BYTES)
        self.on_write: Callable[[bytes], object] = lambda _: None
        """Called with what is written to a line."""
        self.passed_s = 0.0
        """Virtual time that the driver has waited."""
        self._random = random.Random(seed)

    def monotonic(self) -> float:
        return time.monotonic() + self.passed_s

    def open(self, line: Line | None = None) -> Link:
        self.opened += 1
        inner = super().open(line) if self.mode == "live" else None
        return HarnessLink(self, inner)

    def idle(self, wait_s: float) -> bool:
        with self.waits(wait_s):
            return super().idle(wait_s)

    @contextmanager
    def waits(self, wait_s: float) -> Iterator[None]:
        """Note that the driver waits while the context lasts."""
        if wait_s > 0:
            self.waiting.set()
        try:
            yield
        finally:
            self.waiting.clear()


class HarnessLink:
    """Implements ``edge.links.Link``: the real one, or what a silent or shouting device would be."""

    simulated = True

    def __init__(self, port: HarnessPort, inner: Link | None) -> None:
        self._port = port
        self._inner = inner
        self._closed = False
        self._heard = b""

    def read(self, wait_s: float) -> bytes:
        if self._live:
            with self._port.waits(wait_s):
                return self._live.read(wait_s)
        heard, self._heard = (self._heard, b"") if self._played(wait_s) else (b"", b"")
        return heard

    def idle(self, wait_s: float) -> bool:
        if self._live:
            with self._port.waits(wait_s):
                return self._live.idle(wait_s)
        return self._played(wait_s)

    def write(self, data: bytes) -> None:
        self._port.on_write(data)
        if self._live:
            self._live.write(data)
        self._check()

    def discard(self) -> None:
        if self._live:
            self._live.discard()
        self._check()
        self._heard = b""

    def set_baud(self, baud: int) -> None:
        if self._live:
            self._live.set_baud(baud)

    def wake(self) -> None:
        if self._inner:
            self._inner.wake()

    def close(self) -> None:
        self._closed = True
        if self._inner:
            self._inner.close()

    @property
    def _live(self) -> Link | None:
        return self._inner if self._port.mode == "live" else None

    def _check(self) -> None:
        if self._closed:
            raise DeviceLost("the link is closed")

    def _played(self, wait_s: float) -> bool:
        """Let virtual time pass; return whether there are bytes."""
        self._check()
        if self._port.mode == "silent":
            self._port.passed_s += max(0.0, wait_s)
        elif not self._heard:
            self._heard = self._port.noise()
            self._port.passed_s += len(self._heard) / LINE_BYTES_S
        return bool(self._heard)


class Call(Generic[T]):
    """A call of the driver in a thread of its own, as its lane would make it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: T | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="call", daemon=True)
        self._thread.start()

    def result(self, within_s: float = DEADLINE_S) -> T:
        """Return or raise what the call does; ``AssertionError`` when it does not end in time."""
        self._thread.join(within_s)
        if self._thread.is_alive():
            raise AssertionError(f"the driver's call did not end within {within_s:g} s")
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # None only where T is

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001  # handed to whoever asks for the result
            self._error = error


def polled(
    driver: Driver,
    until: Callable[[list[Payload]], object] = bool,
    within_s: float = 5.0,
    into: list[Payload] | None = None,
) -> list[Payload]:
    """Poll until *until* is true of all that came, or the time is over; return it."""
    events: list[Payload] = [] if into is None else into
    end = driver.port.monotonic() + within_s
    while not until(events) and driver.port.monotonic() < end:
        taken(driver, driver.poll(0.2), events)
    return events


def taken(driver: Driver, events: Iterable[Payload], into: list[Payload]) -> list[Payload]:
    """Put *events* into a list one by one, so that those before an error are kept; take their pictures, as the core."""
    port = driver.port
    for event in events:
        into.append(event)
        ref: BlobRef | None = getattr(event, "blob", None)
        if ref is not None and isinstance(port, DevicePort):
            data = port.take_blob(ref.id)
            assert len(data) == ref.size
            assert hashlib.sha256(data).hexdigest() == ref.sha256
    return into


def held() -> tuple[list[str], list[str]]:
    """Return what this process holds: where its handles lead to, and its threads.

    Without numbers: a line that was pulled and plugged in again may be another pseudo-terminal.
    """
    targets = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            targets.append(re.sub("[0-9]+", "#", str(entry.readlink())))
        except FileNotFoundError:
            continue  # the one that listed the folder
    return sorted(targets), sorted(thread.name for thread in threading.enumerate())


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield *error* and all that led to it."""
    seen: set[int] = set()
    rest = [error]
    while rest:
        one = rest.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            rest += [one.__cause__, one.__context__]


def plain(event: Payload) -> dict[str, object]:
    """Return what an event says, without times: two sessions never take equally long."""
    full = event.view(sealed=True)
    kept = {key: value for key, value in full.items() if not key.endswith("_ms") and key not in ("flags", "session")}
    return {"type": f"{event.kind}.{event.type}", **kept}
