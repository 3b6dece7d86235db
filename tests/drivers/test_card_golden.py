"""Recorded cards: the same commands, the same event, for ever; and nothing of a card that was torn out."""

from __future__ import annotations

import pytest

from drivers._card_status import CardProblem
from tests.drivers.apdu_recording import FOLDER, SCRIPTS, Recording, golden, path, recorded, replayed


def recording(name: str) -> Recording:
    return Recording.parsed(path(name, ".apdus").read_text(encoding="ascii"))


everyone = pytest.mark.parametrize("name", SCRIPTS)


def test_no_recording_is_forgotten() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {
        f"{name}{end}" for name in SCRIPTS for end in (".apdus", ".golden.json")
    }


@everyone
def test_a_recorded_card_is_read_as_ever(name: str) -> None:
    assert golden(replayed(recording(name))) == path(name, ".golden.json").read_text(encoding="utf-8")


@everyone
def test_the_simulated_card_still_answers_so(name: str) -> None:
    """Made anew, a recording is the same: ``python -m tests.drivers.apdu_recording`` after a change that is meant."""
    made, event = recorded(name)
    assert made.written() == path(name, ".apdus").read_text(encoding="ascii")
    assert golden(event) == path(name, ".golden.json").read_text(encoding="utf-8")


@everyone
def test_a_card_that_is_torn_out_between_two_commands_gives_nothing(name: str) -> None:
    whole = recording(name)
    for step in range(len(whole.steps)):
        with pytest.raises(CardProblem, match="removed"):
            replayed(whole, torn_at=step)
