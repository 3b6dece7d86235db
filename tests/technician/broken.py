"""A window that is broken in one way, and a person who does what the screen says, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from edge.messages import Lang
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest
from tests.technician.screen import Screen, Shown, selftest

W = TypeVar("W", bound=WindowUnderTest)
AGAIN_S = 30.0
TIMES = 3
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Case:
    """One way in which a window is broken, what the self-test calls it, and where."""

    name: str
    code: str
    place: str


@dataclass(frozen=True)
class Broken(Case, Generic[W]):
    """A case, and how to bring it about."""

    breaks: Callable[[W], object]


@dataclass(frozen=True)
class Reading:
    """The words of an action, in both languages."""

    zh: str
    en: str


@dataclass(frozen=True)
class Deed(Reading, Generic[W]):
    """What a person does who reads an action, with the simulators."""

    does: Callable[[W, re.Match[str]], object]

    def read(self, action: str, lang: Lang) -> re.Match[str] | None:
        return re.fullmatch(self.zh if lang == "zh" else self.en, action)


def named_and_mended(window: W, case: Broken[W], deeds: Sequence[Deed[W]]) -> tuple[str, str]:
    """Break *window*, do what the screen says, and see that it is well again; return code and action (English)."""
    case.breaks(window)
    chinese, english = _told(window, case, "zh"), _told(window, case, "en")
    deed, words = _read(deeds, chinese.actions[0], "zh")
    also, _ = _read(deeds, english.actions[0], "en")
    assert deed is also, f"{case.name}: the two languages say different things"
    deed.does(window, words)
    wait_until(window.connected, AGAIN_S, f"{case.name}: the window is connected")
    is_green(window, case.name)
    return english.code, english.actions[0]


def is_green(window: WindowUnderTest, name: str) -> None:
    """See that the self-test passes, at the third time at the latest: a device may still be starting."""
    screens: list[Screen] = []
    while len(screens) < TIMES:
        screens.append(selftest(window.config_path, "zh"))
        if screens[-1].code == 0:
            break
    screen = screens[-1]
    assert (screen.code, screen.failed) == (0, []), f"{name}:\n{screen.text}"
    assert screen.answer.startswith("可以开窗"), f"{name}:\n{screen.text}"


def _told(window: WindowUnderTest, case: Broken[W], lang: Lang) -> Shown:
    """Return what the screen says of it: at its place, in one language, with one effect and one action."""
    screen = selftest(window.config_path, lang)
    shown = screen.one(case.code)
    assert screen.code == 1, screen.text
    assert shown.place == case.place, screen.text
    assert (len(shown.effects), len(shown.actions)) == (1, 1), screen.text
    assert case.place in screen.answer, screen.text
    for text in (shown.seen, *shown.effects, *shown.actions):
        assert bool(_CHINESE.search(text)) == (lang == "zh"), f"{case.name}: not in {lang}: {text}"
    return shown


def _read(deeds: Sequence[Deed[W]], action: str, lang: Lang) -> tuple[Deed[W], re.Match[str]]:
    """Return the one thing that a person does who reads *action*."""
    found = [(deed, words) for deed in deeds if (words := deed.read(action, lang))]
    assert len(found) == 1, f"nobody knows what to do: {action}"
    return found[0]
