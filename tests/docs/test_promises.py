"""The page of promises: every promise names tests that exist, and every figure is one that was found."""

from __future__ import annotations

import ast
import re

import pytest

from tests.faults.promises import PAGE, PROMISES, Promise, fits, found, path_of, render
from tests.support.project import ROOT

NUMBERS = [*(f"G{number}" for number in range(1, 17)), *(f"G{number}" for number in range(18, 25))]


def functions_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def evidence_kept() -> str:
    """Return the text of all tests that keep evidence."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return "\n".join(text for text in texts if "evidence(" in text)


def test_every_promise_is_on_the_page_once_and_in_order() -> None:
    assert [promise.number for promise in PROMISES] == NUMBERS
    assert re.findall(r"^## (G\d+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == NUMBERS


def test_the_page_says_what_the_table_and_the_evidence_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(found()), "run python -m tests.faults.promises"


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.number)
def test_what_a_promise_names_is_there(promise: Promise) -> None:
    assert promise.tests
    for test in promise.tests:
        path, _, name = test.partition("::")
        assert (ROOT / path_of(path)).is_file(), test
        assert not name or name in functions_in(path_of(path)), test
    kept = evidence_kept()
    for pattern in promise.evidence:
        assert re.search(rf'"{re.escape(pattern.rstrip("*"))}', kept), f"no test keeps {pattern}"


def test_every_evidence_belongs_to_a_promise() -> None:
    patterns = [pattern for promise in PROMISES for pattern in promise.evidence]
    assert not [name for name in found() if not any(fits(pattern, name) for pattern in patterns)]


def test_no_evidence_tells_of_a_failure() -> None:
    assert not {name: run for name, run in found().items() if run["failures"]}


def test_figures_of_one_run_in_parts_are_added_up() -> None:
    part = {"trials": 500, "failures": 0, "version": "1", "python": "3", "cores": 2, "kernel": "6", "at": "2026-11-22T"}
    page = render(
        {"kill-9-of-the-core-part-1-of-2": part, "kill-9-of-the-core-part-2-of-2": part, "soak": {**part, "x_s": 5}}
    )
    assert "* kill-9-of-the-core-part: **0 of 1,000** (at most 0.003 with 95 % confidence)" in page
    assert "* soak: **0 of 500** (at most 0.006 with 95 % confidence), x s 5" in page
    assert "* power-cuts: not yet run at full length" in page
