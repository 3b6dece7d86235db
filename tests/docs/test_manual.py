"""The manual pages and the completion: up to date, free of warnings, and complete."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from edge import cli
from edge.tools.columns import width
from edge.tools.files import DEFAULT_CONFIG
from edge.tools.manual import chinese, config_texts, texts
from edge.tools.manual.__main__ import documents
from edge.tools.manual.config_page import tables
from edge.tools.manual.verb_page import verbs_of
from tests.support.project import ROOT

ENVIRON = {"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "TERM": "dumb"}
CONFIG = """\
[window]
name = "not-a-device"
[[device]]
name = "gun-1"
driver = "code_serial"
[[device]]
name = "pad-1"
[[subscriber]]
name = "case-system"
"""


@cache
def generated() -> Mapping[str, str]:
    return dict(documents())


def test_what_is_committed_is_what_would_be_generated() -> None:
    wrong = [
        name
        for name, text in generated().items()
        if not (ROOT / "docs" / name).exists() or (ROOT / "docs" / name).read_text(encoding="utf-8") != text
    ]
    assert not wrong, "run `make manual`"
    there = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs/man").iterdir()}
    assert there == {name for name in generated() if name.startswith("man/")}


def test_it_is_the_same_on_every_pc() -> None:
    environ = {**os.environ, "LC_ALL": "zh_CN.UTF-8", "COLUMNS": "40", "RUNTIME_DIRECTORY": "/elsewhere"}
    code = "import json; from edge.tools.manual.__main__ import documents; print(json.dumps(dict(documents())))"
    command = [sys.executable, "-c", code]
    elsewhere = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=environ).stdout
    assert json.loads(elsewhere) == generated()


def test_every_verb_has_a_page() -> None:
    verbs = verbs_of(cli.whole_parser())
    assert len(verbs) > 12
    for verb, command in verbs.items():
        page = generated()[f"man/hall-edge-{verb}.1"]
        for action in command._actions:  # noqa: SLF001
            for flag in action.option_strings:
                assert flag.replace("-", "\\-") in page, (verb, flag)
    assert not (texts.PAGES.keys() | texts.EXITS.keys() | texts.EXAMPLES.keys()) - verbs.keys() - {"*"}
    for verb in chinese.PAGES:
        dests = {action.dest for action in verbs[verb]._actions}  # noqa: SLF001
        assert not chinese.PAGES[verb]["options"].keys() - dests
        assert chinese.EXITS.get(verb, {}).keys() == texts.EXITS.get(verb, {}).keys()


def test_every_key_of_the_configuration_is_explained() -> None:
    known = {f"{table}.{key}" for table, keys in tables().items() for key in keys}
    assert known == config_texts.KEYS.keys()
    assert tables().keys() == config_texts.TABLES.keys()


@pytest.mark.slow
def test_man_shows_every_page_without_a_warning(tmp_path: Path) -> None:
    man = shutil.which("man")
    assert man, "man-db is missing; see setup.sh"
    for name, text in generated().items():
        if not name.startswith("man/"):
            continue
        file = tmp_path / Path(name).name
        file.write_text(text, encoding="utf-8")
        shown = subprocess.run(
            [man, "--warnings", "-E", "UTF-8", "-l", str(file)],
            capture_output=True, text=True, check=True, env={**os.environ, **ENVIRON}, timeout=20,
        )  # fmt: skip
        assert not shown.stderr, name
        assert len(shown.stdout.splitlines()) > 20
        for line in shown.stdout.splitlines():
            assert width(line) <= 80, (name, line)


def completed(tmp_path: Path, *words: str) -> list[str]:
    """Return what bash offers for the last of *words*."""
    config, script = tmp_path / "hall-edge.toml", tmp_path / "completion.bash"
    config.write_text(CONFIG, encoding="utf-8")
    script.write_text(generated()["completion/hall-edge.bash"].replace(DEFAULT_CONFIG, str(config)), encoding="utf-8")
    ask = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
    ask += 'function=$(complete -p hall-edge | sed "s/.*-F \\([^ ]*\\).*/\\1/"); '
    ask += '"$function" hall-edge "${COMP_WORDS[COMP_CWORD]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    command = ["bash", "--norc", "-c", ask, "bash", str(script), "hall-edge", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.split()


def test_bash_completes_verbs_options_and_devices(tmp_path: Path) -> None:
    assert {"selftest", "seal"} <= set(completed(tmp_path, "se"))
    assert completed(tmp_path, "selftest", "--lev") == ["--level"]
    assert set(completed(tmp_path, "selftest", "--level", "")) >= {"internal", "external", "interactive"}
    assert completed(tmp_path, "selftest", "") == ["gun-1", "pad-1"]
    assert completed(tmp_path, "selftest", "p") == ["pad-1"]
