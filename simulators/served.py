"""Put a simulated device on the bench that is a server: HTTP, a unix socket, USB/IP. It has threads of its own."""

import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from simulators.model import Binder, Deed, Output
from simulators.words import ScenarioError, Words, unknown


class Served(ABC):
    """Behave like one device behind a server.

    A subclass reads its options from ``words`` (and calls ``words.done()``), serves between ``plug`` and
    ``unplug`` in daemon threads, and guards its state with ``lock``. Whatever the threads count they count with
    ``count``, so that whoever waits on the bench looks again. ``place`` is a path of its own, for a socket or files.
    Actions are bound and started as those of a :class:`~simulators.model.Model`; what they return is not sent.
    """

    summary: ClassVar[str]
    options: ClassVar[Mapping[str, str]]

    def __init__(self, place: Path, words: Words, seed: int) -> None:
        del words
        self.place = place
        self.seed = seed
        self.lock = threading.RLock()
        self.counters: Counter[str] = Counter()
        self.changed: Callable[[], None] = lambda: None
        """Tell the bench that something it may wait for has changed. Never call it with ``lock`` held."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Give what a window's configuration says for this device, plugged or not."""

    @abstractmethod
    def plug(self) -> None:
        """Begin to serve at the same address as ever; nothing happens when plugged already. Raises OSError."""

    @abstractmethod
    def unplug(self) -> None:
        """Cut every connection and stop listening, now; end all threads. Idempotent."""

    @abstractmethod
    def actions(self) -> Mapping[str, Binder]:
        """Name what a person can do; a binder checks the words and its docstring is the help."""

    def count(self, counter: str, by: int = 1) -> None:
        """Count something, and wake whoever waits for it."""
        with self.lock:
            self.counters[counter] += by
        self.changed()


class ServedDevice:
    """Give a :class:`Served` the face that the bench knows."""

    def __init__(self, name: str, model_name: str, served: Served, changed: Callable[[], None]) -> None:
        self.name = name
        self.model_name = model_name
        self.served = served
        served.changed = changed
        self._actions: Mapping[str, Binder] = {
            "plug": self._bind_plug,
            "unplug": self._bind_unplug,
            **served.actions(),
        }

    @property
    def link(self) -> Path:
        """Give the path that belongs to this device."""
        return self.served.place

    @property
    def address(self) -> str:
        """Give what a window's configuration says."""
        return self.served.address

    @property
    def counters(self) -> Counter[str]:
        """Give what it has counted."""
        return self.served.counters

    def bind(self, action: str, words: Words) -> Deed:
        """Check an action and its words, and make it ready to be done."""
        if action not in self._actions:
            raise unknown(f"action of {self.name} ({self.model_name})", action, self._actions)
        return self._actions[action](words)

    def helps(self) -> dict[str, str]:
        """Describe every action, in one line each."""
        return {action: " ".join((binder.__doc__ or "").split()) for action, binder in self._actions.items()}

    def plug(self, _now: float) -> None:
        """Appear."""
        self.served.plug()

    def unplug(self) -> None:
        """Disappear."""
        self.served.unplug()

    def tick(self, now: float) -> None:
        """Do nothing: a server has threads of its own."""

    def next_due(self) -> None:
        """Tell that there is nothing to do at any time."""

    def _bind_plug(self, words: Words) -> Deed:
        """``plug``: put the cable in."""
        words.done()

        def start(_: float) -> list[Output]:
            try:
                self.served.plug()
            except OSError as error:
                raise ScenarioError(f"cannot plug {self.name}: {error}") from error
            return []

        return Deed(start)

    def _bind_unplug(self, words: Words) -> Deed:
        """``unplug``: pull the cable out."""
        words.done()

        def start(_: float) -> list[Output]:
            self.served.unplug()
            return []

        return Deed(start)
