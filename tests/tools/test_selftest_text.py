"""What ``hall-edge selftest`` says to people: the same in both languages, aligned, and nothing that steers a pipe."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest

from edge.messages import Lang
from edge.selftest.model import Check
from edge.tools.columns import width, wrapped
from edge.tools.selftest.text import Layout, answer_line, body, check_lines, header
from tests.support.broker import Broker
from tests.support.window import WindowUnderTest
from tests.tools.init_rig import Terminal
from tests.tools.selftest_rig import (
    ANSI,
    LINE,
    in_a_process,
    report_of,
    report_of_all_codes,
    run,
    selftest,
    skeleton,
)

ANSWERS = {"zh": ("可以开窗", "部分可用", "不能开窗"), "en": ("the window can", "partly usable", "the window cannot")}
LANGS: tuple[Lang, ...] = ("zh", "en")


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindowUnderTest]:
    """A window whose scan gun works and whose pad is not there."""
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        under_test = WindowUnderTest(tmp_path_factory.mktemp("w"), broker)
        under_test.device("gun-1", "code_serial", 'content = "public"')
        under_test.foreign("pad-1", "pad_serial", "serial:///dev/hall-edge/nothing", 'profile = "aa55_xor"')
        under_test.start(ready=False)
        under_test.wait_state("gun-1", "ready")
        under_test.wait_state("pad-1", "absent")
        try:
            yield under_test
        finally:
            under_test.close()


def test_both_languages_have_the_same_lines(window: WindowUnderTest) -> None:
    told = {lang: selftest(window, "--lang", lang) for lang in LANGS}
    assert skeleton(told["zh"].lines) == skeleton(told["en"].lines)
    assert any(re.match(r"\[FAIL\] SER-101 pad-1 ", line) for line in skeleton(told["zh"].lines))
    assert len([line for line in told["zh"].lines if LINE.fullmatch(line)]) >= 8
    for lang, done in told.items():
        assert done.code == 1
        assert done.lines[-1].startswith(ANSWERS[lang])
        assert "pad-1" in done.lines[-1]
        assert not ANSI.search(done.out + done.err)
    assert "正在自检" in told["zh"].err


def test_every_line_has_its_columns(window: WindowUnderTest) -> None:
    """ASCII first: the sentence of every line begins in the same column."""
    for lang in LANGS:
        fixed = [found for line in selftest(window, "--lang", lang).lines if (found := LINE.fullmatch(line))]
        assert len({found.start(5) for found in fixed}) == 1
        assert all(found[0][: found.start(5)].isascii() for found in fixed)


@pytest.mark.parametrize("columns", [80, 46])
@pytest.mark.parametrize("lang", LANGS)
def test_every_code_fits_the_screen(lang: Lang, columns: int) -> None:
    report = report_of_all_codes()
    layout = Layout(lang, columns).fit(check.name for check in report.checks)
    for line in [*header(report, layout), *body(report, layout)]:
        assert width(line) <= max(columns, 41), line  # the fixed columns alone take up to 41
    free = layout._replace(columns=None)
    for check in report.checks[::5]:
        joined = "".join("".join(check_lines(check, layout)).split())
        assert joined == "".join("".join(check_lines(check, free)).split()), check.code


@pytest.mark.parametrize("lang", LANGS)
def test_a_sentence_goes_on_below_its_own_column(lang: Lang) -> None:
    check = Check(part="device", name="id-1", code="ZZZ-999", result="ok", seen="读卡器 answers 应答正常，" * 6)
    first, *rest = check_lines(check, Layout(lang, 80))
    assert first[36:].startswith("读卡器")
    assert len(rest) > 1
    for line in rest:
        assert line.startswith(" " * 36)
        assert line[36] not in " ，。"


def test_a_chinese_line_never_begins_with_a_comma() -> None:
    text = "评价器，评价器，评价器，" * 9
    for columns in range(4, 60):
        lines = wrapped(text, columns)
        assert "".join(lines) == text
        assert all(width(line) <= columns for line in lines)
        assert not any(line.startswith("，") for line in lines)


def test_the_answer_says_who_mends_it() -> None:
    ok = Check(part="device", name="gun-1", code="IDC-000", result="ok")
    pad = Check(part="device", name="pad-1", code="SER-101", result="fail")
    disk = Check(part="disk", name="disk", code="STO-120", result="fail")
    late = Check(part="subscriber", name="case-system", code="SYS-143", result="warn")
    clock = Check(part="clock", name="clock", code="CLK-000", result="ok")
    assert answer_line(report_of(clock, ok), "zh") == "可以开窗"
    assert answer_line(report_of(ok, late), "zh") == "可以开窗；case-system 需要后台管理员处理"
    assert answer_line(report_of(ok, pad, late), "zh") == "部分可用：可以开窗；pad-1 需要现场技术员处理"
    assert answer_line(report_of(ok, disk), "zh").startswith("不能开窗；disk 需要")
    told = answer_line(report_of(clock, ok, pad), "en")
    assert told == "partly usable: the window can open; pad-1: for the technician on site"


def test_of_single_devices_it_says_whether_they_work() -> None:
    ok = Check(part="device", name="gun-1", code="IDC-000", result="ok")
    pad = Check(part="device", name="pad-1", code="SER-101", result="fail")
    assert answer_line(report_of(ok), "zh") == "所查设备正常"
    assert answer_line(report_of(ok, pad), "zh") == "所查设备部分正常；pad-1 需要现场技术员处理"
    assert answer_line(report_of(pad), "en").startswith("none of the tested devices works; pad-1: ")


def test_quiet_is_the_answer_alone(window: WindowUnderTest) -> None:
    told = selftest(window, "--lang", "zh", "--quiet")
    assert told.lines == [selftest(window, "--lang", "zh").lines[-1]]
    assert told.err == ""


def test_what_a_device_says_does_not_steer_the_terminal() -> None:
    check = Check(part="device", name="id-1", code="VND-999", result="fail", seen="\x1b[2Jevil\r\n", action="\x07now")
    lines = list(check_lines(check, Layout("en", 80)))
    assert not any(char in "".join(lines) for char in "\x1b\r\n\x07")


@pytest.mark.slow
def test_on_a_terminal_it_is_drawn_in_place(window: WindowUnderTest) -> None:
    arguments = ["selftest", "--config", str(window.config_path), "--run", str(window.folder / "run"), "--lang", "zh"]
    screens = {}
    for name, environ in (("plain", {"NO_COLOR": "1"}), ("coloured", {"NO_COLOR": ""})):
        screen = Terminal(terminal_command(*arguments), {"TERM": "xterm", **environ})
        try:
            assert screen.end() == 1
            screens[name] = screen.text
        finally:
            screen.close()
    piped = selftest(window, "--lang", "zh").lines
    for text in screens.values():
        assert text.index("正在自检") < text.index("设备自检")
        assert text.index("还在等待") < text.rindex("\x1b[J")
        shown = text[text.rindex("\x1b[J") + 3 :].splitlines()  # what is left when the progress is taken away
        assert all(width(ANSI.sub("", line)) <= 80 for line in shown)
        tags = [line[:15] for line in (ANSI.sub("", line) for line in shown) if line.startswith("[")]
        assert tags == [line[:15] for line in piped if line.startswith("[")]
        assert shown[-1].startswith("部分可用")
    assert "\x1b[1;31m[FAIL]\x1b[0m" in screens["coloured"]
    assert not re.search(r"\x1b\[[0-9;]*m", screens["plain"])


def terminal_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "edge", *arguments]


def test_interactive_needs_a_terminal(window: WindowUnderTest) -> None:
    done = in_a_process("selftest", "--level", "interactive", "--config", str(window.config_path), "--lang", "zh")
    assert (done.code, done.out) == (2, "")
    assert "需要有人在终端前" in done.err


def test_why_it_cannot_be_tested_has_its_exit_code(window: WindowUnderTest, short_path: str) -> None:
    assert run("selftest", "--run", f"{short_path}/nothing").code == 3
    assert selftest(window, "no-such-device").code == 2
    assert selftest(window, "--report", "report.doc").code == 2
    assert run("selftest", "--level", "loud").code == 2
    assert run("selftest", "--run", f"{short_path}/nothing", "--nagios").code == 3
