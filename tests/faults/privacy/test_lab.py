"""C2, C3, T22: lab mode is seen everywhere, and secrets that everybody may read stop a window that is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.wait import wait_until
from tests.support.window import HALL, WindowUnderTest

GUN = ("gun-1", "code_serial", 'content = "public"')


def tool(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "edge", *words], capture_output=True, text=True, check=False, timeout=20
    )
    return done.stdout + done.stderr


@pytest.mark.slow
def test_lab_mode_is_seen_wherever_one_looks(window: WindowUnderTest) -> None:
    window.device(*GUN)
    window.start()
    assert "LAB MODE" in window.log_text.splitlines()[0]
    listening = subprocess.Popen(
        [sys.executable, "-m", "edge", "listen", "--url", window.url, "--hall", HALL, "--json", "--count", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert listening.stderr is not None
    assert "connected" in listening.stderr.readline()
    window.bench.do("gun-1 scan A017")
    line, _ = listening.communicate(timeout=20)
    assert json.loads(line)["lab"] is True
    assert window.tap.wait_events("scanned")[0]["lab"] is True
    status = wait_until(lambda: window.tap.on("status"), what="the window's status")[-1]
    assert status["lab"] is True
    health = wait_until(lambda: window.tap.on("health"), what="the window's health")[-1]
    assert "SYS-147" in json.dumps(health)
    assert "LAB MODE" in tool("status", "--run", str(window.folder / "run"))


@pytest.mark.slow
def test_a_secret_that_everybody_may_read_stops_the_window(window: WindowUnderTest) -> None:
    window.device(*GUN)
    window.lab = False
    window.start()
    assert window.stop() == 0
    secret: Path = window.folder / "state" / "digest-key"
    assert secret.stat().st_mode & 0o777 == 0o600
    open_to_all = [path for path in (window.folder / "state").rglob("*") if path.stat().st_mode & 0o007]
    assert not open_to_all, "nothing that the daemon makes is for everybody"
    secret.chmod(0o604)
    window.start(ready=False)
    assert window.process is not None
    assert window.process.wait(20) == 1
    assert "SEC-114" in window.log_text
    assert f"chmod o= {secret}" in window.log_text
    window.lab = True
    window.start()
    assert "SEC-114" in window.log_text.rpartition("LAB MODE")[2], "in lab mode it is a warning"
