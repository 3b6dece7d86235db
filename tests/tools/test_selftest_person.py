"""``hall-edge selftest`` with a person before the terminal: what is asked, Ctrl-C, and somebody else who tests."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest
from tests.tools.init_rig import Terminal
from tests.tools.selftest_rig import in_a_process, selftest

FIRST_S = 0.2
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindowUnderTest]:
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        under_test = WindowUnderTest(tmp_path_factory.mktemp("w"), broker)
        under_test.device("gun-1", "code_serial", 'content = "public"')
        under_test.start()
        try:
            yield under_test
        finally:
            under_test.close()


def asking(window: WindowUnderTest) -> Terminal:
    """Begin a self-test that asks a person, and wait until it does."""
    where = ["--config", str(window.config_path), "--run", str(window.folder / "run")]
    command = [sys.executable, "-m", "edge", "selftest", *where, "--level", "interactive", "--lang", "zh", "gun-1"]
    screen = Terminal(command, {"TERM": "xterm", "NO_COLOR": "1"})
    screen.expect("\a")
    screen.expect("gun-1：请用扫码枪扫任意一个码（")
    return screen


def test_a_person_is_asked_and_the_device_answers(lasting: WindowUnderTest) -> None:
    with closing(asking(lasting)) as screen:
        lasting.bench.do("gun-1 scan ABC123")
        assert screen.end() == 0
        assert screen.text.splitlines()[-1] == "所查设备正常"
        assert "ABC123" not in screen.text


def test_ctrl_c_ends_it_and_the_next_one_may_test(lasting: WindowUnderTest) -> None:
    with closing(asking(lasting)) as screen:
        screen.press(b"\x03")
        assert screen.end() == 130
        assert screen.text.splitlines()[-1].endswith("\x1b[J自检已中止")
        assert "Traceback" not in screen.text
    wait_until(lambda: selftest(lasting, "gun-1").code == 0, 10, "another one may test")


def test_who_comes_second_is_told_who_tests(lasting: WindowUnderTest) -> None:
    with closing(asking(lasting)) as screen:
        second = selftest(lasting, "--lang", "zh")
        assert (second.code, second.out) == (7, "")
        assert re.search(rf"TST-101.*进程 {screen.process.pid}，", second.err)
        assert selftest(lasting, "--nagios").code == 3
        screen.press(b"\x03")
        assert screen.end() == 130


def test_a_daemon_that_dies_is_said(window: WindowUnderTest) -> None:
    """What was drawn is taken away first."""
    window.device("gun-1", "code_serial", 'content = "public"')
    window.start()
    with closing(asking(window)) as screen:
        window.kill()
        assert screen.end() == 1
        assert "\x1b[JTST-104" in screen.text.splitlines()[-1]


def test_the_first_line_comes_at_once(lasting: WindowUnderTest) -> None:
    """By the processor's time: other tests run beside it."""
    command = [sys.executable, "-m", "edge", "selftest", "--config", str(lasting.config_path)]
    with closing(Terminal(command, {"TERM": "xterm", "LC_ALL": "zh_CN.UTF-8"})) as screen:
        screen.expect("自检")
        fields = Path(f"/proc/{screen.process.pid}/stat").read_text(encoding="ascii").split()
        used_s = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        assert screen.end() == 0
    assert used_s <= FIRST_S + 0.05  # it goes on while we look


def test_without_a_daemon_it_tests_by_itself(window: WindowUnderTest) -> None:
    window.device("gun-1", "code_serial", 'content = "public"')
    config = window.write_config()
    done = in_a_process("selftest", "--config", str(config), "--lang", "en", "gun-1")
    assert done.code == 0, done.err
    assert done.lines[-1] == "the tested devices work"
