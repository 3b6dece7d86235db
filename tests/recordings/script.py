"""What is done with a driver in a recording, and what came of it: the same while recording and while replaying.

A script is ``NAME.toml`` beside the recording ``NAME.rec``; its ``steps`` are lines of text::

    open                                       once, first
    poll 2.5                                   poll until the clock has gone on by 2.5 s
    execute evaluate {"timeout_s": 10}         a command with its parameters; "within 3" sets its deadline
    do insert resident seed=1                  what a person does at the simulator (only while recording)
    meanwhile wait 0.5; press 5                the same, during the next step
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import msgspec

from edge.driver import DeviceInfo, Driver, Port, Settings
from edge.errors import DeviceError, EdgeError, JobCancelled
from edge.events import COMMANDS, Params, Payload
from edge.registry import Registry

FOLDER = Path(__file__).parent
DIGEST_KEY = b"recordings"
REQUEST_ID = "00000000-0000-4000-8000-000000000001"
POLL_S = 1.0
LIMIT_S = 60.0


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ``.toml`` file: ``frame_head`` (hex) is what a frame begins with where noise may stand before it."""

    about: str
    steps: list[str]
    settings: dict[str, Any] = {}
    simulator: dict[str, Any] = {}
    frame_head: str = ""
    noise_without: str = ""


@cache
def read_script(path: Path) -> Script:
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Script)


def recordings() -> list[Path]:
    """Return the scripts of all recordings, each ``FOLDER/DRIVER/NAME.toml``."""
    return sorted(FOLDER.glob("*/*.toml"))


@cache
def driver_and_settings(path: Path) -> tuple[type[Driver], Settings]:
    """Return the driver that the script in *path* is for, and what it is set to."""
    driver_type = Registry().load(path.parent.name)
    settings = msgspec.convert(read_script(path).settings, driver_type.settings_type)
    assert not settings.problems()
    return driver_type, settings


def make_driver(path: Path, port: Port) -> Driver:
    """Return the driver that the script in *path* is for."""
    driver_type, settings = driver_and_settings(path)
    return driver_type(settings, port)


class Bystander(Protocol):
    """Does at the simulator what the script says; while replaying there is nobody."""

    def do(self, line: str) -> None: ...
    def meanwhile(self, lines: str) -> None: ...
    def join(self) -> None: ...


class Nobody:
    def do(self, line: str) -> None: ...
    def meanwhile(self, lines: str) -> None: ...
    def join(self) -> None: ...


class ScriptJob:
    """A command under way, by the port's clock."""

    request_id = REQUEST_ID

    def __init__(self, port: Port, limit_s: float) -> None:
        self.told: list[str] = []
        self._port = port
        self._end = port.monotonic() + limit_s

    def check(self) -> None:
        if self.remaining_s() <= 0:
            raise JobCancelled("the job's deadline passed", code="CMD-107")

    def remaining_s(self) -> float:
        return max(0.0, self._end - self._port.monotonic())

    def report(self, text_code: str, step: int | None = None, of: int | None = None) -> None:
        self.told.append(text_code if step is None else f"{text_code} {step}/{of}")


class Play:
    """Goes through a script once; :attr:`seen` is what a golden file holds."""

    def __init__(self, driver: Driver, bystander: Bystander) -> None:
        self.seen: list[dict[str, Any]] = []
        self.raised: DeviceError | None = None
        self._driver = driver
        self._bystander = bystander

    def run(self, steps: Iterable[str]) -> list[dict[str, Any]]:
        """Do all *steps*; a device error is the end, as the supervisor would close the device."""
        for step in steps:
            word, _, rest = step.partition(" ")
            if word == "do":
                self._bystander.do(rest)
            elif word == "meanwhile":
                self._bystander.meanwhile(rest)
            else:
                self.seen.append({"step": step})
                try:
                    self._done(word)(rest)
                except DeviceError as error:
                    self.seen[-1]["error"], self.raised = error.code, error
                    break
                self._bystander.join()
        return self.seen

    def _done(self, word: str) -> Callable[[str], None]:
        return {"open": self._open, "poll": self._poll, "execute": self._execute}[word]

    def _open(self, _rest: str) -> None:
        info: DeviceInfo = self._driver.open()
        self.seen[-1]["info"] = msgspec.to_builtins(info)

    def _poll(self, rest: str) -> None:
        clock = self._driver.port.monotonic
        end = clock() + float(rest)
        while (left := end - clock()) > 0:
            self._take(self._driver.poll(min(POLL_S, left)))

    def _execute(self, rest: str) -> None:
        rest, _, within = rest.partition(" within ")
        name, _, params = rest.partition(" ")
        job = ScriptJob(self._driver.port, float(within or LIMIT_S))
        end = "ok"
        try:
            self._take(self._driver.execute(command(name, json.loads(params or "{}")), job))
        except DeviceError:
            raise
        except EdgeError as error:
            end = error.code
        finally:
            self.seen[-1]["progress"] = job.told
        self.seen[-1]["end"] = end

    def _take(self, events: Iterable[Payload]) -> None:
        for event in events:
            data = msgspec.json.decode(msgspec.json.encode(event.view(sealed=True)))  # lists, as a file has them
            self.seen[-1].setdefault("events", []).append({"type": f"{event.kind}.{event.type}", "data": data})


def command(name: str, params: Mapping[str, Any]) -> Params:
    """Return the parameters of the command *name*."""
    wanted = next(known for known in COMMANDS if known.command == name)
    return msgspec.convert(params, wanted)
