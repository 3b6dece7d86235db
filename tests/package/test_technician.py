"""docs/technician.md, from a fresh package to a green self-test: with nothing but the commands that stand there.

Where the manual says ``systemctl``, a chroot has none: the daemon is started as systemd would; a real PC does the
rest (``tests/vm/test_technician.py``).
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.typed import answers, commands
from tests.package.chroot import Chroot
from tests.package.made import BUILD, Made
from tests.package.window import PORTS, InstalledWindow
from tests.support.wait import wait_until

SOURCES = "deb [trusted=yes] file:/srv/bundle/packages ./\n"
GUN = f"name=ticket-1 driver=code_serial address=serial://{PORTS}/ticket-1 content=public"
"""The device that is chosen: a chroot finds none."""
SET_UP, PRACTISE = "第一次安装", "先在任意一台电脑上练习"


def typed(command: str) -> str:
    """Return *command* as root types it in a script: apt is for people."""
    return re.sub(r"^apt install", "apt-get --quiet --yes install", command.removeprefix("sudo "))


@pytest.fixture(scope="module")
def fresh(pc: Chroot, made: Made) -> Chroot:
    """A PC with nothing on it, and the package as a file; the offline bundle stands for a Debian mirror."""
    pc.run("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d && mkdir /etc/apt/sources.list.d")
    pc.write("etc/apt/sources.list", SOURCES)
    pc.bring(made.deb, f"srv/this/{made.deb.name}")
    pc.run("apt-get --quiet update")
    return pc


@pytest.fixture(scope="module")
def logs() -> Iterator[Path]:
    folder = BUILD / "technician-logs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_it_is_installed(fresh: Chroot) -> None:
    install, *_ = commands(SET_UP)
    assert install.startswith("sudo apt install")
    fresh.run(f"cd /srv/this && {typed(install)}")


def test_the_practice_ends_with_a_window_that_can_open(fresh: Chroot, logs: Path) -> None:
    broker, demo = commands(PRACTISE)
    fresh.run(typed(broker))
    log = logs / "demo.log"
    with fresh.running(["sh", "-c", f"cd /tmp && exec {demo}"], log, user="hall-edge"):
        (test,) = wait_until(lambda: re.findall(r"in another terminal: (.+)\n", log.read_text()), 30, "what to type")
        wait_until(lambda: "visit" in log.read_text().lower(), 60, "all devices are ready")
        for lang, last in (("zh", "可以开窗"), ("en", "the window can open")):
            said = fresh.run(f"{test} --lang {lang}")
            assert said.splitlines()[-1].startswith(last), said


def test_the_set_up_ends_with_a_window_that_can_open(fresh: Chroot, logs: Path) -> None:
    _, init, reload_units, start, test = commands(SET_UP)[:5]
    assert (reload_units, start) == ("sudo systemctl daemon-reload", "sudo systemctl start hall-edge")
    window = InstalledWindow(fresh, logs)
    window.folders()
    hall, name, _broker = answers()
    lines = "\n".join((hall, name, f"mqtt://127.0.0.1:{window.port}", "lab", ""))
    said = fresh.run(f"printf {shlex.quote(lines)} | {typed(init)} --lang zh --device {shlex.quote(GUN)}")
    assert start.removeprefix("sudo ") in said
    with window.broker(), window.working():
        said = fresh.run(f"{typed(test)} --lang zh")
    assert f"窗口 {name}" in said
    assert said.splitlines()[-1].startswith("可以开窗"), said
