"""A window to be tested without its daemon: a real store, a real broker, a PC of files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from edge.config import Config, load
from edge.devices import Devices
from edge.envelope import EnvelopeRenderer
from edge.errors import StoreError
from edge.selftest.model import Check
from edge.selftest.scene import Outside, Scene, Wanted
from edge.store.outbox import Outbox
from edge.store.room import Room

HALL, WINDOW = "test-hall", "w01"
NOBODY = "mqtt://127.0.0.1:9"


def write(folder: Path, more: str = "", *, url: str = NOBODY, mqtt: str = "") -> Path:
    """Write a configuration of a window in lab mode, with *more* tables and more lines of ``[mqtt]``."""
    file = folder / "hall-edge.toml"
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    lab = "lab = false" if mqtt else "lab = true"
    file.write_text(
        f'[window]\nhall = "{HALL}"\nwindow = "{WINDOW}"\n{lab}\n'
        f'[paths]\nstate = "{folder}/state"\nrun = "{folder}/run"\n[page]\nenabled = false\n'
        f'[mqtt]\nurl = "{url}"\n{mqtt}\n{more}\n',
        encoding="utf-8",
    )
    return file


def outside(folder: Path) -> Outside:
    """Return a PC without systemd, without rules."""
    return Outside(root=folder / "root", systemctl=str(folder / "systemctl"))


@asynccontextmanager
async def scene_of(
    file: Path, change: Callable[[Config], Config] = lambda config: config, *, daemon: bool = False
) -> AsyncIterator[Scene]:
    """Lend the scene of a window whose daemon does not run; *change* what it runs with."""
    config = change(load(file))
    state = Path(config.paths.state)
    render = EnvelopeRenderer(HALL, WINDOW, lab=config.window.lab).render
    names = [one.name for one in config.subscribers]
    outbox = Outbox(state / "outbox.db", render, lambda _rows: None, names, room=Room(state, config.outbox))
    error: StoreError | None = None
    try:
        await asyncio.wrap_future(outbox.opening())
    except StoreError as raised:
        error = raised
    scene = Scene(
        wanted=Wanted(), config=config, file=str(file), load=lambda: load(file), devices=Devices(lambda *_: ()),
        outbox=None if error else outbox, no_store=error, daemon=daemon, outside=outside(file.parent),
    )  # fmt: skip
    try:
        yield scene
    finally:
        outbox.close()


async def found(look: Callable[[Scene], AsyncIterator[Check]], scene: Scene) -> list[Check]:
    return [check async for check in look(scene)]


def codes(checks: list[Check]) -> dict[str, str]:
    """Return the results by code."""
    return {check.code: check.result for check in checks}


def asked_by(scene: Scene, version: str) -> Scene:
    """Return *scene* as a program of another *version* asks for it."""
    return replace(scene, wanted=Wanted(version=version))
