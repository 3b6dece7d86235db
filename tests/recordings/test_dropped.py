"""A recording of ``hall-edge record`` with its golden output, dropped into a driver's folder here, is a test.

It has no script (``.toml``): it is played to the whole, unmodified daemon, all of them in one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.tools.record.check import personal_in
from edge.tools.replay.command import golden_is_right, golden_path
from edge.tools.replay.play import Played, play
from edge.tools.replay.read import read
from edge.tools.stage import Stage
from tests.recordings.script import FOLDER

LIMIT_S = 60.0
DROPPED = sorted(path for path in FOLDER.glob("*/*.rec") if not path.with_suffix(".toml").exists())
everyone = pytest.mark.parametrize("path", DROPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, dict[str, Any]]]:
    """What the daemon makes of every recording."""
    recordings = [read(path) for path in DROPPED]
    with Stage(tmp_path_factory.mktemp("p")) as stage:
        yield {
            one.recording.path: one.golden()
            for one in asyncio.run(play(recordings, stage, url=None, packages=(), limit_s=LIMIT_S))
        }


def test_there_are_some() -> None:
    assert len(DROPPED) >= 3


@everyone
def test_it_gives_its_golden_output(path: Path, played: dict[Path, dict[str, Any]]) -> None:
    golden = json.loads(golden_path(path).read_bytes())
    assert golden["events"]
    assert played[path] == golden


@everyone
def test_it_says_whose_it_is_and_nothing_of_anybody(path: Path) -> None:
    assert read(path).driver == path.parent.name
    assert not personal_in(path.read_bytes())


def test_what_is_not_as_the_golden_output_says_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = read(FOLDER / "pad_serial" / "recorded_session.rec")
    once = Played(replace(recording, path=tmp_path / "a.rec"), "REP-105")
    assert golden_is_right(once, "en")
    assert golden_is_right(once, "en")
    assert not golden_is_right(Played(once.recording, "PAD-101"), "en")
    assert '+ "end": "PAD-101",' in capsys.readouterr().err
    assert '"REP-105"' in golden_path(once.recording.path).read_text(encoding="utf-8")
