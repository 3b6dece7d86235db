"""Every recording through the real driver: whole, broken at every byte, byte by byte, with noise before frames.

Time is the recording's own, so nothing waits. ``tests/recordings/make.py`` makes the recordings.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from edge.links.replay import read_recording
from edge.registry import Registry
from tests.recordings.make import replay
from tests.recordings.script import Script, read_script, recordings

LEAST = 3
SEEDS = range(10)
LONGEST_NOISE = 24
NAMES = [f"{path.parent.name}/{path.stem}" for path in recordings()]
everyone = pytest.mark.parametrize("path", recordings(), ids=NAMES)


def played(path: Path, recording: Path | None = None, **options: int) -> list[dict[str, Any]]:
    """Return what the driver makes of a recording, as its golden file would say it."""
    return replay(path, recording or path.with_suffix(".rec"), **options)


def golden(path: Path) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", json.loads(path.with_suffix(".golden.json").read_bytes()))


def stream_size(path: Path) -> int:
    return sum(len(step.data) for step in read_recording(path.with_suffix(".rec")) if step.sign == "<")


def noise_of(script: Script, seed: int) -> Iterator[bytes]:
    """Yield bytes that a bad line could put before a frame."""
    rng = random.Random(seed)
    alphabet = [byte for byte in range(256) if byte not in bytes.fromhex(script.noise_without)]
    while True:
        yield bytes(rng.choices(alphabet, k=rng.randint(1, LONGEST_NOISE)))


def noisy(path: Path, seed: int) -> Iterator[str]:
    """Yield the lines of a recording with noise before every frame of the device."""
    script = read_script(path)
    noise, head = noise_of(script, seed), bytes.fromhex(script.frame_head)
    for line in path.with_suffix(".rec").read_text(encoding="ascii").splitlines():
        is_frame = line.startswith("<") and bytes.fromhex(line[1:]).startswith(head)
        yield f"< {next(noise).hex()} {line[1:]}" if is_frame else line


@pytest.mark.parametrize("driver", Registry().names())
def test_every_driver_has_recordings(driver: str) -> None:
    own = [name for name in NAMES if name.startswith(f"{driver}/")]
    assert len(own) >= LEAST, f"add scripts to tests/recordings/{driver}/ and run python -m tests.recordings.make"


@everyone
def test_a_recording_gives_its_golden_output(path: Path) -> None:
    assert played(path) == golden(path)


@everyone
def test_a_recording_gives_it_byte_by_byte(path: Path) -> None:
    assert played(path, chunk=1) == golden(path)


@pytest.mark.slow
@everyone
def test_a_recording_gives_it_broken_at_every_byte(path: Path) -> None:
    wanted = golden(path)
    differing = [at for at in range(1, stream_size(path)) if played(path, split=at) != wanted]
    assert not differing


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("path", [path for path in recordings() if read_script(path).frame_head])
def test_noise_before_a_frame_costs_no_frame(path: Path, seed: int, tmp_path: Path) -> None:
    recording = tmp_path / "noisy.rec"
    recording.write_text("\n".join(noisy(path, seed)), encoding="ascii")
    assert len(read_recording(recording)) > 1
    assert played(path, recording) == golden(path)


def test_noise_is_put_where_frames_begin() -> None:
    path = next(path for path in recordings() if path.stem == "aa55_xor")
    frames = [step.data for step in read_recording(path.with_suffix(".rec")) if step.sign == "<"]
    longer = [bytes.fromhex(line[1:]) for line in noisy(path, 1) if line.startswith("<")]
    assert all(long.endswith(frame) and long != frame for long, frame in zip(longer, frames, strict=True))
