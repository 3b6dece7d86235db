"""Put a model behind another port than a pseudo-terminal: USB/IP, a unix socket. Its bytes, faults and actions stay."""

import os
import select
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from simulators.device import Device
from simulators.model import Binder, Deed, Model, Output
from simulators.port import Port
from simulators.served import Served
from simulators.words import Words

_LONGEST_SLEEP_S = 3600.0
_OWN_OF_THE_BENCH = frozenset(("plug", "unplug"))


class Hosted(Served):
    """Run one model at one port in one thread, while it is plugged."""

    def __init__(self, place: Path, words: Words, seed: int, model: Model, port: Port) -> None:
        super().__init__(place, words, seed)
        self.counters: Counter[str] = model.counters
        self.port = port
        self._device = Device(place.name, type(self).__name__, model, port, lambda _: None, seed)
        self._thread: threading.Thread | None = None
        self._wake = -1

    def plug(self) -> None:
        """Appear, with power."""
        with self.lock:  # a cable that is being pulled is out first
            if self.port.fd is not None:
                return
        self._join()
        with self.lock:
            self._device.plug(time.monotonic())
            self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
            self._thread.start()

    def unplug(self) -> None:
        """Disappear."""
        with self.lock:
            self._device.unplug()
            self._wake_up()
        self._join()

    def actions(self) -> Mapping[str, Binder]:
        """Name what a person and a bad cable can do."""
        helps = self._device.helps()
        return {action: self._binder(action, text) for action, text in helps.items() if action not in _OWN_OF_THE_BENCH}

    def _binder(self, action: str, text: str) -> Binder:
        def bind(words: Words) -> Deed:
            with self.lock:
                deed = self._device.bind(action, words)

            def start(now: float) -> list[Output]:
                with self.lock:
                    deed.start(now)
                    self._wake_up()
                return []

            def finished() -> bool:
                with self.lock:
                    return deed.finished()

            return Deed(start, finished, limit_s=deed.limit_s)

        bind.__doc__ = text
        return bind

    def _wake_up(self) -> None:
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    def _join(self) -> None:
        """Wait until the thread of the last plug has ended; it ends by itself when the cable is out."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        timeout_s: float | None = 0.0
        while timeout_s is not None:
            poller = select.poll()
            poller.register(self._wake, select.POLLIN)
            with self.lock:
                if self.port.fd is not None:
                    poller.register(self.port.fd, select.POLLIN)
            poller.poll(timeout_s * 1000)
            timeout_s = self._pass_once()
            self.changed()

    def _pass_once(self) -> float | None:
        """Hear and tick once; give the seconds until there is something to do, None when the cable is out."""
        with self.lock:
            with suppress(BlockingIOError):
                os.eventfd_read(self._wake)
            if self.port.fd is not None:
                now = time.monotonic()
                self._device.hear(now)
                self._device.tick(now)
            if self.port.fd is None:
                os.close(self._wake)
                self._wake = -1
                return None
            due = self._device.next_due()
            return _LONGEST_SLEEP_S if due is None else min(max(due - time.monotonic(), 0.0), _LONGEST_SLEEP_S)
