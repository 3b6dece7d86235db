"""What drivers refuse in settings and profiles (CFG-124) is told in Chinese, each cause that stands in the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from edge.messages import sentence
from edge.messages.pairs import told, words
from tests.support.project import ROOT

COLLECTORS = ("drivers/_pad_compile.py", "drivers/_pad_profile.py")
"""Where a cause is handed to ``problems.add``."""
TABLES = ("drivers/_card_settings.py", "drivers/_sdt_settings.py")
"""Where causes are the keys of mappings in ``problems()``."""
LEAST = 40
CHINESE = re.compile("[\u4e00-\u9fff]")


def causes() -> list[str]:
    """Return every cause in the source, ``7`` for each part that varies."""
    found = [text for name in COLLECTORS for text in _added(ast.parse((ROOT / name).read_text("utf-8")))]
    found += [text for name in TABLES for text in _keys(ast.parse((ROOT / name).read_text("utf-8")))]
    return sorted(set(found))


def _added(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add":
            yield from filter(None, map(_text, node.args[1:]))


def _keys(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            yield from (text for key in node.keys if key and " " in (text := _text(key)))


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_there_are_causes_to_look_at() -> None:
    assert len(causes()) > LEAST


@pytest.mark.parametrize("cause", causes())
def test_every_cause_has_its_chinese(cause: str) -> None:
    pairs = words()["refusal"]
    chinese = told(cause, pairs) or told(cause.removesuffix("7"), pairs)  # a suggestion at the end may be missing
    assert chinese is not None
    assert CHINESE.search(chinese)


def test_several_causes_in_one_profile_are_told_each_with_its_place() -> None:
    said = "profile: own.toml:7: key.map.31: is missing; own.toml:8: key.foo: is unknown; did you mean form?"
    assert sentence("CFG-124", said, "zh") == (
        "profile：own.toml 第 7 行 key.map.31：缺少这一项；own.toml 第 8 行 key.foo：没有这一项；是不是 form？"
    )
