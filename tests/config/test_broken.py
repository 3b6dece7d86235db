"""Every broken configuration is refused with place, cause and action, and with nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import config
from edge.errors import ConfigError, Problem
from tests.config import broken, broken_commands, broken_keys, broken_rules
from tests.config.conftest import GOOD, Write

Load = Callable[[str | bytes], config.Config]

CORPUS = [
    *broken.NOT_TOML, *broken.KEYS, *broken.VALUES, *broken.SETTINGS, *broken.DRIVERS,
    *broken_rules.ADDRESSES, *broken_rules.BROKER, *broken_rules.FILES,
    *broken_commands.REQUESTS, *broken_commands.IDENTITY, *broken_keys.KEYS,
]  # fmt: skip
SECRETS = ["hunter2", "correct horse", "MIIsecret"]


def refused(load: Load, content: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(content)
    return caught.value.problems


@pytest.mark.parametrize("case", CORPUS, ids=str)
def test_it_says_where_what_and_what_to_do(case: broken.Broken, load: Load, tmp_path: Path, folder: Path) -> None:
    problems = refused(load, case.text)
    assert [problem.code for problem in problems] == [case.code], "\n".join(map(str, problems))
    printed = str(problems[0])
    assert printed.startswith(f"{tmp_path}/hall-edge.toml:{case.line}: ")
    assert [part for part in case.says if part.replace("@", str(folder)) not in printed] == [], printed
    assert problems[0].cause
    assert problems[0].action
    assert printed.isprintable()
    assert not [secret for secret in SECRETS if secret in printed]


def test_the_corpus_is_large_and_its_names_are_unique() -> None:
    assert len(CORPUS) >= 100
    assert len({case.name for case in CORPUS}) == len(CORPUS)


def test_every_code_is_known_and_in_the_corpus() -> None:
    elsewhere = {"CFG-100", "CFG-101", "CFG-102", "CFG-121", "CFG-145", "CFG-171", "CFG-175"}
    assert {case.code for case in CORPUS} == config.CODES.keys() - elsewhere


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(load: Load) -> None:
    text = GOOD
    for old, new in (
        ('window = "w03"', 'window = "W03"\nlabs = true'),
        ('level = "info"', 'level = "inof"'),
        ("?baud=115200", "?baud=115201&party=N"),
        ('"tcp://127.0.0.1:4001"', '"udp://127.0.0.1:4001"'),
        ("timeout_s = 30", 'timeout_s = "x"\nmode = 1'),
        ('name = "pad-1"', 'name = "id-1"'),
    ):
        text = text.replace(old, new)
    problems = refused(load, text)
    expected = [
        (3, "CFG-113"), (4, "CFG-110"), (13, "CFG-113"), (22, "CFG-133"), (22, "CFG-132"), (28, "CFG-114"),
        (30, "CFG-131"), (31, "CFG-112"), (32, "CFG-112"),
    ]  # fmt: skip
    assert sorted((problem.line, problem.code) for problem in problems) == sorted(expected)
    assert [problem.line for problem in problems] == sorted(problem.line for problem in problems)
    assert problems[3].key == "device[0].address"


def test_an_error_prints_one_line_a_problem(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(GOOD.replace('level = "info"', "level = 1\nx = 2"))
    assert len(str(caught.value).splitlines()) == 2
    assert (caught.value.code, caught.value.message) == ("CFG-100", "2 problems in the configuration")


def only(caught: pytest.ExceptionInfo[ConfigError]) -> tuple[str, str]:
    assert len(caught.value.problems) == 1
    assert caught.value.code == caught.value.problems[0].code
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [("none.toml", "No such file"), ("", "no ordinary file"), ("a\0b", "embedded null"), ("x" * 999, "too long")],
)
def test_a_file_that_is_not_there(name: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(f"{tmp_path}/{name}")
    code, printed = only(caught)
    assert code == "CFG-101"
    assert says in printed
    assert printed.startswith(str(tmp_path))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="no ordinary file"):
        config.load(tmp_path / "pipe")


def test_a_file_that_may_not_be_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_args: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(GOOD)
    monkeypatch.setattr(Path, "read_bytes", denied)  # the tests may run as root, whom nobody denies anything
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    code, printed = only(caught)
    assert code == "CFG-101"
    assert "Permission denied" in printed


def test_a_file_of_another_encoding(load: Load) -> None:
    (problem,) = refused(load, "[window]\n# 窗口\n".encode("gb18030"))
    assert (problem.code, problem.line, problem.action) == ("CFG-102", 2, "save the file as UTF-8")
    (problem,) = refused(load, GOOD.encode("utf-16"))
    assert (problem.code, problem.line) == ("CFG-102", 1)


def test_a_file_that_is_far_too_large(load: Load) -> None:
    (problem,) = refused(load, b"#" * ((1 << 20) + 1))
    assert (problem.code, "larger than 1 MiB" in problem.cause) == ("CFG-101", True)


def test_without_systemd_there_are_no_credentials(write: Write) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(write(GOOD.replace("@/window.key", "credential:window-key")), {})
    code, printed = only(caught)
    assert code == "CFG-150"
    assert "LoadCredential=" in printed


def test_an_installed_driver_that_is_not_allowed(load: Load, fake_package: Path) -> None:
    text = GOOD.replace('driver = "pad"\n', 'driver = "acme_pad"\n')
    (problem,) = refused(load, text)
    assert (problem.code, problem.line) == ("CFG-121", 28)
    assert 'add "acme-drivers" to allow_drivers in [window]' in problem.action
    allowed = text.replace('window = "w03"', 'window = "w03"\nallow_drivers = ["Acme_Drivers"]')
    assert load(allowed).devices[1].driver_type.__module__ == "acme_drivers_pad"
    assert fake_package.exists()
