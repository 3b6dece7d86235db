"""Scenarios: words, loops, complaints with a place; and the ones that are shipped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import simulators
from simulators.bench import Bench
from simulators.scenario import Step, parse, read_scenario, split_line, steps, unrolled
from simulators.words import ScenarioError
from tests.simulators.host import Host

SHIPPED = sorted((Path(simulators.__file__).parent / "scenarios").glob("*.txt"))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", ()),
        ("   # all of it", ()),
        ("a b  c", ("a", "b", "c")),
        ("a b # c", ("a", "b")),
        ("a b#c", ("a", "b#c")),
        ("a 'b # c' # d", ("a", "b # c")),
        ('a "b \\" # c"', ("a", 'b " # c')),
        ("a \\# b", ("a", "#", "b")),
        ("gun scan https://example.invalid/#x", ("gun", "scan", "https://example.invalid/#x")),
    ],
)
def test_words_of_a_line(line: str, words: tuple[str, ...]) -> None:
    assert split_line(line) == words


def test_loops_are_unrolled() -> None:
    text = "a\nrepeat 2\n b\n repeat 3\n  c\n end\nend\nd"
    assert "".join(step.words[0] for step in unrolled(parse(text))) == "abcccbcccd"
    assert "".join(step.words[0] for step in steps(parse(text))) == "abcd"


def test_a_loop_without_a_number_never_ends() -> None:
    endless = unrolled(parse("repeat\na\nb\nend\nc"))
    assert "".join(next(endless).words[0] for _ in range(7)) == "abababa"
    assert list(unrolled(parse("repeat\n# nothing\nend\nc"))) == [Step(("c",), "scenario:4")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a\nend", "scenario:2: this end has no repeat"),
        ("a\nrepeat\nb", "scenario:2: this repeat has no end"),
        ("repeat 2 3\nend", "scenario:1: repeat takes one number, or none"),
        ("repeat x\nend", "scenario:1: the number of times must be"),
        ("repeat\nend now", "scenario:2: end stands alone"),
        ('a "b', "scenario:1: unfinished quotation"),
    ],
)
def test_wrong_scenarios_are_refused_with_their_place(text: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=re.escape(complaint)):
        parse(text)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot read"):
        read_scenario(tmp_path / "missing.txt")
    (tmp_path / "gbk.txt").write_bytes("虚构".encode("gbk"))
    with pytest.raises(ScenarioError, match="not UTF-8"):
        read_scenario(tmp_path / "gbk.txt")


def test_a_scenario_is_played_in_order(tmp_path: Path) -> None:
    done: list[str] = []
    with Bench(tmp_path) as bench, Host(bench.add("gun-1", "code_serial")) as host:
        bench.run("repeat 2\ngun-1 scan A\nwait 0.01\nend\ngun-1 scan B", lambda step: done.append(step.where))
        assert host.read(6) == b"A\rA\rB\r"
    assert done == [f"scenario:{n}" for n in (2, 3, 2, 3, 5)]


def test_a_mistake_anywhere_stops_a_scenario_before_it_begins(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        bench.add("gun-1", "code_serial")
        with pytest.raises(ScenarioError, match="scenario:2: unknown action of gun-1"):
            bench.run("gun-1 scan A\ngun-1 scn B")
        assert bench.counters("gun-1") == {}


def test_a_failure_while_playing_has_its_place(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        bench.add("pad-1", "pad_serial")
        with pytest.raises(ScenarioError, match="scenario:2: pad-1 wait-request was not done"):
            bench.run("pad-1 press 5\npad-1 wait-request 0.01")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_scenario_fits_its_devices(path: Path, tmp_path: Path) -> None:
    needed = re.findall(r"([\w-]+)=((?:idcard|pad|code)\w+)", path.read_text(encoding="utf-8"))
    assert needed
    with Bench(tmp_path) as bench:
        for name, model in needed:
            bench.add(name, model)
        for step in steps(read_scenario(path)):
            bench.check(" ".join(f"'{word}'" for word in step.words))


def test_two_scenarios_are_shipped_at_least() -> None:
    assert {"visit", "bad_day"} <= {path.stem for path in SHIPPED}
