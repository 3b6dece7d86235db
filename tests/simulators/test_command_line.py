"""``python -m simulators``, as its own process: devices, scenario, lines of standard input, a clean end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulators.host import Host, sdt

Start = Callable[..., subprocess.Popen[str]]
SIZES = (("2001", 15), ("2002", 19), ("3001", 1295))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the command line; the ports are in ``window``."""
    running: list[subprocess.Popen[str]] = []

    def run(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "simulators", "--dir", str(tmp_path / "window"), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONUTF8": "1"},
        )
        running.append(process)
        return process

    yield run
    for process in running:
        with process:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().rstrip("\n")


def say(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin
    process.stdin.write(text)
    process.stdin.flush()


def test_devices_are_there_and_obey_until_the_input_ends(start: Start, tmp_path: Path) -> None:
    process = start("id-1=idcard_sdt,requires-removal=0", "gun-1=code_serial,terminator=lf", "--seed", "3")
    assert line(process) == "ready"
    port = tmp_path / "window" / "id-1"
    with Host(port) as host:
        say(process, "id-1 insert resident name=虚构人\n\n# nothing\nid-1 insret\nwait 0.01\nid-1 chunk 1\n")
        assert [line(process) for _ in range(3)] == [
            "stdin:1 id-1 insert",
            "stdin:5 wait 0.01",
            "stdin:6 id-1 chunk",
        ]
        answer = b""
        for command, size in SIZES:
            host.write(sdt(command))
            answer = host.read(size)
        assert answer[14:20].decode("utf-16-le") == "虚构人"
    out, complaints = process.communicate(timeout=10)
    assert (out, process.returncode) == ("", 0)
    assert "stdin:4: unknown action of id-1 (idcard_sdt) 'insret'; did you mean 'insert'?" in complaints
    assert "虚构人" not in complaints
    assert list(port.parent.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_the_middle_of_a_scenario(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    scenario = tmp_path / "day.txt"
    scenario.write_text("gun-1 scan A\nrepeat\ngun-1 plug\nwait 1000\nend\n", encoding="utf-8")
    process = start("gun-1=code_serial", "--scenario", str(scenario))
    assert [line(process) for _ in range(3)] == ["ready", "day.txt:1 gun-1 scan", "day.txt:3 gun-1 plug"]
    say(process, "wait 500\n")
    process.send_signal(number)
    out, complaints = process.communicate(timeout=10)
    assert (out, complaints, process.returncode) == ("", "", 0)
    assert list((tmp_path / "window").iterdir()) == []


def test_it_stays_after_its_scenario(start: Start, tmp_path: Path) -> None:
    scenario = tmp_path / "day.txt"
    scenario.write_text("gun-1 scan A\n", encoding="utf-8")
    process = start("gun-1=code_serial", "--scenario", str(scenario))
    assert [line(process) for _ in range(3)] == ["ready", "day.txt:1 gun-1 scan", "scenario done"]
    say(process, "gun-1 scan B")
    assert process.stdin
    process.stdin.close()
    process.stdin = None
    assert line(process) == "stdin:1 gun-1 scan"
    assert process.poll() is None
    process.terminate()
    assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("words", "complaint", "code"),
    [
        (("id-1=idcard_sd",), "id-1: unknown model 'idcard_sd'; did you mean 'idcard_sdt'?", 2),
        (("id-1",), "a device is written NAME=MODEL", 2),
        (("id-1=idcard_sdt,lenient",), "'lenient' is one word too many", 2),
        (("id-1=idcard_sdt,wrong-order=99",), "id-1: unknown value of wrong-order '99'", 2),
        ((), "at least one device", 2),
        (("id-1=idcard_sdt", "--scenario", "missing.txt"), "missing.txt: cannot read the scenario", 2),
    ],
)
def test_mistakes_on_the_command_line(start: Start, words: tuple[str, ...], complaint: str, code: int) -> None:
    process = start(*words)
    out, complaints = process.communicate(timeout=10)
    assert complaint in complaints
    assert "Traceback" not in complaints
    assert (out, process.returncode) == ("", code)


def test_a_wrong_scenario_ends_it(start: Start, tmp_path: Path) -> None:
    scenario = tmp_path / "day.txt"
    scenario.write_text("gun-1 scan A\ngun-1 scann B\n", encoding="utf-8")
    process = start("gun-1=code_serial", "--scenario", str(scenario))
    assert line(process) == "ready"
    assert process.wait(10) == 1
    _, complaints = process.communicate()
    assert complaints == ("day.txt:2: unknown action of gun-1 (code_serial) 'scann'; did you mean 'scan'?\n")


def test_the_list_names_every_action(start: Start) -> None:
    out, complaints = start("--list").communicate(timeout=10)
    assert complaints == ""
    common = "plug unplug unplug-after mute unmute garbage late truncate wrong-checksum chunk replace"
    own = "insert remove status selftest-bad selftest-ok press wait-request scan flood"
    for word in f"{common} {own} idcard_sdt pad_serial code_serial wait repeat".split():
        assert f"``{word}" in out or f"\n{word}" in out or f"\n  {word}" in out, word
