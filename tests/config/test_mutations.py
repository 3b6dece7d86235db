"""Whatever happens to a good file, it is loaded or refused, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import config, registry
from edge.errors import ConfigError
from tests.config import broken, broken_rules
from tests.config.conftest import GOOD

VALUES = [
    "1", "-1", "0", "9" * 30, "1.5", "nan", "inf", "true", "[]", "{}", "[[]]", "[{}]", "[1, 'x']", "{a = 1}", "''",
    "'x'", "'/'", "'credential:x'", "'credential:../x'", "'\\u0000'", '"\\u0000"', '"\\n"', "1979-05-27", "07:32:00",
    "'serial:///dev/x'", "'tcp://h:1'", "'replay:///x'", "'mqtt://h'", "'card'", "'pad'", "'no_package'", "'crash'",
    "'/dev/null'", "'/'", "'" + "x" * 300 + "'", '"""\nx\n"""', "{ colour = 'red', blink_s = [] }",
]  # fmt: skip
HEADERS = ["[window]", "[mqtt]", "[paths]", "[log]", "[[subscriber]]", "[[device]]", "[device]", "[x]", "[[window]]"]
KEYS = sorted({line.partition(" =")[0] for line in GOOD.splitlines() if " =" in line})
KEYS += [
    "lab",
    "allow_drivers",
    "enabled",
    "mode",
    "lamp",
    "lamps",
    "levels",
    "levels.a",
    "lamp.colour",
    "pair",
    "x",
    '""',
]
TEXTS = [
    GOOD,
    *(case.text for case in (*broken.VALUES, *broken.SETTINGS, *broken_rules.BROKER) if len(case.text) < 2000),
]

lines = st.one_of(
    st.sampled_from(HEADERS),
    st.builds("{} = {}".format, st.sampled_from(KEYS), st.sampled_from(VALUES)),
    st.text(max_size=20),
)
edits = st.tuples(st.sampled_from(["line", "insert", "delete", "swap", "char", "cut"]), st.integers(0, 10_000), lines)


def changed(text: str, how: str, place: int, line: str) -> str:
    """Return *text* with one change at *place*."""
    rows = text.split("\n")
    row = place % len(rows)
    if how == "char":
        at = place % (len(text) + 1)
        return text[:at] + line[:1] + text[at + 1 :]
    if how == "cut":
        return text[: place % (len(text) + 1)]
    if how == "swap":
        rows[row], rows[-row] = rows[-row], rows[row]
    elif how == "delete":
        del rows[row]
    else:
        rows[row : row + (how == "line")] = [line]
    return "\n".join(rows)


@pytest.fixture(scope="module", autouse=True)
def _sample_drivers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "PACKAGE", "tests.config.sample_drivers")
        yield


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutations") / "hall-edge.toml"


def check(file: Path, data: bytes, folder: Path) -> None:
    file.write_bytes(data)
    try:
        loaded = config.load(file, {"CREDENTIALS_DIRECTORY": str(folder)})
    except ConfigError as error:
        problems = error.problems
    else:
        assert isinstance(loaded, config.Config)
        return
    assert problems
    for problem in problems:
        assert problem.file == str(file)
        assert 0 <= problem.line <= data.count(b"\n") + 1
        assert problem.code in config.CODES
        assert problem.cause
        assert problem.action
        assert str(problem).isprintable()


@settings(max_examples=int(os.environ.get("MUTATIONS", "300")), suppress_health_check=list(HealthCheck), deadline=None)
@given(text=st.sampled_from(TEXTS), changes=st.lists(edits, min_size=1, max_size=6))
def test_changed_lines(file: Path, folder: Path, text: str, changes: list[tuple[str, int, str]]) -> None:
    for how, place, line in changes:
        text = changed(text, how, place, line)
    check(file, text.replace("@", str(folder)).encode("utf-8", "replace"), folder)


@settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.binary(max_size=80), place=st.integers(0, len(GOOD)))
def test_changed_bytes(file: Path, folder: Path, data: bytes, place: int) -> None:
    good = GOOD.encode()
    check(file, good[:place] + data + good[place + len(data) :], folder)
