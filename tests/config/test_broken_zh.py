"""Every broken configuration is told in Chinese, too: its place, its cause with the same words and figures, its action.

``broken_zh.txt`` holds what is told of each case of the corpus. When a text was changed on purpose:
``HALL_EDGE_WRITE=1 pytest tests/config/test_broken_zh.py``, and read the difference.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from edge.config.findings import CODES
from edge.errors import Problem
from edge.messages import catalogue
from edge.messages.pairs import told
from edge.messages.telling import problem_line
from tests.config.broken import Broken
from tests.config.conftest import Write
from tests.config.test_broken import CORPUS, SECRETS, Load, refused

GOLDEN = Path(__file__).with_name("broken_zh.txt")
OF_A_DRIVER = {"struct-refuses", "driver-refuses", "driver-refuses-what-is-not-there"}
"""What the sample drivers of these tests say: real ones have their Chinese in ``drivers/messages/words.toml``."""
HAN = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def golden() -> dict[str, str]:
    lines = GOLDEN.read_text(encoding="utf-8").splitlines() if GOLDEN.exists() else []
    return dict(line.split("  ", 1) for line in lines)


@pytest.mark.parametrize("case", CORPUS, ids=str)
def test_it_is_told_in_chinese(case: Broken, load: Load, golden: dict[str, str], tmp_path: Path, folder: Path) -> None:
    (problem, *_) = refused(load, case.text)
    line = problem_line(problem, "zh").replace(str(tmp_path), ".").replace(str(folder), "@")
    if os.environ.get("HALL_EDGE_WRITE"):
        golden[case.name] = line
        GOLDEN.write_text("".join(f"{name}  {text}\n" for name, text in golden.items()), encoding="utf-8")
    assert line == golden.get(case.name)
    assert line.startswith(f"./hall-edge.toml:{case.line}: ")
    assert line.endswith(f" [{case.code}]")
    assert not [secret for secret in SECRETS if secret in line]
    assert_own_words(problem, foreign=case.name in OF_A_DRIVER)


def assert_own_words(problem: Problem, *, foreign: bool) -> None:
    """Make sure that cause and action are told with their own words, not by what is general of the code."""
    entry = catalogue()[problem.code]
    cause, action = told(problem.cause, entry.seen), told(problem.action, entry.do)
    assert cause is not None, problem.cause
    assert foreign or HAN.search(cause), cause
    assert action is not None or problem.action == entry.en.action, problem.action
    assert bool(problem.nearest) == ("是不是" in problem_line(problem, "zh"))


def test_the_golden_texts_are_of_the_corpus(golden: dict[str, str]) -> None:
    assert list(golden) == [case.name for case in CORPUS]


def test_every_code_of_a_configuration_is_in_the_catalogue() -> None:
    assert CODES.keys() <= catalogue().keys()


def test_the_verb_tells_all_mistakes_in_both_languages(
    write: Write, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from edge.cli import main

    path = write('[window]\nhal = "x"\n[mqtt]\nurl = "mqtts://h:1"\nkeepalive_s = "5"\n')
    assert main(["check", str(path), "--lang", "zh"]) == 5
    told_zh = capsys.readouterr().err.splitlines()
    assert main(["check", "--config", str(path), "--lang", "en"]) == 5
    told_en = capsys.readouterr().err.splitlines()
    place = re.compile(rf"{re.escape(str(tmp_path))}/hall-edge\.toml:\d+: ")
    assert [place.match(line)[0] for line in told_zh] == [place.match(line)[0] for line in told_en]  # type: ignore[index]
    assert len(told_zh) == 4
    assert all(HAN.search(line) for line in told_zh)
    assert not any(HAN.search(line) for line in told_en)


def test_the_verb_tells_scripts_both_languages(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    from edge.cli import main

    path = write('[window]\nhal = "x"\n')
    assert main(["check", str(path), "--json"]) == 5
    told = json.loads(capsys.readouterr().out)
    unknown = next(one for one in told["problems"] if one["code"] == "CFG-110")
    assert (told["valid"], unknown["line"], unknown["nearest"], unknown["who"]) == (False, 2, "hall", "administrator")
    assert unknown["en"]["cause"] == 'unknown key "hal"'
    assert unknown["zh"]["cause"] == '没有 "hal" 这个配置项'


def test_what_has_no_file_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    from edge.cli import main

    assert main(["check", "/nonexistent.toml", "--lang", "zh"]) == 5
    assert (
        capsys.readouterr().err
        == "/nonexistent.toml: 配置文件读不了：文件或目录不存在。用 sudo hall-edge init 生成，或检查路径 [CFG-101]\n"
    )
