"""Links: what goes wrong when a line is opened, read and written, by its right name; and waking."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge.errors import (
    DeviceAbsent,
    DeviceBusy,
    DeviceError,
    DeviceLost,
    DeviceProtocol,
    DeviceTimeout,
    Unsupported,
)
from edge.links import SerialLine, fd
from edge.links.address import parse_address
from edge.links.fd import FdLink
from edge.links.holder import holder_of
from edge.links.serial import open_serial
from edge.port import DevicePort
from tests.core.store_rig import child

NOBODY = 65534
OPEN_AS = """
import os, sys
from edge.errors import DeviceError
from edge.links import SerialLine
from edge.links.serial import open_serial
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    open_serial(sys.argv[1], SerialLine(), lambda *_: None)
except DeviceError as error:
    print(error.code, error.state, error.action)
"""
HOLD = """
import sys, serial
line = serial.Serial(sys.argv[1], exclusive=True)
print("held", flush=True)
sys.stdin.read()
"""


class Cable:
    """A pseudo-terminal; the device's end is a descriptor, the host's a path."""

    def __init__(self) -> None:
        self.device, host = pty.openpty()
        tty.setraw(host)
        self.path = os.ttyname(host)
        os.close(host)

    def pull(self) -> None:
        if self.device >= 0:
            os.close(self.device)
            self.device = -1


@pytest.fixture
def cable() -> Iterator[Cable]:
    cable = Cable()
    yield cable
    cable.pull()


class Tap(list[tuple[str, bytes]]):
    def __call__(self, direction: str, data: bytes) -> None:
        self.append((direction, data))


def opened(path: str, tap: Tap | None = None) -> FdLink:
    return open_serial(path, SerialLine(115200), tap if tap is not None else Tap())


# --- opening -------------------------------------------------------------------------------------


def test_no_node(tmp_path: Path) -> None:
    with pytest.raises(DeviceAbsent, match="SER-101"):
        opened(str(tmp_path / "gone"))


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/", "/etc/hostname"])
def test_what_is_no_serial_line(path: str) -> None:
    with pytest.raises(DeviceProtocol, match="SER-106"):
        opened(path)


def test_a_rate_that_the_line_does_not_take(cable: Cable) -> None:
    with pytest.raises(DeviceProtocol, match="SER-106"):
        open_serial(cable.path, SerialLine(baud=-1), Tap())


def test_a_line_held_by_another_program_names_it(cable: Cable) -> None:
    command = [sys.executable, "-c", HOLD, cable.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DeviceBusy, match="SER-103") as busy:
            opened(cable.path)
        assert f"(pid {holder.pid})" in busy.value.message
        assert busy.value.action.startswith("close ")
        holder.stdin.close()
    opened(cable.path).close()  # it is free again at once
    assert holder_of(cable.path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_line_without_permission_says_what_to_do(cable: Cable) -> None:
    Path(cable.path).chmod(0o600)
    asking = child(OPEN_AS, cable.path)
    told, complaints = asking.communicate(timeout=20)
    assert not complaints
    assert told.startswith("SER-102 denied ")
    assert "71-hall-edge-window.rules" in told


def test_what_the_address_says_wins(cable: Cable) -> None:
    port = DevicePort("pad-1", parse_address(f"serial://{cable.path}?baud=19200&parity=E"))
    link = port.open(SerialLine(baud=9600, parity="N"))
    try:
        with pytest.raises(Unsupported):
            link.set_baud(9600)
        assert port.simulated  # a pseudo-terminal is no real device
        assert port.last_proof is None
    finally:
        port.release()


# --- reading and writing -------------------------------------------------------------------------


def test_bytes_go_both_ways_and_through_the_tap(cable: Cable) -> None:
    link = opened(cable.path, tap := Tap())
    os.write(cable.device, b"from the device")
    assert link.read(5) == b"from the device"
    link.write(b"to it")
    assert os.read(cable.device, 100) == b"to it"
    assert tap == [("<", b"from the device"), (">", b"to it")]
    assert link.read(0) == b""
    os.write(cable.device, b"old")
    assert link.idle(5)
    link.discard()
    assert link.read(0.01) == b""
    link.close()
    link.close()


def test_a_device_that_takes_nothing_is_noticed(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fd, "_WRITE_LIMIT_S", 0.2)
    link = opened(cable.path)
    began = time.monotonic()
    with pytest.raises(DeviceTimeout, match="SER-104"):
        link.write(b"x" * 1_000_000)
    assert 0.2 <= time.monotonic() - began < 2
    began = time.monotonic()
    link.close()  # what was not sent does not hold it up
    assert time.monotonic() - began < 1


def test_a_flood_does_not_keep_discard_for_ever() -> None:
    ours, theirs = socket.socketpair()
    stop = threading.Event()

    def flood() -> None:
        with suppress(OSError):
            while not stop.is_set():
                theirs.sendall(b"x" * 65536)

    flooding = threading.Thread(target=flood)
    flooding.start()
    link = Plain(ours)
    link.discard()
    stop.set()
    link.close()
    flooding.join()
    theirs.close()


class Plain(FdLink):
    """A link over a socket of the test's own."""

    def __init__(self, own: socket.socket) -> None:
        own.setblocking(False)
        super().__init__(own.fileno(), "a socket", lambda *_: None)
        self._own = own

    def _release(self) -> None:
        self._own.close()


