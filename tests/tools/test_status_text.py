"""``hall-edge status`` and ``watch``: the same in both languages, aligned, live on a terminal, lines elsewhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge.messages import Lang
from edge.tools.columns import width
from edge.tools.live.changes import Changes
from edge.tools.live.polled import STALE_S, Polled
from edge.tools.live.text import View, document
from tests.support.broker import Broker
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest
from tests.tools.init_rig import Terminal
from tests.tools.selftest_rig import ANSI, run

LANGS: tuple[Lang, ...] = ("zh", "en")
ROW = re.compile(r"(\S+) +(\S+) +(\S+) +(\S.*)")


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindowUnderTest]:
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        under_test = WindowUnderTest(tmp_path_factory.mktemp("w"), broker)
        under_test.extra = '[[subscriber]]\nname = "case-system"\n'
        under_test.device("gun-1", "code_serial", 'content = "public"')
        under_test.foreign("pad-1", "pad_serial", "serial:///dev/hall-edge/nothing", 'profile = "aa55_xor"')
        under_test.start(ready=False)
        under_test.wait_state("gun-1", "ready")
        under_test.wait_state("pad-1", "absent")
        try:
            yield under_test
        finally:
            under_test.close()


def status(window: WindowUnderTest, *arguments: str) -> list[str]:
    return run("status", "--run", str(window.folder / "run"), *arguments).out.splitlines()


@contextmanager
def watching(window: WindowUnderTest, lang: str = "zh") -> Iterator[Terminal]:
    command = [sys.executable, "-m", "edge", "watch", "--run", str(window.folder / "run"), "--lang", lang]
    screen = Terminal(command, {"TERM": "xterm", "NO_COLOR": ""})
    try:
        yield screen
    finally:
        screen.close()


def test_both_languages_have_the_same_lines(window: WindowUnderTest) -> None:
    told = {lang: status(window, "--lang", lang) for lang in LANGS}
    shapes = {}
    for lang, lines in told.items():
        assert lines[1].startswith("! SER-101  pad-1  ")  # the one thing to see to first
        assert lines[2].strip().startswith(("影响：", "effect: "))
        assert lines[3].strip().startswith(("处理：", "action: "))
        rows = [found for line in lines if (found := ROW.fullmatch(line)) and line[0] not in "!- "]
        shapes[lang] = [(found[1], found[2], found.start(4)) for found in rows[1:]]
        assert not ANSI.search("\n".join(lines))
    assert shapes["zh"] == shapes["en"]
    assert len(told["zh"]) == len(told["en"])
    names = ["gun-1", "pad-1", "broker", "delivery", "outbox", "case-system", "privacy"]
    assert [shape[0] for shape in shapes["zh"]] == names
    assert len({shape[2] for shape in shapes["zh"]}) == 1
    assert "今天读出完整证件 0 次；本机存有敏感记录 0 条" in "\n".join(told["zh"])


def test_the_json_is_what_it_was(window: WindowUnderTest) -> None:
    body = json.loads(status(window, "--json")[0])
    kept = {"hall", "window", "lab", "version", "since", "process", "devices", "health"}
    assert kept <= body.keys()
    assert {"state", "kind", "driver", "epoch", "since"} <= body["devices"]["pad-1"].keys()
    assert run("status", "--run", str(window.folder / "run")).code == 1
    assert run("status", "--run", "/nonexistent").code == 3


def test_it_starts_without_the_daemons_own_parts(window: WindowUnderTest) -> None:
    code = "import sys; from edge.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    command = [sys.executable, "-c", code, "status", "--run", str(window.folder / "run")]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()
    assert "edge.tools.live.text" in loaded
    assert not {"asyncio", "cryptography", "paho", "edge.health", "edge.config"} & set(loaded)


def busy_snapshot(window: WindowUnderTest) -> dict[str, Any]:
    """Return a snapshot in which much is wrong and all figures are large."""
    body = json.loads(status(window, "--json")[0])
    problem = {"code": "SYS-143", "message": "case-system has not acknowledged for 180 minutes while events wait"}
    body["health"]["problems"] = [{**problem, "action": "start it, or see its log", "level": "attention"}] * 4
    body["health"]["ladder"] = dict.fromkeys(("accepted", "sent", "brokered", "confirmed"), str(2**63))
    body["health"]["outbox"] |= {"depth": 10**6, "oldest_s": 9e5, "quarantined": 3, "expired": 4, "damaged": 5}
    body["privacy"] = {"full_reads_today": 10**4, "sensitive_kept": 10**4, "sensitive_oldest_s": 7200.0}
    return dict(body)


@pytest.mark.parametrize("columns", [80, 60, 40])
@pytest.mark.parametrize("lang", LANGS)
def test_everything_fits_the_screen(window: WindowUnderTest, lang: Lang, columns: int) -> None:
    view = View(lang, columns, False, datetime.now(UTC))
    for line in document(busy_snapshot(window), view):
        assert width(line) <= max(columns, 42), line


def test_what_changes_is_a_line(window: WindowUnderTest) -> None:
    changes, body = Changes("zh"), json.loads(status(window, "--json")[0])
    assert len(list(changes.lines(body))) >= 5
    assert list(changes.lines(body)) == []
    body["devices"]["pad-1"] |= {"state": "ready", "code": None, "reason": None, "action": None}
    body["health"]["problems"] = []
    said = list(changes.lines(body))
    assert any(re.fullmatch(r"pad-1 +ready +评价器：正常", line) for line in said)
    assert any(re.fullmatch(r"SYS-\d+ +- +已解决", line) for line in said)


@pytest.mark.slow
def test_watch_is_redrawn_and_gives_the_terminal_back(window: WindowUnderTest) -> None:
    with watching(window) as screen:
        screen.expect("\x1b[?1049h")
        screen.expect("! SER-101")
        screen.expect("实时显示")
        screen.expect("实时显示")  # drawn again
        window.bench.do("gun-1 unplug")
        try:
            screen.expect("absent")
            screen.press(b"\x03")
            assert screen.end() == 130
        finally:
            window.bench.do("gun-1 plug")
        assert screen.text.rstrip().endswith("\x1b[?1049l")
        assert "\x1b[2J" not in screen.text  # what clears the whole screen flickers
    window.wait_state("gun-1", "ready")


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_watch_that_is_ended_gives_the_terminal_back(window: WindowUnderTest, ending: signal.Signals) -> None:
    with watching(window, "en") as screen:
        screen.expect("live, Ctrl-C ends it")
        screen.process.send_signal(ending)
        assert screen.end() == 128 + ending
        assert screen.text.rstrip().endswith("\x1b[?25h\x1b[?1049l")
        assert "Traceback" not in screen.text


@pytest.mark.slow
def test_watch_follows_the_size_of_the_terminal(window: WindowUnderTest) -> None:
    with watching(window) as screen:
        screen.expect("实时显示")
        screen.resize(8, 40)
        screen.expect("窗口太小")
        drawn = screen.text.split("\x1b[H")[-1].split("\x1b[J")[0]
        assert all(width(ANSI.sub("", line)) <= 41 for line in drawn.splitlines())
        assert len(drawn.splitlines()) <= 8
        screen.press(b"\x03")
        assert screen.end() == 130


@pytest.mark.slow
def test_watch_into_a_pipe_writes_lines(window: WindowUnderTest) -> None:
    command = [sys.executable, "-m", "edge", "watch", "--run", str(window.folder / "run"), "--lang", "en"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        process.send_signal(signal.SIGINT)
        lines += process.stdout.readlines()
    assert process.returncode == 130
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+  \S+ +\S+ ", line) for line in lines)
    assert not ANSI.search("".join(lines))


def test_a_daemon_that_hangs_makes_what_is_shown_old(window: WindowUnderTest) -> None:
    """Its process is stopped; ten seconds pass on a clock of our own."""
    now = [0.0]
    polled = Polled(str(window.folder / "run"), lambda: now[0])
    assert window.process is not None
    with closing(iter(polled)) as looks:  # type: ignore[type-var]  # it is a generator
        first = next(looks)
        assert first.snapshot is not None
        assert not first.stale
        os.kill(window.process.pid, signal.SIGSTOP)
        try:
            now[0] = STALE_S + 1
            assert wait_for(looks, lambda seen: seen.stale).snapshot == first.snapshot
        finally:
            os.kill(window.process.pid, signal.SIGCONT)
        assert not wait_for(looks, lambda seen: not seen.stale).stale
    wait_until(window.connected, 10, "the daemon works again")


def wait_for(looks: Iterator[Any], wanted: Callable[[Any], bool]) -> Any:
    return next(seen for _, seen in zip(range(30), looks, strict=False) if wanted(seen))


def test_no_daemon_is_said_before_the_screen_is_taken(tmp_path: Path) -> None:
    done = run("watch", "--run", str(tmp_path))
    assert (done.code, done.out) == (3, "")
    assert "SYS-103" in done.err
