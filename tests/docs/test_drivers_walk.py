"""docs/drivers.md: the driver in it, from its file to a rating at the broker, by the commands that stand there."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.project import ROOT
from tests.support.wait import wait_until
from tests.support.window import Wiretap

DOCUMENT = ROOT / "docs" / "drivers.md"
MOST_LINES = 80
LONG_S = 180
START_S = 30.0
TOPIC = "hall/v1/my-hall/w01/event/evaluation-pad/pad-1/rated"


class Walk:
    """The reader: has the document's files in a folder, and runs its commands from the project's."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.broker = broker
        self.package = folder / "acme-keypad"
        self.package.mkdir(parents=True)
        for name, text in self.blocks("python", "toml").items():
            self.package.joinpath(name).write_text(text, encoding="utf-8")

    def blocks(self, *languages: str) -> dict[str, str]:
        """Return the document's blocks by their titles, with our folder, broker and Python."""
        pattern = rf'^```(?:{"|".join(languages)}) title="([^"]+)"\n(.*?)^```$'
        found = re.findall(pattern, DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        places = {"/tmp/keypad": str(self.folder), "1883": str(self.broker.port)}  # noqa: S108  what the reader makes
        places[".venv/bin"] = str(Path(sys.executable).parent)
        texts = dict(found)
        for written, ours in places.items():
            texts = {title: text.replace(written, ours) for title, text in texts.items()}
        return texts

    def sh(self, title: str) -> str:
        """Run a block of commands and return what it prints."""
        command = ["sh", "-e", "-c", self.blocks("sh")[title]]
        environment = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def running(self, command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run one command until the block ends."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "site")}
        with log.open("wb") as out:
            process = subprocess.Popen(
                shlex.split(command), cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=out
            )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=START_S)


@pytest.fixture
def walk(short_path: Path, broker: Broker) -> Walk:
    return Walk(short_path / "keypad", broker)


def test_the_driver_is_short(walk: Walk) -> None:
    assert len(walk.blocks("python")["keypad_demo.py"].splitlines()) < MOST_LINES


def test_the_driver_passes_the_rules_of_shipped_ones(walk: Walk) -> None:
    text = walk.blocks("python")["keypad_demo.py"]
    tool, name = str(Path(sys.executable).parent / "ruff"), ["--stdin-filename", "drivers/keypad_demo.py", "-"]
    for command in ([tool, "check", *name], [tool, "format", "--check", *name]):
        checked = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml", "--cache-dir", os.devnull]
    command.append(str(walk.package / "keypad_demo.py"))
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_recording_in_it_passes(walk: Walk) -> None:
    assert " passed" in walk.sh("test")


@pytest.mark.slow
@pytest.mark.timeout(LONG_S)
def test_the_contract_suite_passes_it(walk: Walk) -> None:
    assert " passed" in walk.sh("contract")


@pytest.mark.slow
@pytest.mark.timeout(LONG_S)
def test_from_the_file_to_a_rating_at_the_broker(walk: Walk, tmp_path: Path) -> None:
    assert "valid" in walk.sh("install")
    simulate, run, listen, ask = walk.blocks("sh")["run"].splitlines()
    heard = Wiretap(walk.broker.port)
    logs = {name: tmp_path / f"{name}.log" for name in ("keypad", "daemon", "office", "question")}
    with ExitStack() as stack:
        stack.callback(heard.close)
        keypad = stack.enter_context(walk.running(simulate, logs["keypad"]))
        wait_until(lambda: b"ready" in logs["keypad"].read_bytes(), START_S, "the keypad is there")
        stack.enter_context(walk.running(run, logs["daemon"]))
        wait_until(lambda: is_ready(heard), START_S, "the keypad is ready")
        stack.enter_context(walk.running(listen, logs["office"]))
        wait_until(lambda: b"connected" in logs["office"].read_bytes().lower(), START_S, "the back office listens")
        question = stack.enter_context(walk.running(ask, logs["question"]))
        wait_until(lambda: b"press-a-key" in logs["question"].read_bytes(), START_S, "the citizen is asked")
        assert keypad.stdin is not None
        os.write(keypad.stdin.fileno(), b"pad-1 press 4\n")
        assert question.wait(START_S) == 0
        wait_until(lambda: any(topic == TOPIC for topic, _, _ in heard.messages), START_S, "the event is at the broker")
        wait_until(lambda: b"rated" in logs["office"].read_bytes(), START_S, "the back office has it")
    (rated,) = [payload for topic, payload, _ in heard.messages if topic == TOPIC]
    assert b'"level":4' in rated
    assert b"completion" in logs["question"].read_bytes()


def is_ready(heard: Wiretap) -> bool:
    topic = "hall/v1/my-hall/w01/device/pad-1/status"
    return any(at == topic and b'"state":"ready"' in payload for at, payload, _ in heard.messages)
