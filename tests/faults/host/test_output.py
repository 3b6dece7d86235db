"""Whoever takes the log, or does not: the daemon goes on, and says what was lost when it is taken again."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from edge.log_output import LineOutput
from tests.faults.host.rig import GUN
from tests.support.truth import Told, expect, taken_back
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

F_SETPIPE_SZ = 1031
SCANS = 150

pytestmark = pytest.mark.slow


@contextmanager
def running(window: WindowUnderTest, stderr: int | None) -> Iterator[None]:
    """Run the daemon with *stderr*; ``None``: it has none at all."""
    window.device("gun-1", *GUN)
    command = [*window.program, "run", "-c", str(window.write_config())]
    if stderr is None:
        command = ["/bin/sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', *command]
    window.process = subprocess.Popen(command, stderr=stderr)
    window.wait_ready()
    yield
    assert window.process.poll() is None


def scan(window: WindowUnderTest, first: int = 0) -> None:
    """Scan; with the log at its finest that is a line a code."""
    for number in range(first, first + SCANS):
        window.bench.do(f"gun-1 scan S{number:04d}")
        window.tap.wait_events("scanned", number + 1)
    texts = [event["data"]["text"] for event in window.tap.wait_events("scanned", first + SCANS)]
    assert texts == [f"S{number:04d}" for number in range(first + SCANS)]


def test_standard_error_that_is_closed_harms_nothing(window: WindowUnderTest) -> None:
    """Nothing is written into the file that gets its number instead."""
    with running(window, None):
        scan(window)
        assert window.process is not None
        standard = [Path(f"/proc/{window.process.pid}/fd/{number}").readlink() for number in (0, 1, 2)]
        assert {str(path) for path in standard} == {"/dev/null"}


def test_a_log_that_nobody_reads_is_lost_and_told(window: WindowUnderTest) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    told = Told(codes=["SYS-150"])
    try:
        with running(window, writer):
            os.close(writer)
            scan(window)
            expect(window, told)
            os.set_blocking(reader, False)
            heard = drained(reader)
            scan(window, SCANS)  # it is taken again, if only for a while
            heard += wait_until(lambda: again if b"were lost" in (again := drained(reader)) else b"", 10, "it is told")
            assert b" lines of the log were lost here\n" in heard
            with drinking(reader):
                taken_back(window, told)
    finally:
        os.close(reader)


def drained(reader: int) -> bytes:
    found = b""
    with suppress(BlockingIOError):
        while chunk := os.read(reader, 65_536):
            found += chunk
    return found


@contextmanager
def drinking(reader: int) -> Iterator[None]:
    """Take what is logged from now on, as a journal does."""
    os.set_blocking(reader, True)
    with subprocess.Popen(["/bin/cat"], stdin=reader, stdout=subprocess.DEVNULL) as cat:
        try:
            yield
        finally:
            cat.kill()


def test_a_reader_that_has_gone_harms_nothing(window: WindowUnderTest) -> None:
    reader, writer = os.pipe()
    with running(window, writer):
        os.close(writer)
        os.close(reader)
        scan(window)
        expect(window, Told(codes=["SYS-150"]))


def test_a_full_disk_for_the_log_harms_nothing(window: WindowUnderTest) -> None:
    with Path("/dev/full").open("wb") as full, running(window, full.fileno()):
        scan(window)
        expect(window, Told(codes=["SYS-150"]))


def test_a_socket_is_not_waited_for() -> None:
    """As journald's, which is a stream: a line may be taken in part, and is finished before the next one."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        output = LineOutput(ours.fileno())
        try:
            taken = 0
            while output.write(f"{taken:09d} " + "x" * 500):
                taken += 1
            assert not output.write("lost too")
            assert output.lost == 2
            theirs.setblocking(False)
            heard = b""
            with suppress(BlockingIOError):
                while chunk := theirs.recv(65_536):
                    heard += chunk
            assert output.write("after")
            assert output.lost == 0
            with suppress(BlockingIOError):
                while chunk := theirs.recv(65_536):
                    heard += chunk
        finally:
            output.close()
    lines = heard.decode().splitlines()
    assert [line[:9] for line in lines[:taken]] == [f"{number:09d}" for number in range(taken)]
    assert lines[-2:] == ["2 lines of the log were lost here", "after"]
