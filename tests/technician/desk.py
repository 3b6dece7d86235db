"""What breaks on and under the desk: cables, plugs, permissions, other programs, paper, and a lens."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.broker import Broker
from tests.support.window import WindowUnderTest
from tests.technician.broken import Broken, Deed

UNPRIVILEGED = [sys.executable, "-m", "tests.faults.host.unprivileged"]
"""root opens everything, and the service is not root."""
_HOLD = "import serial, sys; port = serial.Serial(sys.argv[1], exclusive=True); print('open', flush=True); input()"


class Desk(WindowUnderTest):
    """A window with five devices; the cables of the serial ones go into sockets of the PC, by which they are known."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        super().__init__(folder, broker)
        self.stack = ExitStack()
        self.program = UNPRIVILEGED
        (folder / "sockets").mkdir()
        self._serial("id-1", "idcard_sdt", 'read = "presence"')
        self._serial("pad-1", "pad_serial", 'profile = "addressable"', profile="addressable", address=1, heartbeat=1)
        self._serial("gun-1", "code_serial", 'content = "public"')
        self.device("camera-1", "camera_uvc", width=800, height=600)
        self.device("scanner-1", "scanner_escl", sheets=1)

    def socket(self, name: str) -> Path:
        """Return the socket that is configured for a device."""
        return self.folder / "sockets" / name

    def plug(self, cable: str, socket: str) -> None:
        """Put the cable of a device into a socket."""
        self.bench.do(f"{cable} plug")
        self.socket(socket).symlink_to(self.bench.path(cable))

    def pull(self, cable: str) -> None:
        """Pull out a cable, wherever it is."""
        self.bench.do(f"{cable} unplug")
        for socket in (self.folder / "sockets").iterdir():
            if socket.readlink() == self.bench.path(cable):
                socket.unlink()

    def swap(self, one: str, other: str) -> None:
        """Plug two cables in again, each where the other one was."""
        were = {socket.readlink(): socket.name for socket in (self.folder / "sockets").iterdir()}
        for cable in (one, other):
            self.pull(cable)
        self.plug(one, were[self.bench.path(other)])
        self.plug(other, were[self.bench.path(one)])

    def close(self) -> None:
        self.stack.close()
        super().close()

    def _serial(self, name: str, driver: str, lines: str, **options: object) -> None:
        self.bench.add(name, driver, **options)
        self.plug(name, name)
        self.foreign(name, driver, f"serial://{self.socket(name)}", lines)


@contextmanager
def _another_program(node: Path) -> Iterator[None]:
    """Let another program have *node*, until somebody ends it."""
    command = [sys.executable, "-c", _HOLD, str(node)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"open\n"
        yield
        program.kill()


def _hold(desk: Desk) -> None:
    desk.pull("id-1")
    desk.bench.do("id-1 plug")
    desk.stack.enter_context(_another_program(desk.bench.path("id-1")))
    desk.plug("id-1", "id-1")


def _let_go(desk: Desk, words: re.Match[str]) -> None:
    """End the program with the number on the screen."""
    os.kill(int(words["pid"]), 9)
    desk.stack.close()


def _lock_away(desk: Desk) -> None:
    desk.pull("gun-1")
    desk.bench.do("gun-1 plug")
    desk.bench.path("gun-1").chmod(0)
    desk.socket("gun-1").symlink_to(desk.bench.path("gun-1"))


def _give_right(desk: Desk, words: re.Match[str]) -> None:
    """Run the command on the screen, and do what udev does by the rule; our group stands for that of the service."""
    node, rules = desk.socket("gun-1").resolve(), desk.folder / "71-hall-edge-window.rules"
    command = words["command"].replace("sudo ", "").replace(f"/etc/udev/rules.d/{rules.name}", str(rules))
    subprocess.run(["/bin/sh", "-c", command], check=True, stdout=subprocess.DEVNULL)
    rule = dict(re.findall(r'(\w+)==?"([^"]*)"', rules.read_text(encoding="utf-8")))
    assert (rule["SUBSYSTEM"], rule["KERNEL"], rule["GROUP"]) == ("tty", node.name, "hall-edge")
    os.chown(node, -1, os.getegid())
    node.chmod(int(rule["MODE"], 8))
    assert stat.S_IMODE(node.stat().st_mode) == 0o660


BROKEN = [
    Broken[Desk]("cable", "SER-105", "pad-1", lambda desk: desk.pull("pad-1")),
    Broken[Desk]("permission", "SER-102", "gun-1", _lock_away),
    Broken[Desk]("wrong port", "IDC-102", "id-1", lambda desk: desk.swap("id-1", "pad-1")),
    Broken[Desk]("held by another program", "SER-103", "id-1", _hold),
    Broken[Desk]("feeder jam", "ESC-131", "scanner-1", lambda desk: desk.do("scanner-1 stop jam")),
    Broken[Desk]("camera covered", "CAM-204", "camera-1", lambda desk: desk.do("camera-1 light black")),
]
DEEDS = [
    Deed[Desk](
        "重新插好设备并检查电缆", "plug the device in again and check its cable",
        lambda desk, _: desk.plug("pad-1", "pad-1"),
    ),
    Deed[Desk](
        r"执行 (?P<command>.+)，再重插设备",
        "run (?P<command>.+), then plug the device in again", _give_right,
    ),
    Deed[Desk](
        "把阅读器的线插回自己的口：这个口上现在是别的设备",
        "put the reader's cable into its own port: another device is in it",
        lambda desk, _: desk.swap("id-1", "pad-1"),
    ),
    Deed[Desk](r"关闭 \S+（进程号 (?P<pid>\d+)）", r"close \S+ \(pid (?P<pid>\d+)\)", _let_go),
    Deed[Desk](
        "打开进纸器盖板，取出纸道里的卡纸", "open the feeder's cover and take the jammed sheet out",
        lambda desk, _: desk.do("scanner-1 clear"),
    ),
    Deed[Desk](
        "取下镜头遮挡物，展开支臂，打开补光灯",
        "take off what covers the lens, open the arm, and switch the lamp on",
        lambda desk, _: desk.do("camera-1 light normal"),
    ),
]  # fmt: skip
