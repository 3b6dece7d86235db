"""README, "Five minutes to your first event": the commands as they stand there, with another folder and port."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.docs.blocks import blocks
from tests.support.broker import Broker
from tests.support.project import ROOT
from tests.support.wait import wait_until

FOLDER = "/tmp/first"  # noqa: S108  # as the README says; the test puts its own in its place


@contextmanager
def running(command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run one line of the document from the project's folder until the block ends."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            shlex.split(command, comments=True), cwd=ROOT, stdin=subprocess.PIPE, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(10)


@pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="the README's commands name .venv")
def test_the_first_event(tmp_path: Path, broker: Broker) -> None:
    prepare, run, test = (
        block.replace(FOLDER, str(tmp_path / "first")).replace("1883", str(broker.port))
        for block in blocks("README.md", "sh")
        if FOLDER in block
    )
    checked = subprocess.run(["/bin/sh", "-e", "-c", prepare], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "valid" in checked.stdout

    commands = run.splitlines()
    logs = [tmp_path / f"{n}.log" for n in range(len(commands))]
    with ExitStack() as stack:
        simulators, *_ = (
            stack.enter_context(running(command, log)) for command, log in zip(commands, logs, strict=True)
        )
        status = [str(ROOT / ".venv/bin/hall-edge"), "status", "--run", str(tmp_path / "first/run")]
        wait_until(lambda: subprocess.run(status, capture_output=True, check=False).returncode == 0, 20, "ready")
        wait_until(lambda: b"connected" in logs[2].read_bytes().lower(), 20, "the listener is connected")
        tested = subprocess.run(shlex.split(test), cwd=ROOT, capture_output=True, text=True, check=False)
        assert tested.returncode == 0, tested.stdout + tested.stderr
        assert "ticket-1" in tested.stdout
        assert simulators.stdin is not None
        os.write(simulators.stdin.fileno(), b"ticket-1 scan A017\n")
        wait_until(lambda: b"A017" in logs[2].read_bytes(), 20, "the event is heard")
