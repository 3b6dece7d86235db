"""What a driver's process is: confined, without anything of the daemon, and never there without the daemon."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.core.process_drivers import MEMORY_MB
from tests.core.process_rig import Apart, ask, runs, status, told
from tests.support.project import ROOT
from tests.support.wait import wait_until, wait_until_async

GONE_S = 3.0


# --- what it has ---------------------------------------------------------------------------------


async def test_it_loads_nothing_of_the_brokers_or_the_stores_side() -> None:
    assert (await told(on_open="modules")).model == ""


async def test_it_sees_of_the_environment_only_what_libraries_need(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "STATE_DIRECTORY", "LISTEN_FDS", "SSH_AUTH_SOCK", "SECRET"):
        monkeypatch.setenv(name, "canary")
    for name in ("LC_ALL", "TZ", "PCSCLITE_CSOCK_NAME", "SANE_CONFIG_DIR", "OPENCV_LOG_LEVEL", "UMOCKDEV_DIR"):
        monkeypatch.setenv(name, "C")
    info = await told(on_open="environ", file="x")
    assert info.model is not None
    names = set(info.model.split(","))
    assert {"DOLL", "LC_ALL", "TZ", "PCSCLITE_CSOCK_NAME", "SANE_CONFIG_DIR", "OPENCV_LOG_LEVEL", "PATH"} <= names
    assert "UMOCKDEV_DIR" in names
    assert not names & {"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "STATE_DIRECTORY", "LISTEN_FDS", "SECRET"}
    assert "SSH_AUTH_SOCK" not in names
    assert info.firmware == "x@/nowhere"  # the driver's own environment(settings, address)


async def test_it_is_limited() -> None:
    """No core dump, so much memory, not to be looked into, no new privileges, files for itself alone."""
    assert (await told(on_open="limits")).model == f"0,{MEMORY_MB},0,1,{0o077}"


async def test_it_has_no_handle_of_ours() -> None:
    """Input, output and errors lead nowhere; of ours it has its end of the socket, and the file for crashes."""
    ours = os.open(__file__, os.O_RDONLY)
    os.set_inheritable(ours, True)
    try:
        model = (await told(on_open="handles")).model
    finally:
        os.close(ours)
    assert model is not None
    handles = sorted("socket" if one.startswith("socket:") else one for one in model.split("|"))
    assert handles == ["/dev/null"] * 3 + ["/memfd:crash (deleted)", "socket"]


async def test_what_it_writes_to_standard_error_is_seen_nowhere(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with Apart(on_poll="talkative") as apart, apart.serving():
        await wait_until_async(lambda: "odd %s" in caplog.messages)
    out, err = capfd.readouterr()
    assert "CANARY" not in out + err


async def test_its_command_line_names_its_device_and_nothing_personal() -> None:
    async with Apart() as apart:
        await apart.lane.open()
        with open(f"/proc/{apart.pid}/cmdline", "rb") as file:  # noqa: ASYNC230, PTH123
            words = file.read().split(b"\0")
    assert words[2:4] == [b"-m", b"edge.lanes.worker"]
    assert words[-2] == b"dev-1"


async def test_a_stop_of_the_service_is_the_daemons_business() -> None:
    """systemd sends SIGTERM to every process of the service, Ctrl-C reaches all of them."""
    async with Apart() as apart, apart.serving() as serving:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(apart.pid, number)
        done, _ = await asyncio.wait([serving], timeout=0.5)
        assert not done


# --- and what becomes of it without the daemon ---------------------------------------------------


@contextmanager
def host(asked: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a program with such a driver; give it and the driver's process id."""
    command = [sys.executable, "-m", "tests.core.process_host", str(asked)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("deed", "state"), [("", "S"), ("hang", "S"), ("hang_with_everything", "S"), ("stop", "T"), ("spin", "R")]
)
def test_it_ends_with_a_daemon_that_is_killed(tmp_path: Path, deed: str, state: str) -> None:
    asked = tmp_path / "asked"
    with host(asked) as (process, pid):
        if deed:
            ask(asked, deed)
        wait_until(lambda: not asked.exists() and status(pid) == state, what=f"the driver does {deed}")
        process.kill()
        process.wait()
        wait_until(lambda: not runs(pid), GONE_S, f"process {pid} has ended")


def test_a_daemon_that_was_stopped_itself_ends_nobody(tmp_path: Path) -> None:
    """Both are stopped, as by a debugger, for longer than a process may be silent; the daemon goes on first."""
    with host(tmp_path / "asked") as (process, pid):
        assert process.stdout is not None
        for one in (pid, process.pid):
            os.kill(one, signal.SIGSTOP)
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 3.0)
        os.kill(process.pid, signal.SIGCONT)
        wait_until(lambda: time.monotonic() - began > 3.5)
        os.kill(pid, signal.SIGCONT)
        _drain(process.stdout.fileno())
        heard = b""
        while heard.count(b".") < 5:
            heard += os.read(process.stdout.fileno(), 100)
            assert process.poll() is None
            assert b"\n" not in heard
        assert runs(pid)


def _drain(fd: int) -> None:
    while select.select([fd], [], [], 0)[0] and os.read(fd, 4096):
        pass
