"""What ``hall-edge selftest`` says to programs, and what it prints for the files."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from jsonschema import Draft202012Validator

from edge.selftest.model import Check
from edge.tools.selftest.command import exit_code
from edge.tools.selftest.html import as_html
from edge.tools.selftest.machines import as_json, as_junit, as_nagios
from edge.tools.selftest.pdf import as_pdf
from tests.support.broker import Broker
from tests.support.project import ROOT
from tests.support.window import WindowUnderTest
from tests.tools.selftest_rig import ANSI, report_of, report_of_all_codes, run, selftest

A4_PT = (595, 842)
OK = Check(part="device", name="gun-1", code="IDC-000", result="ok", took_s=0.25, details={"tries": 1})
BROKEN = Check(part="device", name="pad-1", code="SER-101", result="fail", seen="/dev/pad is not there")
LATE = Check(part="subscriber", name="case-system", code="SYS-143", result="warn", seen="a|b <c> & d")
LEFT = Check(part="certificate", name="certificate", code="CRT-001", result="skip")


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WindowUnderTest]:
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        under_test = WindowUnderTest(tmp_path_factory.mktemp("w"), broker)
        under_test.device("gun-1", "code_serial", 'content = "public"')
        under_test.start()
        try:
            yield under_test
        finally:
            under_test.close()


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    published = json.loads((ROOT / "docs/contract/selftest-report.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(published)
    return Draft202012Validator(published)


def test_the_json_is_what_its_schema_says(window: WindowUnderTest, schema: Draft202012Validator) -> None:
    told = {lang: selftest(window, "--json", "--lang", lang) for lang in ("zh", "en")}
    bodies = {lang: json.loads(done.out) for lang, done in told.items()}
    for lang, done in told.items():
        schema.validate(bodies[lang])
        assert (len(done.lines), done.err, ANSI.search(done.out)) == (1, "", None)
    shapes = [[(check["part"], check["name"], check["code"]) for check in body["checks"]] for body in bodies.values()]
    assert shapes[0] == shapes[1]
    assert ("device", "gun-1") in {shape[:2] for shape in shapes[0]}
    mistakes: list[dict[str, object]] = [
        {"answer": "perhaps"},
        {"schema": "https://example.invalid"},
        {"check_value": "0"},
        {"checks": [{}]},
    ]
    for wrong in mistakes:
        assert not schema.is_valid(bodies["zh"] | wrong)


def test_the_check_value_shows_what_was_altered(window: WindowUnderTest, tmp_path: Path) -> None:
    files = [tmp_path / "report.json", tmp_path / "report.html", tmp_path / "report.pdf"]
    for file in files[1:]:
        selftest(window, "--report", str(file), "--lang", "zh")
    files[0].write_text(selftest(window, "--json").out, encoding="utf-8")
    for file in files:
        done = run("selftest", "--verify", str(file), "--lang", "en")
        assert (done.code, done.err) == (0, ""), file
        assert re.search(r"( [0-9a-f]{4}){6}$", done.out)
    body = json.loads(files[0].read_text(encoding="utf-8"))
    files[0].write_text(json.dumps(body | {"answer": "closed"}), encoding="utf-8")
    assert run("selftest", "--verify", str(files[0])).code == 1
    text = files[1].read_text(encoding="utf-8")
    assert '"window": "w01"' in text
    files[1].write_text(text.replace('"window": "w01"', '"window": "w02"'), encoding="utf-8")
    assert run("selftest", "--verify", str(files[1])).code == 1
    for content in (b"", b"{}", b"[1]", b"%PDF-1.7 /Keywords (AAAA)", b"\xff\xfe", b"[" * 100_000):
        files[0].write_bytes(content)
        assert run("selftest", "--verify", str(files[0])).code == 2, content[:20]
    assert run("selftest", "--verify", str(tmp_path / "nothing")).code == 2


def test_junit_is_a_test_case_a_check(window: WindowUnderTest, tmp_path: Path) -> None:
    done = selftest(window, "--junit", "-")
    suite = ET.fromstring(done.out.encode())[0]  # noqa: S314  # our own
    assert int(suite.attrib["tests"]) == len(suite.findall("testcase")) > 8
    file = tmp_path / "junit.xml"
    assert selftest(window, "--junit", str(file)).lines[-1]
    assert ET.fromstring(file.read_bytes()).tag == "testsuites"  # noqa: S314
    suite = ET.fromstring(as_junit(report_of(OK, BROKEN, LATE, LEFT), "zh").encode())[0]  # noqa: S314
    by_name = {case.attrib["name"].split()[0]: case for case in suite.findall("testcase")}
    failure = by_name["pad-1"].find("failure")
    assert failure is not None
    assert failure.attrib["type"] == "SER-101"
    assert by_name["certificate"].find("skipped") is not None
    assert "WARN SYS-143" in by_name["case-system"].findtext("system-out", "")
    counts = [suite.attrib[key] for key in ("tests", "failures", "errors", "skipped")]
    assert counts == ["4", "1", "0", "1"]


def test_a_file_that_cannot_be_written_is_said(window: WindowUnderTest, tmp_path: Path) -> None:
    for option in ("--junit", "--report"):
        done = selftest(window, option, str(tmp_path / "nowhere" / "report.html"), "--lang", "en")
        assert done.code == 1
        assert done.lines[-1].startswith("the window can open")  # the result is not lost
        assert done.err.splitlines()[-1].startswith("FIL-101: ")
        assert "nowhere/report.html: No such file or directory" in done.err


@pytest.mark.parametrize(
    ("checks", "plain", "strict"),
    [((OK,), 0, 0), ((OK, LEFT), 0, 0), ((OK, LATE), 0, 1), ((OK, BROKEN), 1, 1), ((BROKEN,), 1, 1)],
)
def test_exit_codes(checks: tuple[Check, ...], plain: int, strict: int) -> None:
    report = report_of(*checks)
    assert (exit_code(report, strict=False), exit_code(report, strict=True)) == (plain, strict)


def test_a_configuration_that_is_wrong_has_a_code_of_its_own(tmp_path: Path) -> None:
    wrong = Check(part="config", name="config", code="CFG-100", result="fail")
    assert exit_code(report_of(OK, wrong), strict=False) == 5
    file = tmp_path / "hall-edge.toml"
    file.write_text("[window]\nhal = 3\n", encoding="utf-8")
    assert run("selftest", "--config", str(file)).code == 5


@pytest.mark.parametrize(
    ("checks", "strict", "word", "code"),
    [
        ((OK,), False, "OK", 0),
        ((OK, LATE), False, "WARNING", 1),
        ((OK, LATE), True, "CRITICAL", 2),
        ((OK, BROKEN, LATE), False, "CRITICAL", 2),
    ],
)
def test_nagios_gets_one_line(checks: tuple[Check, ...], strict: bool, word: str, code: int) -> None:
    line, exits = as_nagios(report_of(*checks), "zh", strict=strict)
    assert exits == code
    found = re.fullmatch(r"HALL-EDGE (\w+) - ([^|\n]+) \| ok=\d+ warn=\d+ fail=\d+ skip=\d+ time=\d+\.\d+s", line)
    assert found
    assert found[1] == word


def test_the_html_stands_alone(tmp_path: Path) -> None:
    text = as_html(report_of(OK, BROKEN, msgspec.structs.replace(LATE, name="<script>alert(1)</script>")), "zh")
    assert text.count("<script") == 1
    assert '<script type="application/json" id="report">' in text
    assert "http" not in text.replace("https://hall-edge.invalid", "").replace("http-equiv", "")
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    assert run("selftest", "--verify", str(tmp_path / "report.html")).code == 0


def pages_of(pdf: bytes) -> list[tuple[tuple[int, ...], str]]:
    """Return every page's size and text, as Chromium's own PDF engine reads it."""
    pypdfium2: Any = importlib.import_module("pypdfium2")
    with pypdfium2.PdfDocument(pdf) as document:
        pages = list(document)
        return [(tuple(map(round, page.get_size())), page.get_textpage().get_text_range()) for page in pages]


def test_the_pdf_is_one_page_of_chinese() -> None:
    ((size, text),) = pages_of(as_pdf(report_of(OK, BROKEN, LATE, LEFT), "zh"))
    assert size == A4_PT
    for said in ("窗口自检报告", "部分可用：可以开窗；pad-1 需要", "SER-101", "处理：", "校验值", "hall-w01"):
        assert said in text
    value = json.loads(as_json(report_of(OK, BROKEN, LATE, LEFT)))["check_value"]
    assert " ".join(value[place : place + 4] for place in range(0, 24, 4)) in text


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_long_pdf_stays_one_page_and_says_what_it_left_out(lang: Any) -> None:
    report = report_of_all_codes()
    ((_, text),) = pages_of(as_pdf(report, lang))
    left_out = re.search(r"另有 (\d+) 项未列出|(\d+) more are not listed", text)
    assert left_out
    listed = len(re.findall(r"^\[FAIL\]", text, re.MULTILINE))
    assert listed > 10
    assert listed + int(left_out[1] or left_out[2]) == len(report.checks)
    assert report.count("fail") == len(report.checks)
    assert text.index("hall-edge selftest --verify") > text.rindex("[FAIL]")


def test_the_pdf_shows_chinese_where_there_is_a_chinese_font() -> None:
    """Drawn by a real engine: two characters, both with ink, and not the same box."""
    pypdfium2: Any = importlib.import_module("pypdfium2")
    with pypdfium2.PdfDocument(as_pdf(report_of(OK), "zh")) as document:
        page = document[0]
        texts = page.get_textpage()
        boxes = [texts.get_charbox(place) for place in range(2)]
        bitmap = page.render(scale=4).to_numpy()
        page_height = page.get_height()
    inks = []
    for left, bottom, right, top in boxes:
        rows = slice(int((page_height - top) * 4), int((page_height - bottom) * 4))
        inks.append((bitmap[rows, int(left * 4) : int(right * 4)] < 128).any(axis=2))
    assert all(ink.sum() > 50 for ink in inks)
    assert inks[0].shape != inks[1].shape or (inks[0] != inks[1]).any()


@pytest.mark.slow
def test_the_html_prints_on_one_page(tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "chromium is missing; see setup.sh"
    source, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    passed = [msgspec.structs.replace(check, result="ok", name="x" * 32) for check in report_of_all_codes().checks[4:]]
    source.write_text(as_html(report_of(*report_of_all_codes().checks[:4], *passed), "zh"), encoding="utf-8")
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", "--no-first-run",
        f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={printed}", source.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=50)
    ((size, text),) = pages_of(printed.read_bytes())
    assert all(abs(side - wanted) <= 1 for side, wanted in zip(size, A4_PT, strict=True))
    assert "窗口自检报告" in text
    assert "技术员签字" in text
