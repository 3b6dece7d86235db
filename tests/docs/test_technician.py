"""docs/technician.md and technician.en.md: one manual in two languages, and all that it says is so."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest

from edge.cli import whole_parser
from edge.messages import Lang, catalogue
from edge.messages.states import STATES, WHO
from edge.tools.selftest import command
from edge.tools.selftest.words import WORDS
from tests.docs import screens
from tests.docs.blocks import blocks
from tests.docs.screens import MANUALS
from tests.support.project import ROOT
from tests.technician import desk, hall
from tests.technician.broken import Case

TEXTS = {lang: (ROOT / manual).read_text(encoding="utf-8") for lang, manual in MANUALS.items()}
ZH, EN = TEXTS["zh"], TEXTS["en"]
CODE = r"`([A-Z]{3}-\d{3})`"
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
EXITS = {"USABLE", "FAILED", "USAGE", "UNREACHABLE", "DENIED", "INVALID", "LATE", "BUSY", "INTERRUPTED"}


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the table's rows of the section *heading*, each as its cells."""
    section = text.partition(f"# {heading}\n")[2].partition("\n#")[0]
    table = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert table, heading
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def commands(lang: Lang) -> list[list[str]]:
    """Return the words of every command in the manual."""
    lines = "".join(blocks(MANUALS[lang], "sh")).splitlines()
    return [shlex.split(line, comments=True) for line in lines]


def anchors(text: str) -> list[str]:
    """Return the name of every heading, as links have it."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def shape(text: str) -> list[str]:
    """Return what has to be the same in every language: headings, tables, blocks, codes, pictures, in order."""
    links, ours = r"\(([\w/.-]+?)(?:-zh|-en)?\.(?:md|png)\)", r"`((?:sudo )?hall-edge [^`]*)`"
    kept = rf"^(#+) |^```(.*)$|^(\|)|{CODE}|{links}|{ours}"
    found = re.finditer(kept, text, re.MULTILINE)
    return ["".join(group or "" for group in match.groups()) for match in found if "technician" not in match[0]]


def test_both_languages_have_the_same_structure() -> None:
    assert shape(ZH) == shape(EN)
    assert commands("zh") == commands("en")


@pytest.mark.parametrize("lang", MANUALS)
def test_its_links_lead_somewhere(lang: Lang) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", TEXTS[lang])
    assert len(links) > 20
    for link in links:
        file, _, anchor = link.partition("#")
        assert (ROOT / "docs" / file).exists(), link
        if anchor and not file:
            assert anchor in anchors(TEXTS[lang]), link
    assert anchors((ROOT / "docs/administrator.md").read_text(encoding="utf-8")).count("tls") == 1


@pytest.mark.parametrize("lang", MANUALS)
def test_every_code_in_it_exists(lang: Lang) -> None:
    found = re.findall(r"[A-Z]{3}-\d{3}", TEXTS[lang])
    assert not [code for code in found if code not in catalogue(foreign=False)]


def test_every_command_of_ours_can_be_typed() -> None:
    parser = whole_parser()
    typed = [words[words.index("hall-edge") + 1 :] for words in commands("zh") if "hall-edge" in words[:2]]
    assert len(typed) > 15
    for words in typed:
        try:
            parser.parse_args(words)
        except (SystemExit, argparse.ArgumentError) as error:
            raise AssertionError(f"hall-edge {shlex.join(words)}: {error}") from None


@pytest.mark.parametrize(("lang", "heading"), [("zh", "退出码"), ("en", "Exit codes")])
def test_the_exit_codes_are_all_told(lang: Lang, heading: str) -> None:
    assert [int(row[0]) for row in rows(TEXTS[lang], heading)] == sorted(getattr(command, name) for name in EXITS)


@pytest.mark.parametrize(("lang", "heading", "at"), [("zh", "设备状态", 0), ("en", "States of a device", 1)])
def test_the_states_are_all_told_by_their_words(lang: Lang, heading: str, at: int) -> None:
    told = {row[0].strip("`"): row[1] for row in rows(TEXTS[lang], heading)}
    assert told == {state: words[at] for state, words in STATES.items()}


@pytest.mark.parametrize(("lang", "at"), [("zh", 0), ("en", 1)])
def test_the_answers_and_who_mends_are_told_by_their_words(lang: Lang, at: int) -> None:
    for answer in ("usable", "partial", "closed"):
        assert f"| `{WORDS[lang][answer]}` |" in TEXTS[lang]
        assert f"`{WORDS[lang][f'devices-{answer}']}`" in TEXTS[lang]
    assert not [words[at] for words in WHO.values() if f"**{words[at]}**" not in TEXTS[lang]]


@pytest.mark.parametrize(("lang", "heading"), [("zh", "十种常见故障"), ("en", "Ten broken windows")])
def test_the_ten_are_those_that_are_tested(lang: Lang, heading: str) -> None:
    cases: list[Case] = [*desk.BROKEN, *hall.BROKEN]
    assert [re.findall(CODE, row[1])[0] for row in rows(TEXTS[lang], heading)] == [case.code for case in cases]
    for row, case in zip(rows(TEXTS[lang], heading)[6:], hall.BROKEN, strict=True):
        assert f"`{case.place}`" in row[1]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_its_screens_are_what_is_shown() -> None:
    made = screens.screens()
    for (name, lang), screen in made.items():
        assert screens.written(MANUALS[lang], name) == screen, "python -m tests.docs.screens; does the text still fit?"
    there = {name for text in TEXTS.values() for name in re.findall(r"^```text screen=(\S+)$", text, re.MULTILINE)}
    assert there == {name for name, _ in made}
