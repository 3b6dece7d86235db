"""Drivers for processes of their own: they do what their settings say, and crash as native code does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from edge.driver import DeviceInfo, Driver, Finding, Job, Settings
from edge.events import Evaluate, Params, Payload
from edge.links.address import Address
from edge.selftest.model import Level
from tests.core import process_deeds, process_tales, process_trials

MEMORY_MB = 256


class DollSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names of deeds (see ``DEEDS``), done once at ``open`` and at the first ``poll``, and at every ``execute``."""

    on_open: str = ""
    on_poll: str = ""
    on_execute: str = ""
    on_close: str = ""
    on_selftest: str = ""
    file: str = ""
    """What the driver notes stands here, a line each."""
    size: int = 0
    asked: str = ""
    """A file with the name of a deed: it is done at the next poll, once, and the file is gone then."""


class Doll(Driver):
    """Does as its settings say; a poll without orders waits until it is woken."""

    kind = "evaluation-pad"
    settings_type = DollSettings
    commands = (Evaluate,)
    lane = "process"
    memory_mb = MEMORY_MB
    poll_limit_s = 1.0

    def __init__(self, settings: DollSettings, port: Any) -> None:
        super().__init__(settings, port)
        self._polled = False

    @classmethod
    def environment(cls, settings: Any, address: Address) -> Mapping[str, str]:
        return {"DOLL": f"{settings.file}@{address.target}"}

    def note(self, text: str) -> None:
        with Path(self.settings.file).open("a", encoding="utf-8") as file:
            file.write(f"{text}\n")

    def open(self) -> DeviceInfo:
        done = DEEDS[self.settings.on_open](self) if self.settings.on_open else None
        return done if isinstance(done, DeviceInfo) else DeviceInfo(model="Doll")

    def poll(self, wait_s: float) -> Iterable[Payload]:
        if self.settings.on_poll and not self._polled:
            self._polled = True
            return DEEDS[self.settings.on_poll](self)  # type: ignore[no-any-return]
        if (asked := Path(self.settings.asked)).is_file():
            name = asked.read_text(encoding="utf-8")
            asked.unlink()
            return DEEDS[name](self)  # type: ignore[no-any-return]
        self.port.idle(min(wait_s, 0.05) if self.settings.asked else wait_s)
        return []

    def execute(self, command: Params, job: Job) -> Iterable[Payload]:
        return DEEDS[self.settings.on_execute](self, command, job)  # type: ignore[no-any-return]

    def selftest(self, level: Level, job: Job) -> Iterable[Finding]:
        return DEEDS[self.settings.on_selftest](self, level, job)  # type: ignore[no-any-return]

    def close(self) -> None:
        if self.settings.on_close:
            DEEDS[self.settings.on_close](self)


class Patient(Doll):
    """May take its time."""

    poll_limit_s = 30.0


DEEDS: Mapping[str, Callable[..., Any]] = {
    name: value
    for module in (process_deeds, process_tales, process_trials)
    for name, value in vars(module).items()
    if callable(value) and getattr(value, "__module__", "") == module.__name__
} | {kind.__name__: process_tales.an_error(kind) for kind in process_tales.KINDS}
