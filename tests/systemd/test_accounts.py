"""The daemon's user and its folder, made by systemd's own programs; and who polkit's rule is for."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.systemd.unit import FOLDER, SERVICES, settings


def made(root: Path, program: str, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [f"systemd-{program}", f"--root={root}", *options, "-"]
    text = (FOLDER / name).read_text(encoding="utf-8")
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    done = made(tmp_path, "sysusers", "hall-edge.sysusers")
    assert done.returncode == 0
    return tmp_path


def group_of(root: Path) -> int:
    (line,) = (root / "etc/group").read_text(encoding="utf-8").splitlines()
    return int(re.fullmatch(r"hall-edge:x:(\d+):", line)[1])  # type: ignore[index]  # a failure is one, too


def test_the_user_has_no_shell_no_password_and_a_group_of_its_own(root: Path) -> None:
    name, _, uid, gid, _, home, shell = (root / "etc/passwd").read_text(encoding="utf-8").strip().split(":")
    assert (name, home, shell) == ("hall-edge", "/", "/usr/sbin/nologin")
    assert int(uid) < 1000
    assert int(gid) == group_of(root)
    assert re.search(r"^hall-edge:!\*?:", (root / "etc/shadow").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_only_root_writes_the_configuration_and_only_the_daemon_reads_it(root: Path) -> None:
    done = made(root, "tmpfiles", "hall-edge.tmpfiles", "--create")
    assert (done.returncode, done.stderr) == (0, "")
    found = (root / "etc/hall-edge").stat()
    assert stat.S_IMODE(found.st_mode) == 0o750
    assert (found.st_uid, found.st_gid) == (0, group_of(root))


@pytest.mark.parametrize("name", SERVICES)
def test_all_that_runs_is_that_user(name: str) -> None:
    service = settings(FOLDER / name, "Service")
    assert service["User"] == service["Group"] == ["hall-edge"]


def test_polkits_rule_is_for_that_user_alone() -> None:
    text = (FOLDER / "70-hall-edge.polkit.rules").read_text(encoding="utf-8")
    assert re.findall(r"subject\.\w+ === \"[\w-]+\"", text) == ['subject.user === "hall-edge"']
    assert re.findall(r"polkit\.Result\.\w+", text) == ["polkit.Result.YES"]
    assert text.count("polkit.addRule(") == 1
