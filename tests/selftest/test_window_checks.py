"""The checks of the window itself, each in both of its states: the thing is really broken."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge import __version__
from edge.config import Config
from edge.envelope import Draft
from edge.events import Quarantined
from edge.machine import made_elsewhere, this_machine
from edge.selftest.checks import clock as clock_check
from edge.selftest.checks import outbox as outbox_check
from edge.selftest.checks.clock import look_at_clock
from edge.selftest.checks.config import look_at_config
from edge.selftest.checks.disk import look_at_disk
from edge.selftest.checks.outbox import look_at_outbox
from edge.selftest.checks.service import look_at_service
from edge.selftest.checks.subscribers import look_at_subscriber, look_at_subscribers
from edge.selftest.scene import Scene
from tests.faults.disk.small_disk import SmallDisk
from tests.selftest.rig import asked_by, codes, found, scene_of, write

MEGABYTE = 1_000_000
SUBSCRIBER = '[[subscriber]]\nname = "case-system"\n'


# --- configuration -------------------------------------------------------------------------------


async def test_config(tmp_path: Path) -> None:
    file = write(tmp_path, SUBSCRIBER)
    async with scene_of(file) as scene:
        (good,) = await found(look_at_config, scene)
        assert (good.code, good.result, good.seen) == ("CFG-000", "ok", "valid: 0 devices, 1 subscribers")
        file.chmod(0o666)
        assert codes(await found(look_at_config, scene)) == {"CFG-181": "warn"}
        file.chmod(0o644)
        file.write_text(file.read_text("utf-8").replace("[page]\nenabled", "[page]\nenabeld"), "utf-8")
        (wrong,) = await found(look_at_config, scene)
        assert (wrong.code, wrong.result) == ("CFG-110", "fail")
        assert (wrong.details["place"], wrong.details["nearest"]) == (f"{file}:9", "enabled")


async def test_config_of_a_daemon_that_runs_with_another_one(tmp_path: Path) -> None:
    file = write(tmp_path)
    async with scene_of(file, daemon=True) as scene:
        assert codes(await found(look_at_config, scene)) == {"CFG-000": "ok"}
        file.write_text(file.read_text("utf-8") + '[log]\nlevel = "debug"\n', "utf-8")
        (differs,) = await found(look_at_config, scene)
        assert (differs.code, differs.result) == ("CFG-180", "warn")
        assert "log.level" in differs.seen
        file.write_text("nonsense", "utf-8")  # the daemon goes on with what it has
        assert codes(await found(look_at_config, scene)) == {"CFG-103": "warn"}


# --- disk and outbox -----------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    folder = tmp_path_factory.mktemp("d")
    with SmallDisk(folder, 8192) as disk:
        yield disk


def on(disk: SmallDisk, reserve_mb: int = 1) -> Callable[[Config], Config]:
    def change(config: Config) -> Config:
        limits = replace(config.outbox, reserve_mb=reserve_mb)
        return replace(config, paths=replace(config.paths, state=str(disk.seen)), outbox=limits)

    return change


def remount(disk: SmallDisk, options: str) -> None:
    command = [*disk.inside, "mount", "-o", f"remount,{options}", str(disk.folder)]
    subprocess.run(command, check=True, capture_output=True)


async def test_disk(tmp_path: Path, small: SmallDisk) -> None:
    async with scene_of(write(tmp_path), on(small)) as scene:
        (good,) = await found(look_at_disk, scene)
        assert (good.code, good.result) == ("DSK-000", "ok")
        assert 0 < int(good.details["free_mb"]) < 9
        small.fill(1_200_000)
        assert codes(await found(look_at_disk, scene)) == {"DSK-101": "warn"}
        small.fill(400_000)
        (full,) = await found(look_at_disk, scene)
        assert (full.code, full.result) == ("DSK-102", "fail")
        small.empty()
        remount(small, "nr_inodes=64")
        assert codes(await found(look_at_disk, scene)) == {"DSK-105": "warn"}
        for number in range(64):
            try:
                (small.seen / f"file-{number}").touch()
            except OSError:
                break
        assert codes(await found(look_at_disk, scene)) == {"DSK-104": "fail"}
        remount(small, "ro")
        assert codes(await found(look_at_disk, scene)) == {"DSK-103": "fail"}


async def test_disk_that_is_gone(tmp_path: Path) -> None:
    file = write(tmp_path)
    async with scene_of(file) as scene:
        config = replace(scene.config, paths=replace(scene.config.paths, state="/gone"))
        gone = dataclasses.replace(scene, config=config)
        (check,) = await found(look_at_disk, gone)
        assert (check.code, check.result) == ("DSK-106", "fail")


async def test_outbox_writes_and_takes_no_number(tmp_path: Path) -> None:
    async with scene_of(write(tmp_path)) as scene:
        assert scene.outbox is not None
        await asyncio.wrap_future(scene.outbox.commit_soon([draft()]))
        head, written = scene.outbox.head, size_of_log(scene)
        (good,) = await found(look_at_outbox, scene)
        assert (good.code, good.result) == ("STO-000", "ok")
        assert float(good.details["commit_ms"]) > 0
        assert good.details["waiting"] == 1
        assert scene.outbox.head == head
        assert size_of_log(scene) > written  # a transaction really went to the disk
        assert not (scene.state / "selftest.probe").exists()


def size_of_log(scene: Scene) -> int:
    return (scene.state / "outbox.db-wal").stat().st_size


def draft() -> Draft:
    return Draft("window", Quarantined(refused_seq="1", refused_id="x", puback=135))


async def test_outbox_on_a_full_and_on_a_read_only_disk(tmp_path: Path, small: SmallDisk) -> None:
    async with scene_of(write(tmp_path), on(small)) as scene:
        assert codes(await found(look_at_outbox, scene)) == {"STO-000": "ok"}
        small.fill(0)
        (full,) = await found(look_at_outbox, scene)
        assert (full.code, full.result) == ("STO-131", "fail")
        assert "No space left" in full.seen
        remount(small, "ro")
        (taken_away,) = await found(look_at_outbox, scene)
        assert (taken_away.code, "Read-only" in taken_away.seen) == ("STO-131", True)


async def test_outbox_without_room_and_outbox_that_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene_of(write(tmp_path, "[outbox]\nreserve_mb = 1000000\n")) as scene:
        assert codes(await found(look_at_outbox, scene)) == {"STO-120": "fail"}
    async with scene_of(write(tmp_path)) as scene:
        monkeypatch.setattr(outbox_check, "SLOW_S", 0.0)
        (slow,) = await found(look_at_outbox, scene)
        assert (slow.code, slow.result) == ("STO-130", "warn")


async def test_outbox_that_does_not_open(tmp_path: Path) -> None:
    file = write(tmp_path)
    (tmp_path / "state" / "outbox.db").mkdir()
    async with scene_of(file) as scene:
        (check,) = await found(look_at_outbox, scene)
        assert (check.code, check.result) == ("STO-101", "fail")


# --- clock ---------------------------------------------------------------------------------------


class Synced:
    def synced(self) -> bool:
        return True


async def test_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scene_of(write(tmp_path)) as scene:
        monkeypatch.setattr(clock_check, "ClockWatch", Synced)
        assert codes(await found(look_at_clock, scene)) == {"CLK-000": "ok"}
        monkeypatch.setattr(Synced, "synced", lambda _self: False)
        assert codes(await found(look_at_clock, scene)) == {"SYS-145": "warn"}
        for wrong in (0.0, 1_600_000_000.0, time.time() + 40 * 365 * 86_400):
            monkeypatch.setattr(time, "time", lambda wrong=wrong: wrong)
            (check,) = await found(look_at_clock, scene)
            assert (check.code, check.result) == ("CLK-101", "fail")
            monkeypatch.undo()


# --- subscribers ---------------------------------------------------------------------------------


async def test_subscriber(tmp_path: Path) -> None:
    async with scene_of(write(tmp_path, SUBSCRIBER)) as scene:
        outbox = scene.outbox
        assert outbox is not None

        async def look() -> tuple[str, str, object]:
            (check,) = [check async for check in look_at_subscriber(scene, "case-system")]
            return check.code, check.result, check.details["waiting"]

        assert await look() == ("SUB-000", "ok", 0)
        await asyncio.wrap_future(outbox.commit_soon([draft()]))
        assert await look() == ("SUB-131", "warn", 1)
        await asyncio.wrap_future(outbox.confirm("case-system", 1, []))
        assert await look() == ("SUB-000", "ok", 0)
        await asyncio.wrap_future(outbox.commit_soon([draft()]))
        assert await look() == ("SUB-000", "ok", 1)  # it waits, and not for long yet
        await asyncio.wrap_future(outbox.call(lambda db: db.execute("UPDATE event SET born = born - 600000")))
        assert await look() == ("SYS-143", "warn", 1)


async def test_no_subscriber_is_said(tmp_path: Path) -> None:
    async with scene_of(write(tmp_path)) as scene:
        assert codes(await found(look_at_subscribers, scene)) == {"SUB-001": "ok"}


# --- service -------------------------------------------------------------------------------------


def systemd_says(scene: Scene, **changed: str) -> None:
    """Put a systemd beside the window that says this of our unit."""
    (scene.outside.root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    said = {
        "LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "UnitFileState": "enabled",
        "NRestarts": "0", "NeedDaemonReload": "no", "Result": "success", "MainPID": "0", **changed,
    }  # fmt: skip
    script = Path(scene.outside.systemctl)
    lines = "\n".join(f"{name}={value}" for name, value in said.items())
    script.write_text(
        f'#!/bin/sh\n[ "$1 $2" = "show hall-edge.service" ] || exit 1\ncat <<END\n{lines}\nEND\n', "utf-8"
    )
    script.chmod(0o755)


STOPPED = {"SVC-102": "fail"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, STOPPED),
        ({"LoadState": "not-found"}, {**STOPPED, "SVC-001": "skip"}),
        ({"ActiveState": "failed", "Result": "exit-code", "NRestarts": "9"}, {"SVC-103": "fail"}),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, {"SVC-103": "fail"}),
        ({"UnitFileState": "disabled"}, {**STOPPED, "SVC-101": "warn"}),
        ({"NeedDaemonReload": "yes"}, {**STOPPED, "SVC-106": "warn"}),
    ],
)
async def test_service_that_is_stopped(tmp_path: Path, changed: dict[str, str], expected: dict[str, str]) -> None:
    async with scene_of(write(tmp_path)) as scene:
        systemd_says(scene, **changed)
        assert codes(await found(look_at_service, scene)) == {"SYS-147": "warn", **expected}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {}),
        ({"NRestarts": "2"}, {}),
        ({"NRestarts": "3"}, {"SVC-104": "warn"}),
        ({"MainPID": "1"}, {"SVC-002": "skip"}),
    ],
)
async def test_service_that_runs(tmp_path: Path, changed: dict[str, str], expected: dict[str, str]) -> None:
    async with scene_of(write(tmp_path), daemon=True) as scene:
        running = {"ActiveState": "active", "SubState": "running", "MainPID": str(os.getpid())}
        systemd_says(scene, **running | changed)
        assert codes(await found(look_at_service, scene)) == {"SYS-147": "warn", **expected}


async def test_service_of_another_version(tmp_path: Path) -> None:
    async with scene_of(write(tmp_path), daemon=True) as scene:
        assert "SVC-105" not in codes(await found(look_at_service, asked_by(scene, __version__)))
        assert codes(await found(look_at_service, asked_by(scene, "99.1")))["SVC-105"] == "warn"


async def test_service_says_what_the_run_before_left(tmp_path: Path) -> None:
    async with scene_of(write(tmp_path)) as scene:
        assert codes(await found(look_at_service, scene)) == {"SYS-147": "warn", **STOPPED, "SVC-001": "skip"}
        (scene.state / "stalled.txt").write_text("stacks", "utf-8")
        here = scene.outside.root / "etc"
        here.mkdir(parents=True)
        (here / "machine-id").write_text("one", "utf-8")
        made_elsewhere(scene.state / "machine.json", this_machine(scene.outside.root))
        (here / "machine-id").write_text("another", "utf-8")
        said = codes(await found(look_at_service, scene))
        assert {"SYS-151": "warn", "SYS-148": "fail"}.items() <= said.items()
