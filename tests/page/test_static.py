"""The page's files: what an old Chromium understands, and nothing that could run what a device says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from edge.page import http
from tests.page.chromium import Chromium
from tests.page.rig import Told
from tests.page.screenshots import FOLDER, SCENES

TOO_NEW = {
    "optional chaining": r"\?\.[a-zA-Z_(\[]",
    "nullish": r"\?\?",
    "catch without a name": r"catch\s*\{",
    "object spread": r"\{\s*\.\.\.|\w,\s*\.\.\.\w+\s*\}",
    "async iteration": r"for await|async\s*function\s*\*",
    "methods after 2017": r"\.(flat|flatMap|matchAll|replaceAll|at|finally|trimEnd|trimStart)\(",
    "objects after 2017": r"globalThis|BigInt|fromEntries|structuredClone|AbortController",
    "modules": r"^\s*(import|export)\b",
    "fields of classes": r"^\s+(static\s|#\w)",
    "assignments": r"(&&|\|\||\?\?)=",
    "numbers": r"\d_\d",
    "expressions": r"\(\?<",
}
TOO_NEW_CSS = r":(is|where|has)\(|:focus-visible|\b(clamp|min|max)\(|\binset\b|aspect-ratio|\bgap:|@(layer|container)"
SINKS = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|\.style\b|createContextual|srcdoc"


def text(path: str) -> str:
    return http.static()[path].body.decode()


@pytest.mark.parametrize("path", ["/words.js", "/draw.js", "/page.js"])
def test_scripts_are_of_2017_and_put_nothing_in_but_text(path: str) -> None:
    script = text(path)
    assert script.startswith('"use strict";\n')
    for what, pattern in TOO_NEW.items():
        assert not re.search(pattern, script, re.MULTILINE), what
    assert not re.search(SINKS, script)
    assert set(re.findall(r'setAttribute\("([a-z-]+)"', script)) <= {"aria-expanded", "aria-controls", "aria-pressed"}


def test_styles_are_of_2017() -> None:
    assert not re.search(TOO_NEW_CSS, text("/page.css"))


@pytest.mark.parametrize("path", ["/", "/page.css", "/words.js", "/draw.js", "/page.js"])
def test_nothing_comes_from_elsewhere_or_stands_inline(path: str) -> None:
    file = text(path)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", file)
    if path == "/":
        assert not re.search(r"\s(on\w+|style)=|<style|<script(?! src=\"/\w+\.js\" defer></script>)", file)
        assert set(re.findall(r'(?:src|href)="([^"]+)"', file)) < set(http.static())


def test_there_is_no_picture_but_the_icon() -> None:
    pictures = {path for path, answer in http.static().items() if "image" in answer.media_type}
    assert pictures == {"/favicon.ico"}
    assert not re.search(r"<(img|canvas|video|picture|object|embed|iframe|svg)|background-image|new Image", "".join(
        text(path) for path in http.static() if path not in pictures
    ))  # fmt: skip


def test_both_languages_say_the_same_things(tab: Chromium, told: Told) -> None:
    tab.open(told.url)
    words: dict[str, dict[str, Any]] = json.loads(tab.run("JSON.stringify(WORDS)"))
    assert list(words["zh"]) == list(words["en"])
    used = set(
        re.findall(
            r'(?:say|told)\((?:\w+(?:\.\w+)?, )?"(\w+)"', text("/draw.js") + text("/page.js") + text("/words.js")
        )
    )
    assert used <= words["zh"].keys()
    for name, chinese in words["zh"].items():
        english = words["en"][name]
        assert sorted(re.findall(r"\{\w+\}", chinese)) == sorted(re.findall(r"\{\w+\}", english)), name
        if name not in ("html", "and"):
            assert re.search(r"[\u4e00-\u9fff]", chinese), name
            assert not re.search(r"[\u4e00-\u9fff]", english), name


def test_the_documents_have_every_picture() -> None:
    made = {f"status-{scene}-{lang}.png" for scene in SCENES for lang in ("zh", "en")}
    assert {path.name for path in FOLDER.glob("status-*.png")} == made, "run `make screenshots`"
    assert all((FOLDER / name).stat().st_size < 60_000 for name in made)
