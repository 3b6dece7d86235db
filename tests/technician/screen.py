"""What ``hall-edge selftest`` shows a technician, read as a person reads it: by its words, in Chinese or English."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edge.messages import Lang
from tests.support.project import ROOT

LIMIT_S = 60.0
TRIES, SLOW = 4, "DEV-121"
"""A machine that is busy with other tests may be too slow for a camera's checks: then test again, as that code says."""
_CHECK = re.compile(
    r"\[(?P<tag> OK |WARN|FAIL|SKIP)\]  (?P<code>[A-Z]{3}-\d{3}) +[\d.]+s  (?P<place>\S+) +(?P<seen>.*)"
)
_REMARK = re.compile(r" {8}(影响：|处理：|详情：|effect: |action: |details: )(.*)")
_REMARKS = {"zh": ("影响：", "处理：", "详情："), "en": ("effect: ", "action: ", "details: ")}


class Shown(NamedTuple):
    """One check on the screen."""

    tag: str
    code: str
    place: str
    seen: str
    effects: tuple[str, ...]
    actions: tuple[str, ...]


class Screen(NamedTuple):
    """All of it: its checks, its last line, and the exit code."""

    text: str
    checks: tuple[Shown, ...]
    answer: str
    code: int

    @property
    def failed(self) -> list[Shown]:
        return [one for one in self.checks if one.tag == "FAIL"]

    def one(self, code: str) -> Shown:
        """Return the failed check with *code*, which there has to be."""
        found = [one for one in self.failed if one.code == code]
        assert len(found) == 1, f"{code} is not named once:\n{self.text}"
        return found[0]


def selftest(config: Path, lang: Lang, more: Sequence[str] = ()) -> Screen:
    """Run the command as a technician does, but for the place of the configuration."""
    command = [sys.executable, "-m", "edge", "selftest", "--config", str(config), "--lang", lang, *more]
    screen = _shown(command, lang)
    for _ in range(TRIES):
        if all(one.code != SLOW for one in screen.checks):
            break
        screen = _shown(command, lang)
    return screen


def _shown(command: Sequence[str], lang: Lang) -> Screen:
    """Run *command* with a screen of any width."""
    env = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=ROOT, env=env)
    assert done.returncode in (0, 1, 5), f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return Screen(done.stdout, tuple(_checks(done.stdout, lang)), done.stdout.splitlines()[-1], done.returncode)


def _checks(text: str, lang: Lang) -> list[Shown]:
    shown: list[tuple[re.Match[str], dict[str, list[str]]]] = []
    for line in text.splitlines():
        if match := _CHECK.fullmatch(line):
            shown.append((match, {label: [] for label in _REMARKS[lang]}))
        elif match := _REMARK.fullmatch(line):
            shown[-1][1][match[1]].append(match[2])  # a label of the other language is a mistake
    effect, action, _ = _REMARKS[lang]
    return [
        Shown(match["tag"], match["code"], match["place"], match["seen"], tuple(said[effect]), tuple(said[action]))
        for match, said in shown
    ]