# --- pulling the cable ---------------------------------------------------------------------------


def in_idle(link: FdLink) -> object:
    return link.read(0) if link.idle(10) else None


def in_read(link: FdLink) -> object:
    return link.read(10)


def in_write(link: FdLink) -> object:
    while True:
        link.write(b"x" * 4096)


@pytest.mark.parametrize("work", [in_idle, in_read, in_write])
def test_a_cable_pulled_while_it_waits(cable: Cable, work: object) -> None:
    link = opened(cable.path)
    ended: list[BaseException] = []
    waiting = threading.Event()

    def wait() -> None:
        waiting.set()
        try:
            work(link)  # type: ignore[operator]
        except DeviceError as error:
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(5)
    cable.pull()
    thread.join(5)
    assert [(type(error), error.code) for error in ended if isinstance(error, DeviceError)] == [(DeviceLost, "SER-105")]
    for again in (lambda: link.read(0), lambda: link.write(b"x")):
        with pytest.raises(DeviceLost):
            again()
    link.close()
    with pytest.raises(DeviceLost, match="is closed"):
        link.read(0)


# --- waking --------------------------------------------------------------------------------------


def test_waking_ends_the_wait_under_way_or_the_next_one_and_no_more(cable: Cable) -> None:
    link = opened(cable.path)
    began = time.monotonic()
    threading.Timer(0.02, link.wake).start()
    assert link.idle(10) is False
    link.wake()
    link.wake()
    assert link.idle(10) is False
    assert time.monotonic() - began < 5
    began = time.monotonic()
    assert link.idle(0.05) is False
    assert time.monotonic() - began >= 0.05
    link.close()


def test_waking_does_not_hide_bytes_and_bytes_do_not_hide_waking(cable: Cable) -> None:
    link = opened(cable.path)
    os.write(cable.device, b"x")
    assert link.idle(5)
    link.wake()
    assert link.idle(5)
    assert link.read(0) == b"x"
    assert link.idle(0) is False
    link.close()


def test_waking_does_not_end_an_exchange(cable: Cable) -> None:
    link = opened(cable.path)
    link.wake()
    threading.Timer(0.05, os.write, (cable.device, b"answer")).start()
    assert link.read(5) == b"answer"
    link.close()


def test_waking_and_closing_race_without_harm() -> None:
    for _ in range(100):
        ours, theirs = socket.socketpair()
        link = Plain(ours)
        threads = [threading.Thread(target=work) for work in (link.wake, link.close, link.wake, link.close)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        theirs.close()
