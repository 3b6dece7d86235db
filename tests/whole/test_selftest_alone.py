"""The self-test of a window whose daemon does not run: it says the same, and lets go of everything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import Any

import pytest

from edge.errors import EdgeError
from edge.selftest.model import Begun, Check
from edge.selftest.session import selftest
from edge.selftest.wire import AlreadyTesting
from edge.state_dir import take_lock
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest
from tests.whole.test_selftest import FIRST_LINE_S, gun, report_for, report_of


def test_without_the_daemon_it_says_the_same_and_lets_go(window: WindowUnderTest) -> None:
    gun(window)
    window.write_config()
    began = time.monotonic()
    with closing(selftest(str(window.config_path))) as messages:
        next(messages)
        assert time.monotonic() - began < FIRST_LINE_S
        report = report_of([Begun(**_begun()), *messages])
    assert not report.daemon
    assert [check.code for check in report.checks if check.result == "fail"] == ["SVC-102"]
    assert report.answer == "closed"  # until somebody starts it
    with_it = report_for(window.start())
    names = [(check.part, check.name) for check in report.checks if check.code != "SVC-102"]
    assert names == [(check.part, check.name) for check in with_it.checks]
    status = [json.loads(payload) for topic, payload, _ in window.tap.messages if topic.endswith("/w01/status")]
    assert status[0]["state"] == "offline"  # of the test, not kept; the daemon's own came later


def _begun() -> dict[str, Any]:
    return {
        "hall": "", "window": "", "host": "", "version": "", "level": "internal", "daemon": False, "started": "",
    }  # fmt: skip


def test_a_daemon_that_starts_meanwhile_waits_for_its_end(window: WindowUnderTest) -> None:
    gun(window)
    window.write_config()
    state = window.folder / "state"
    lock = take_lock(state, "selftest somebody 2026-01-01T00:00:00+00:00")
    window.start(ready=False)
    wait_until(lambda: "waits for the end of a self-test" in window.log_text, 10)
    with pytest.raises(AlreadyTesting) as caught:
        report_for(window)
    assert f"somebody, process {os.getpid()}" in caught.value.message
    os.close(lock)
    window.wait_ready()


def test_a_configuration_that_is_wrong_is_the_only_finding(window: WindowUnderTest) -> None:
    window.extra = "[windw]\n"
    window.write_config()
    report = report_for(window)
    assert [(check.code, check.result) for check in report.checks] == [("CFG-110", "fail")]
    assert (report.answer, report.hall) == ("closed", "test-hall")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "number"),
    [
        ("at once", signal.SIGTERM),
        ("at the first check", signal.SIGINT),
        ("in the middle of a device", signal.SIGKILL),
    ],
)
def test_ctrl_c_lets_go_of_everything(window: WindowUnderTest, phase: str, number: signal.Signals) -> None:
    gun(window)
    window.write_config()
    script = (
        "import sys\nfrom edge.selftest.session import selftest\n"
        f"for message in selftest({str(window.config_path)!r}, level='interactive'):\n"
        "    print(type(message).__name__, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    until = {"at once": b"Begun", "at the first check": b"Check", "in the middle of a device": b"Ask"}[phase]
    for line in process.stdout:
        if line.strip() in (until, b"Report"):
            break
    process.send_signal(number)
    process.wait(10)
    process.stdout.close()

    def free() -> bool:
        try:
            os.close(take_lock(window.folder / "state"))
        except EdgeError:
            return False
        return True

    wait_until(free, 6, "the lock is free again")


def test_a_reader_of_lines_that_leaves_ends_it(window: WindowUnderTest) -> None:
    gun(window)
    window.write_config()
    threads = threading.active_count()
    with closing(selftest(str(window.config_path))) as messages:
        for message in messages:
            if isinstance(message, Check):
                break
    assert threading.active_count() == threads
    os.close(take_lock(window.folder / "state"))  # it has ended, and not only been told to
