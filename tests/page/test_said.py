"""What the page puts on top, and that it says it in both languages."""

from __future__ import annotations

from typing import Any

import pytest

from edge.messages import remedy, sentence
from edge.messages.states import KINDS, STATES, WHO, word
from edge.page.said import gravest_of, said_in
from tests.page.rig import snapshot

ABSENT = {"state": "absent", "reason": "/dev/hall-edge/pad is not there", "code": "SER-101", "action": "plug it in"}
FLAPPING = {"state": "ready", "reason": "it went away 4 times", "code": "DEV-109", "action": "check its cable"}
CLOCK = {"code": "SYS-145", "message": "the clock is not kept by a time service", "action": "a", "level": "notice"}
BROKER = {"code": "SYS-140", "message": "not connected to the broker yet", "action": "wait a few seconds"}
FULL = {"code": "STO-120", "message": "there is no room for events: the disk is full", "action": "free disk space"}


def window(problems: tuple[dict[str, Any], ...] = (), *, accepting: bool = True, **devices: Any) -> dict[str, Any]:
    shown = snapshot()
    shown["health"]["problems"] = list(problems)
    if not accepting:
        shown["health"]["disk"]["accepting"] = False
    for name, state in devices.items():
        shown["devices"][name.replace("_", "-")] |= state
    return shown


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        (window(), None),
        (window((CLOCK,)), "SYS-145"),
        (window((CLOCK,), cam_1=FLAPPING), "DEV-109"),
        (window((CLOCK, BROKER), cam_1=FLAPPING), "SYS-140"),
        (window((BROKER, CLOCK), pad_1=ABSENT, cam_1=FLAPPING), "SER-101"),
        (window((FULL, CLOCK), pad_1=ABSENT, accepting=False), "STO-120"),
        (window(pad_1={"state": "starting", "reason": "waiting for the first sign of life"}), None),
    ],
)
def test_the_gravest_thing_is_on_top(shown: dict[str, Any], code: str | None) -> None:
    found = gravest_of(shown)
    assert (found and found.code) == code


def test_each_sentence_is_the_catalogues() -> None:
    said = said_in("zh", window((BROKER,), pad_1=ABSENT))
    top, pad = said["headline"], said["devices"]["pad-1"]
    assert (top["code"], top["device"], top["who"], top["level"]) == ("SER-101", "pad-1", "现场技术员", "attention")
    assert (pad["kind"], pad["state"], pad["seen"]) == ("评价器", "未连接", sentence("SER-101", ABSENT["reason"], "zh"))
    assert (top["seen"], top["action"]) == (pad["seen"], pad["action"])
    (broker,) = said["problems"]
    assert broker["seen"] == sentence("SYS-140", BROKER["message"], "zh")
    assert broker["action"] == remedy("SYS-140", BROKER["action"], "zh")
    assert not (broker["seen"] + broker["effect"] + top["effect"]).isascii()


def test_a_code_that_nobody_knows_keeps_its_own_words() -> None:
    vendor = {"state": "fault", "reason": "<b>lamp</b>", "code": "ACM-101", "action": "turn it"}
    said = said_in("zh", window(pad_1=vendor))
    top = said["headline"]
    assert (top["seen"], top["action"], top["effect"], top["who"]) == ("<b>lamp</b>", "turn it", "", "")


@pytest.mark.parametrize("words", [STATES, KINDS, WHO])
def test_words_are_there_in_both_languages(words: dict[str, tuple[str, str]]) -> None:
    for chinese, english in words.values():
        assert not chinese.isascii()
        assert english.isascii()
    assert word(words, "unheard-of", "zh") == "unheard-of"
