"""Construct, open, close: no I/O before ``open``, errors sorted by what happens next, nothing left behind."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.driver import DeviceInfo, Driver
from edge.errors import DeviceBusy, DeviceError
from edge.registry import Registry
from tests.contract.benches import BENCHES
from tests.contract.desk import Desk, absent, device_error, nothing_left
from tests.contract.harness import polled
from tests.support.project import ROOT

HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
TOUCHING = ("socket.connect", "socket.__new__", "subprocess.Popen", "os.system", "_thread.start_new_thread")
WATCH = threading.local()


def _heard(event: str, arguments: tuple[object, ...]) -> None:
    """Note what the watched thread does to the outside; files of the configuration may be read."""
    seen = getattr(WATCH, "seen", None)
    if seen is not None and (
        event in TOUCHING or (event == "open" and str(arguments[0]).startswith(("/dev/", str(WATCH.folder))))
    ):
        seen.append(f"{event} {arguments[:1]}")


sys.addaudithook(_heard)  # there is no way to take it off again; it only hears while somebody watches


@contextmanager
def watched(folder: Path) -> Iterator[list[str]]:
    """Yield what this thread does to devices, sockets, processes and threads, while the context lasts."""
    WATCH.seen, WATCH.folder = [], folder
    try:
        yield WATCH.seen
    finally:
        WATCH.seen = None


@pytest.mark.parametrize("driver", Registry().names())
def test_every_driver_has_an_entry(driver: str) -> None:
    if driver not in [bench.driver for bench in BENCHES]:
        pytest.fail(
            f"add a DriverBench for {driver} to BENCHES in tests/contract/benches.py: how to attach its simulator, "
            "its settings, what makes an event, whether it holds personal data"
        )


def test_the_constructor_does_nothing(desk: Desk) -> None:
    port = desk.absent_port()
    with nothing_left(), watched(desk.folder) as seen:
        driver = desk.bench.bare(port)
        assert not seen
        assert not port.opened
        driver.close()


def test_what_is_not_there_is_absent(desk: Desk) -> None:
    driver = desk.driver(desk.absent_port())
    with nothing_left():
        absent(driver)


def test_what_may_not_be_opened_says_so(line_desk: Desk) -> None:
    """In a process of its own that is nobody: root may open everything."""
    node = line_desk.cable.node
    node.chmod(0)
    command = [sys.executable, "-m", "tests.contract.nobody", line_desk.name, str(node)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["error"] == "DeviceAccess"
    assert told["state"] == "denied"
    assert str(node) in told["message"]
    assert told["action"]


def test_what_another_program_holds_is_busy(line_desk: Desk) -> None:
    node = line_desk.cable.node
    driver = line_desk.driver()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(node)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with nothing_left(), device_error(DeviceBusy) as found:
            driver.open()
        assert f"(pid {holder.pid})" in found[0].message
        holder.communicate("")
    driver.open()


def test_opening_tells_who_it_is(desk: Desk) -> None:
    info = desk.driver().open()
    assert type(info) is DeviceInfo
    assert msgspec.convert(msgspec.to_builtins(info), DeviceInfo) == info


def test_after_close_it_opens_at_once(desk: Desk) -> None:
    first = desk.driver()
    with nothing_left():
        for _ in range(3):
            first.open()
            first.close()
    desk.opened()


def test_close_never_raises_and_may_come_at_any_time(desk: Desk) -> None:
    port = desk.port()
    with nothing_left():
        for state in (_new, _open, _failed, _lost, *([_released] if desk.bench.line else [])):
            driver = desk.bench.made(port)
            state(desk, driver, port)
            for _ in range(3):
                driver.close()
            desk.plug()


def _new(_desk: Desk, _driver: Driver, _port: Any) -> None:
    pass


def _open(_desk: Desk, driver: Driver, _port: Any) -> None:
    driver.open()


def _failed(desk: Desk, driver: Driver, _port: Any) -> None:
    desk.unplug()
    with device_error(DeviceError):
        driver.open()


def _lost(desk: Desk, driver: Driver, _port: Any) -> None:
    driver.open()
    desk.unplug()
    with device_error(DeviceError):
        polled(driver, lambda _: False, desk.bench.notices_s)


def _released(_desk: Desk, driver: Driver, port: Any) -> None:
    """As a lane leaves a driver that hangs."""
    driver.open()
    port.release()
    with device_error(DeviceError):
        list(driver.poll(0.2))
