"""Who holds a device that is busy, and what to do about one that may not be opened: as exact as what can be seen."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.links import holder
from edge.links.access import RULES, how_to_allow
from edge.messages import remedy

OPENS = "import sys; file = open(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
LOCKS = "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, 2); print('held', flush=True); sys.stdin.read()"
LOADS = "import ctypes, sys; ctypes.CDLL(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
LIBRARY = "libpcsclite.so.1"
USER = pwd.getpwuid(os.geteuid()).pw_name


def other(program: str, argument: str) -> Iterator[int]:
    """Run *program* in another process; yield its id once it holds what it is told."""
    with subprocess.Popen(
        [sys.executable, "-c", program, argument], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process.pid
        process.communicate("")


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "ttyUSB0"
    path.touch()
    return path


# --- who holds it


def test_a_program_is_named_while_it_has_the_node_open(node: Path) -> None:
    assert holder.holder_of(str(node)) is None
    for pid in other(OPENS, str(node)):
        assert holder.holder_of(str(node)) == f"{Path(sys.executable).name[:15]} (pid {pid})"
    assert holder.holder_of(str(node)) is None


@pytest.mark.parametrize("named", [True, False], ids=["one of ours", "one that is hidden from us"])
def test_one_that_has_locked_it_is_known_to_everybody(
    node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, named: bool
) -> None:
    """The kernel shows to us what our user's programs have open, but everybody's locks."""
    for pid in other(LOCKS, str(node)):
        (tmp_path / "locks").write_text(Path("/proc/locks").read_text())
        if named:
            (tmp_path / str(pid)).mkdir()
            (tmp_path / str(pid) / "comm").write_text("scan\x1bner\n")
        monkeypatch.setattr(holder, "_PROC", tmp_path)
        assert holder.holder_of(str(node)) == (f"scan?ner (pid {pid})" if named else f"process {pid}")
    assert holder.holder_of(str(node)) is None  # its lock is still in our copy, but it runs no more


def test_a_lock_file_counts_while_its_program_runs(node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder, "_LOCK_FOLDERS", (tmp_path,))
    lock = tmp_path / "LCK..ttyUSB0"
    lock.write_text("         1\n")
    assert str(holder.holder_of(str(node))).endswith("(pid 1)")
    lock.write_text(f"{2**22 + 1}\n")  # nobody has that number
    assert holder.holder_of(str(node)) is None
    lock.write_text("minicom\n")
    assert holder.holder_of(str(node)) is None


def test_who_has_loaded_a_library_may_hold_what_only_it_leads_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holder, "MOST_NAMED", 1000)  # other tests' programs have loaded it too
    before = holder.users_of(LIBRARY) or ""
    for pid in other(LOADS, LIBRARY):
        assert f"(pid {pid})" in (holder.users_of(LIBRARY) or "")
        assert f"(pid {pid})" not in before
    assert holder.users_of("libnobodyhas.so") is None


@pytest.mark.parametrize(
    ("who", "path", "action", "chinese"),
    [
        ("minicom (pid 7)", "/dev/ttyUSB0", "close minicom (pid 7)", "关闭 minicom（进程号 7）"),
        (
            None,
            "/dev/ttyUSB0",
            "close the program that sudo lsof /dev/ttyUSB0 names",
            "用 sudo lsof /dev/ttyUSB0 查出占用的程序并关闭",
        ),
    ],
)
def test_what_to_do_about_it(who: str | None, path: str, action: str, chinese: str) -> None:
    assert holder.action_against(who, path) == action
    assert remedy("SER-103", action, "zh") == chinese


# --- what opens it


def allowed(node: Path, sys_root: Path) -> tuple[str, str]:
    """Return the action for *node* in both languages."""
    action = how_to_allow(str(node), "tty", sys_root)
    return action, remedy("SER-102", action, "zh")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_group_that_owns_the_node_is_the_way_in(node: Path, tmp_path: Path) -> None:
    os.chown(node, -1, grp.getgrnam("dialout").gr_gid)
    node.chmod(0o660)
    command = f"sudo usermod -aG dialout {USER} && sudo systemctl restart hall-edge"
    assert allowed(node, tmp_path) == (f"run {command}", f"执行 {command}")


def test_in_the_right_group_it_is_the_unit_that_forbids_it(node: Path, tmp_path: Path) -> None:
    os.chown(node, -1, os.getegid())
    node.chmod(0o660)
    action, chinese = allowed(node, tmp_path)
    assert action == f"let the service open it: sudo systemctl edit hall-edge, and there DeviceAllow={node} rw"
    assert chinese == f"放行该设备：sudo systemctl edit hall-edge，写入 DeviceAllow={node} rw"


@pytest.mark.parametrize("usb", [True, False])
def test_else_it_takes_a_rule_by_what_the_device_is(node: Path, tmp_path: Path, *, usb: bool) -> None:
    node.chmod(0o600)
    device = tmp_path / "devices/usb1/1-1/1-1:1.0/ttyUSB0"
    device.mkdir(parents=True)
    folder = tmp_path / "class/tty/ttyUSB0"
    folder.mkdir(parents=True)
    (folder / "device").symlink_to(device)
    if usb:
        (tmp_path / "devices/usb1/1-1/idVendor").write_text("1a86\n")
        (tmp_path / "devices/usb1/1-1/idProduct").write_text("7523\n")
    which = 'ATTRS{idVendor}=="1a86", ATTRS{idProduct}=="7523"' if usb else 'KERNEL=="ttyUSB0"'
    rule = f'SUBSYSTEM=="tty", {which}, GROUP="hall-edge", MODE="0660"'
    action, chinese = allowed(node, tmp_path)
    assert action == f"run echo '{rule}' | sudo tee -a {RULES}, then plug the device in again"
    assert chinese == f"执行 echo '{rule}' | sudo tee -a {RULES}，再重插设备"
