"""docs/technician.md on a real Debian: set up, started by systemd, tested; then a cable is pulled and put in again."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from tests.docs.typed import commands
from tests.support.tiers import evidence
from tests.support.wait import wait_until
from tests.support.wiretap import HALL, WINDOW
from tests.vm.devices import ALLOWED, INIT
from tests.vm.machine import BROKER_NAME
from tests.vm.window_pc import PORT, READY_S, WindowPC

NAMES = ("id-1", "gun-1", "pad-1", "scanner-1")
ABSENT = ("SER-101", "SER-105", "DEV-105")
_WARNED = re.compile(r"^\[WARN\]  (\S+) +[\d.]+s", re.MULTILINE)
_FAILED = re.compile(r"^\[FAIL\]  (\S+) +[\d.]+s  (\S+)", re.MULTILINE)


@pytest.fixture(scope="module")
def plugged(new_pc: WindowPC) -> WindowPC:
    """A PC with the package on it and all devices plugged in; nothing is configured yet."""
    new_pc.plug_in(NAMES)
    new_pc.guest.put(ALLOWED, "/etc/systemd/system/hall-edge.service.d/lab.conf")
    return new_pc


def test_from_the_package_to_a_green_self_test(plugged: WindowPC) -> None:
    """Type what the manual says, with the answers of this lab; the package is installed by its first command."""
    pc = plugged
    install, init, *rest = (command.removeprefix("sudo ") for command in commands("第一次安装")[:5])
    *start, test = rest
    assert install.startswith("apt install")
    assert pc.guest.run("systemctl is-enabled hall-edge.service").strip() == "enabled"
    answers = "\n".join((HALL, WINDOW, f"mqtt://{BROKER_NAME}:{PORT}", "lab", ""))
    devices = " ".join(f"--device {shlex.quote(f'name={name} {INIT[name]}')}" for name in NAMES)
    said = pc.guest.run(f"printf {shlex.quote(answers)} | {init} --lang zh {devices}", limit_s=READY_S)
    pc.change("keepalive_s", "300")
    assert start[-1] in said, "what the manual says is what the program says"
    for command in start:
        pc.guest.run(command, limit_s=READY_S)
    pc.wait_ready(*NAMES)
    screen = green(pc, test)
    for code in ("RUL-000", "MQT-000", "MQT-001", "STO-000"):
        assert f"[ OK ]  {code}" in screen, screen
    assert set(_WARNED.findall(screen)) == {"SYS-147", "SYS-145"}, "lab mode, and a PC without a time server"
    took_s = re.search(r"用时 ([\d.]+) 秒", screen)
    assert took_s, screen
    evidence("vm-technician", trials=1, failures=0, internal_s=float(took_s[1]), limit_s=10)


def test_a_pulled_cable_is_named_and_mended(plugged: WindowPC) -> None:
    pc = plugged
    test = commands("第一次安装")[4].removeprefix("sudo ")
    pc.unplug_reader()
    pc.wait_state("id-1", "absent")
    code, screen = pc.guest.attempt(f"{test} --lang zh", limit_s=READY_S)
    ((named, where),) = _FAILED.findall(screen)
    assert (code, where) == (1, "id-1"), screen
    assert named in ABSENT, screen
    assert re.search(r"处理：.*插", screen), screen
    pc.plug_reader()
    pc.wait_ready("id-1")
    green(pc, test)


def test_the_status_page_is_served_on_the_pc(plugged: WindowPC) -> None:
    asked = "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:8630/status.json').read().decode())"
    told = json.loads(plugged.guest.run(f"python3 -c {shlex.quote(asked)}"))
    assert told["status"]["devices"].keys() == set(NAMES)


def test_a_window_is_tested_as_the_service_sees_it_while_that_is_stopped(plugged: WindowPC) -> None:
    """Typed by root; the devices are opened by the service's user, in the groups of its unit."""
    pc = plugged
    pc.guest.run("systemctl stop hall-edge.service")
    try:
        _, screen = pc.guest.attempt("hall-edge selftest --json", limit_s=READY_S)
    finally:
        pc.forget()
        pc.guest.run("systemctl start hall-edge.service", limit_s=READY_S)
    report = json.loads(screen)
    failed = {check["code"] for check in report["checks"] if check["result"] == "fail"}
    assert (report["daemon"], report["answer"], failed) == (False, "closed", {"SVC-102"}), screen
    assert {check["name"] for check in report["checks"] if check["part"] == "device"} == set(NAMES)
    pc.wait_ready(*NAMES)


def green(pc: WindowPC, test: str) -> str:
    """Return the screen of a self-test that says that the window can open."""

    def passed() -> str | None:
        code, screen = pc.guest.attempt(f"{test} --lang zh", limit_s=READY_S)
        shown.append(screen)
        return screen if code == 0 and screen.splitlines()[-1].startswith("可以开窗") else None

    shown: list[str] = []
    try:
        return wait_until(passed, READY_S, "the window can open")
    except AssertionError:
        raise AssertionError(shown[-1] if shown else "nothing was said") from None
