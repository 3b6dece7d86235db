"""What the package tells udev and systemd, held against what the drivers in use need."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest

from edge.selftest.checks import rules
from edge.selftest.checks.rules import look_at_rules
from edge.selftest.scene import Scene
from tests.selftest.rig import codes, found, scene_of, write
from tests.support.project import ROOT

GUN = '[[device]]\nname = "gun-1"\ndriver = "code_serial"\naddress = "serial:///dev/null"\ncontent = "public"\n'
UNIT = "lib/systemd/system/hall-edge.service"
RULES = "lib/udev/rules.d/70-hall-edge.rules"


def install(scene: Scene, path: str, text: str) -> None:
    file = scene.outside.root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def shipped(name: str) -> str:
    return (ROOT / "systemd" / name).read_text("utf-8")


@pytest.fixture(autouse=True)
def _of_nobody_special(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the groups be judged as those of an ordinary user who has all that there are."""
    monkeypatch.setattr(rules, "_lacking", lambda _drivers: [])


async def test_what_is_shipped_fits(tmp_path: Path) -> None:
    async with scene_of(write(tmp_path, GUN)) as scene:
        assert codes(await found(look_at_rules, scene)) == {"RUL-001": "skip"}
        install(scene, UNIT, shipped("hall-edge.service"))
        install(scene, RULES, shipped("70-hall-edge.rules"))
        assert codes(await found(look_at_rules, scene)) == {"RUL-000": "ok"}


async def test_older_rules_and_units_are_named(tmp_path: Path) -> None:
    async with scene_of(write(tmp_path, GUN)) as scene:
        install(scene, UNIT, shipped("hall-edge.service"))
        (none,) = await found(look_at_rules, scene)
        assert (none.code, none.result) == ("RUL-101", "warn")
        install(scene, RULES, shipped("70-hall-edge.rules"))
        install(scene, UNIT, shipped("hall-edge.service").replace("DeviceAllow=char-ttyUSB rw\n", ""))
        (older,) = await found(look_at_rules, scene)
        assert older.seen == ("1 lines that the drivers in use need are not installed, as DeviceAllow=char-ttyUSB rw")
        install(scene, f"etc/{UNIT.removeprefix('lib/')}.d/more.conf", "[Service]\nDeviceAllow=char-ttyUSB rw\n")
        assert codes(await found(look_at_rules, scene)) == {"RUL-000": "ok"}  # an administrator's own drop-in


async def test_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    async with scene_of(write(tmp_path, GUN)) as scene:
        install(scene, UNIT, shipped("hall-edge.service"))
        install(scene, RULES, shipped("70-hall-edge.rules"))
        monkeypatch.setattr(os, "geteuid", lambda: 4242)
        monkeypatch.setattr(os, "getegid", lambda: 4242)
        monkeypatch.setattr(os, "getgroups", lambda: [20])
        monkeypatch.setattr(grp, "getgrnam", lambda _name: type("Group", (), {"gr_gid": 20}))
        assert codes(await found(look_at_rules, scene)) == {"RUL-000": "ok"}
        monkeypatch.setattr(os, "getgroups", lambda: [4242, 65534])  # as the shipped unit's PrivateUsers= shows them
        assert codes(await found(look_at_rules, scene)) == {"RUL-000": "ok"}
        monkeypatch.setattr(os, "getgroups", lambda: [4242])
        (check,) = await found(look_at_rules, scene)
        assert (check.code, check.result, check.seen) == ("RUL-102", "warn", "the daemon is not in dialout")
