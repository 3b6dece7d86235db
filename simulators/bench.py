"""Run any number of simulated devices in one thread, and do to them what a scenario line says."""

import math
import os
import re
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from simulators import scenario as language
from simulators.device import Device
from simulators.model import Deed
from simulators.models import MODELS, SERVED, make_model
from simulators.port import SerialPort
from simulators.scenario import KEYWORDS, WAIT, Scenario, Step, split_line
from simulators.served import ServedDevice
from simulators.words import ScenarioError, Words, to_seconds, unknown

PATIENCE_S = 60.0
LONGEST_SLEEP_S = 3600.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class BenchClosed(ScenarioError):
    """Tell an action that the bench was closed while it waited."""


class Bench:
    """Hold the devices; their ports are links in ``directory``. Use it as a context manager.

    Methods may be called from any thread. One daemon thread watches all ports, edge-triggered, because a port
    that nobody has open reports a hang-up for ever.
    """

    def __init__(self, directory: str | Path, seed: int = 0) -> None:
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._seed = seed
        self._devices: dict[str, Device | ServedDevice] = {}
        self._watched: dict[int, Device] = {}
        self._changed = threading.Condition(threading.RLock())
        self._closed = False
        self._failure: BaseException | None = None
        self._poller = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poller.register(self._wake, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="simulators", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Give the bench itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the bench."""
        self.close()

    def add(self, name: str, model: str, **options: object) -> Path:
        """Put a device on the bench and give the path of its port.

        Options as in ``--list``, with ``_`` for ``-``; ``plugged=False`` leaves the cable out.
        """
        return self.add_words(name, model, Words.from_options(options))

    def add_words(self, name: str, model: str, words: Words) -> Path:
        """Do the same with options as words ``key=value``."""
        if not _NAME.fullmatch(name) or name in KEYWORDS:
            raise ScenarioError(f"{name!r} cannot be the name of a device")
        with self._changed:
            self._check_open()
            if name in self._devices:
                raise ScenarioError(f"device {name!r} is there already")
            plugged = words.flag("plugged", default=True)
            seed = self._seed * 1000 + len(self._devices)
            device = self._make(name, model, words, seed)
            if plugged:
                device.plug(time.monotonic())
            self._devices[name] = device
            self._wake_up()
        return device.link

    def path(self, name: str) -> Path:
        """Give the path of a device's port, there or not."""
        return self._device(name).link

    def address(self, name: str) -> str:
        """Give what a window's configuration says for a device."""
        return self._device(name).address

    def counters(self, name: str) -> dict[str, int]:
        """Give what a device has counted: received_bytes, sent_bytes, lost_bytes, and its model's counts."""
        with self._changed:
            return dict(self._device(name).counters)

    def wait_count(self, name: str, counter: str, at_least: int = 1, within_s: float = 5.0) -> int:
        """Wait until a counter has reached a number; TimeoutError says what it stands at."""
        device = self._device(name)
        if not self._wait(lambda: device.counters[counter] >= at_least, within_s):
            raise TimeoutError(f"{name}: {counter} is {self.counters(name).get(counter, 0)}, not {at_least}")
        return self.counters(name)[counter]

    def check(self, line: str) -> None:
        """Raise ScenarioError when a line cannot be done."""
        words = split_line(line)
        if words:
            self._bind(words)

    def do(self, line: str, limit_s: float | None = PATIENCE_S) -> None:
        """Do one scenario line and return when it is done.

        ``limit_s`` is the patience with a host that does not ask, None for ever.
        """
        words = split_line(line)
        if words:
            self._do_words(words, limit_s)

    def run(self, scenario: Scenario | str, done: Callable[[Step], None] | None = None) -> None:
        """Check a whole scenario, then do it, with endless patience; ``done`` is told every finished step."""
        if isinstance(scenario, str):
            scenario = language.parse(scenario)
        for step in language.steps(scenario):
            try:
                self._bind(step.words)
            except ScenarioError as error:
                raise error.at(step.where) from None
        for step in language.unrolled(scenario):
            try:
                self._do_words(step.words, None)
            except BenchClosed:
                raise
            except ScenarioError as error:
                raise error.at(step.where) from error
            if done:
                done(step)

    def close(self) -> None:
        """Pull out every device, end the thread, wake whoever waits; a second call does nothing."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
            self._wake_up()
        self._thread.join()
        for device in self._devices.values():
            device.unplug()
        self._poller.close()
        os.close(self._wake)

    def _make(self, name: str, model: str, words: Words, seed: int) -> Device | ServedDevice:
        place = self.directory / name
        if model in SERVED:
            return ServedDevice(name, model, SERVED[model](place, words, seed), self._wake_up)
        if model not in MODELS:
            raise unknown("model", model, [*MODELS, *SERVED])
        return Device(name, model, make_model(model, words, seed), SerialPort(place), self._watch, seed)

    def _device(self, name: str) -> Device | ServedDevice:
        if name not in self._devices:
            raise unknown("device", name, self._devices)
        return self._devices[name]

    def _bind(self, words: tuple[str, ...]) -> Deed:
        """Check a line and make it ready; a wait is a deed whose end is a moment."""
        first, *rest = words
        if first == WAIT:
            if len(rest) != 1:
                raise ScenarioError("wait takes one number of seconds")
            return Deed(lambda _: [], lambda: False, limit_s=to_seconds(rest[0], "wait"))
        if first in KEYWORDS:
            raise ScenarioError(f"{first} belongs into a scenario of several lines")
        if first not in self._devices:
            raise unknown("device or word", first, [*self._devices, *KEYWORDS])
        if not rest:
            raise ScenarioError(f"{first} is to do what? The action is missing")
        return self._devices[first].bind(rest[0], Words(rest[1:]))

    def _do_words(self, words: tuple[str, ...], limit_s: float | None) -> None:
        with self._changed:
            self._check_open()
            deed = self._bind(words)
            deed.start(time.monotonic())
            self._changed.notify_all()
            self._wake_up()
        limit_s = limit_s if deed.limit_s is None else deed.limit_s
        if not self._wait(deed.finished, limit_s) and words[0] != WAIT:
            raise ScenarioError(f"{' '.join(words[:2])} was not done within {limit_s:g} s")

    def _wait(self, condition: Callable[[], bool], limit_s: float | None) -> bool:
        with self._changed:
            limit_s = None if limit_s == math.inf else limit_s
            met = self._changed.wait_for(lambda: self._closed or self._failure or condition(), limit_s)
            self._check_open()
            return bool(met)

    def _check_open(self) -> None:
        if self._failure:
            raise RuntimeError("the thread of the simulators has died") from self._failure
        if self._closed:
            raise BenchClosed("the bench is closed")

    def _wake_up(self) -> None:
        os.eventfd_write(self._wake, 1)

    def _watch(self, device: Device) -> None:
        """Watch a port that has just been plugged; a closed one leaves the poller by itself."""
        fd = device.port.fd
        if fd is not None:
            self._watched[fd] = device
            self._poller.register(fd, select.EPOLLIN | select.EPOLLET)

    def _run(self) -> None:
        try:
            timeout_s = LONGEST_SLEEP_S
            while not self._closed:
                timeout_s = self._pass_once(self._poller.poll(timeout_s))
        except BaseException as error:  # noqa: BLE001 - handed to whoever calls next
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _pass_once(self, events: list[tuple[int, int]]) -> float:
        """Hear and tick every device once, and give the seconds until there is something to do."""
        with self._changed:
            now = time.monotonic()
            for fd, _ in events:
                if fd == self._wake:
                    os.eventfd_read(self._wake)
                elif (heard := self._watched[fd]).port.fd == fd:
                    heard.hear(now)
            for device in self._devices.values():
                device.tick(now)
            self._changed.notify_all()
            moments = [at for device in self._devices.values() if (at := device.next_due()) is not None]
            return min(max(min(moments, default=math.inf) - time.monotonic(), 0.0), LONGEST_SLEEP_S)
