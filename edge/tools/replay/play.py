"""Play recordings to a daemon of its own, all at once, each as a device, and gather what comes of them."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import EdgeError
from edge.subscriber import Event, Subscriber
from edge.tools import toml_text
from edge.tools.ask import answers
from edge.tools.replay.read import Recording
from edge.tools.stage import Stage

HALL, WINDOW = "replay", "w01"
END = "REP-105"
"""How a device fails when its recording is over and all of it was used."""
_WAITS = "REP-109"
_LOOK_S = 0.02
_COMMAND_S = 3600.0  # on the real clock; a recording has one of its own
_NAMES = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST_KEY = bytes(range(32))
_CONFIG = """\
[window]
hall = "{hall}"
window = "{window}"
lab = true
allow_drivers = {packages}

[paths]
state = {state}
run = {run}

[mqtt]
url = {url}

[log]
format = "json"

[page]
enabled = false

[commands]
allow = ["read", "test", "act"]

[[subscriber]]
name = "back-office"
"""


@dataclass
class Played:
    """What came of one recording: the code that its device ended with, and its events, in order."""

    recording: Recording
    end: str = ""
    events: list[Event] = field(default_factory=list)

    def golden(self) -> dict[str, Any]:
        """Return it without what differs each time: identities, times, numbers."""
        names: dict[str, str] = {}
        events = [{"type": f"{event.kind}.{event.type}", "data": _named(event.data, names)} for event in self.events]
        return {"driver": self.recording.driver, "end": self.end, "events": events}


async def play(
    recordings: Sequence[Recording], stage: Stage, *, url: str | None, packages: Sequence[str], limit_s: float
) -> list[Played]:
    """Play *recordings*; with *url* over that broker. Raises ``EdgeError``."""
    stage.make_folders("state", "run")
    key = stage.folder / "state" / "lab-key.jwk"
    _write_secrets(stage.folder / "state", key)
    if url is None:
        stage.start_broker()
        url = f"mqtt://127.0.0.1:{stage.port}"
    played = {f"device-{number}": Played(one) for number, one in enumerate(recordings, 1)}
    config = stage.folder / "hall-edge.toml"
    config.write_text(_config(played, stage.folder, url, packages), encoding="utf-8")
    async with Subscriber(url, name="back-office", hall=HALL, keys=[key]) as office:
        async with asyncio.timeout(limit_s):
            await office.ready()
        await asyncio.to_thread(stage.start_daemon, config)
        play = _Play(played, stage, office)
        try:
            async with asyncio.timeout(limit_s):
                await play.to_the_end()
        except TimeoutError:
            open_ = ", ".join(str(one.recording.path) for one in played.values() if not one.end)
            action = "give it more time: --limit; or the recording lacks what the driver waits for"
            raise EdgeError(
                f"not played to the end within {limit_s:.0f} s: {open_}", code="REP-111", action=action
            ) from None
    return list(played.values())


class _Play:
    def __init__(self, played: Mapping[str, Played], stage: Stage, office: Subscriber) -> None:
        self._played, self._stage, self._office = played, stage, office
        self._asked: set[asyncio.Task[Any]] = set()
        self._read = 0  # so much of the daemon's log

    async def to_the_end(self) -> None:
        """Return when every recording is over and every event is here."""
        listening = asyncio.create_task(self._listen())
        try:
            while not all(one.end for one in self._played.values()):
                self._stage.check()
                self._look()
                await asyncio.sleep(_LOOK_S)
            await self._all_here()
        finally:
            for task in (listening, *self._asked):
                task.cancel()
            await asyncio.gather(listening, *self._asked, return_exceptions=True)

    async def _listen(self) -> None:
        async for event in self._office:
            if event.device in self._played:
                self._played[event.device].events.append(event)

    async def _all_here(self) -> None:
        """Wait until all that the daemon has accepted is confirmed by us."""
        run = str(self._stage.folder / "run")
        while True:
            now = await asyncio.to_thread(lambda: next(answers(run, "status")))
            ladder = now["health"]["ladder"]
            if ladder["confirmed"] == ladder["accepted"]:
                return
            await asyncio.sleep(_LOOK_S)

    def _look(self) -> None:
        """Read on in the daemon's log: a device waits for its next command, or fails."""
        data = (self._stage.folder / "daemon.log").read_bytes()
        end = data.rfind(b"\n") + 1
        lines, self._read = data[self._read : end].splitlines(), end
        for line in lines:
            said = json.loads(line) if line.startswith(b"{") else {}
            one = self._played.get(said.get("device", ""))
            if one is None or one.end:
                continue
            if said.get("code") == _WAITS:
                self._command(said["device"], one, said["number"])
            elif said.get("state"):
                one.end = said["code"]

    def _command(self, device: str, one: Played, number: int) -> None:
        commands = one.recording.commands
        if number <= len(commands):
            command = commands[number - 1]
            asked = self._office.request(WINDOW, device, command.name, command.params, timeout_s=_COMMAND_S)
            self._asked.add(asyncio.create_task(asked))


def _write_secrets(state: Path, key: Path) -> None:
    """Make the keys of this window: the same digests every time, and a key of its own to seal to."""
    from edge.sealing.jwe import kept_key
    from edge.state_dir import write_safely

    write_safely(state / "digest-key", _DIGEST_KEY)
    kept_key(key)


def _config(played: Mapping[str, Played], folder: Path, url: str, packages: Sequence[str]) -> str:
    value = toml_text.value
    text = _CONFIG.format(
        hall=HALL, window=WINDOW, packages=value(list(packages)), url=value(url),
        state=value(str(folder / "state")), run=value(str(folder / "run")),
    )  # fmt: skip
    for name, one in played.items():
        copy = folder / f"{name}.rec"  # an address cannot hold every path
        shutil.copyfile(one.recording.path, copy)
        address = f"replay://{copy}?once=1"
        keys = {"name": name, "driver": one.recording.driver, "address": address, **one.recording.settings}
        text += "\n".join(["", "[[device]]", *(f"{toml_text.key(key)} = {value(it)}" for key, it in keys.items()), ""])
    return text


def _named(value: Any, names: dict[str, str]) -> Any:
    """Return *value* with identities by their order: they are new each time."""
    if isinstance(value, Mapping):
        return {key: _named(one, names) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_named(one, names) for one in value]
    if isinstance(value, str) and _NAMES.fullmatch(value):
        return names.setdefault(value, f"id-{len(names) + 1}")
    return value
