"""Every recording through the real driver: whole, broken at every byte, byte by byte, with noise before frames.

Time is the recording's own, so nothing waits. ``tests/recordings/make.py`` makes the recordings.
"""

from __future__ import annotations

import json
import random
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from edge import logs
from edge.links.replay import read_recording
from edge.registry import Registry
from tests.recordings.make import replayed
from tests.recordings.script import Script, read_script, recordings
from tests.support import canaries

LEAST = 3
SEEDS = range(10)
DAMAGES = range(200)
LONGEST_NOISE = 24
CUT_BYTES = 2500
LONG_S = 300


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


NAMES = [name(path) for path in recordings()]
everyone = pytest.mark.parametrize("path", recordings(), ids=name)


def played(path: Path, recording: Path | None = None, **options: int) -> list[dict[str, Any]]:
    """Return what the driver makes of a recording, as its golden file would say it."""
    return replayed(path, recording or path.with_suffix(".rec"), **options).seen


def golden(path: Path) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", json.loads(path.with_suffix(".golden.json").read_bytes()))


def stream_size(path: Path) -> int:
    return sum(len(step.data) for step in read_recording(path.with_suffix(".rec")) if step.sign == "<")


def events_of(seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for step in seen for event in step.get("events", [])]


def cut(path: Path, size: int) -> Iterator[str]:
    """Yield the lines of a recording in which the device goes away behind its byte number *size*."""
    for line in path.with_suffix(".rec").read_text(encoding="ascii").splitlines():
        data = bytes.fromhex(line[1:]) if line.startswith("<") else b""
        if data and len(data) > size:
            yield f"< {data[:size].hex()}" if size else "= 0"
            yield "! absent"
            return
        size -= len(data)
        yield line


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


def damaged(path: Path, seed: int) -> Iterator[str]:
    """Yield the lines of a recording in which what the device says is damaged here and there."""
    rng = random.Random(seed)
    for line in path.with_suffix(".rec").read_text(encoding="ascii").splitlines():
        data = bytearray.fromhex(line[1:]) if line.startswith("<") else bytearray()
        kind = rng.randrange(8) if data else -1
        if kind == 0:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[rng.randrange(len(data)) :]
        elif kind == 2:
            data[rng.randrange(len(data)) :] = rng.randbytes(rng.randint(1, LONGEST_NOISE))
        elif kind == 3:
            data *= 2
        yield f"< {data.hex()}" if data else "= 0.001" if kind >= 0 else line


def texts_in(value: object) -> Iterator[str]:
    """Yield what a golden file says about persons: the texts of all ``person`` and ``text`` fields."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "text" and isinstance(inner, str):
                yield inner
            elif key == "person":
                yield from (inner[name] for name in ("name", "name_zh", "number", "address") if name in inner)
            else:
                yield from texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)


def replayable() -> list[str]:
    """Return the drivers of byte streams; what a library says instead is recorded otherwise, if at all."""
    registry = Registry()
    return [one for one in registry.names() if any(form.scheme == "replay" for form in registry.load(one).addresses)]


@pytest.mark.parametrize("driver", replayable())
def test_every_driver_has_recordings(driver: str) -> None:
    own = [one for one in NAMES if one.startswith(f"{driver}/")]
    assert len(own) >= LEAST, f"add scripts to tests/recordings/{driver}/ and run python -m tests.recordings.make"


@everyone
def test_a_recording_gives_its_golden_output(path: Path) -> None:
    assert played(path) == golden(path)


@everyone
def test_a_recording_gives_it_byte_by_byte(path: Path) -> None:
    assert played(path, chunk=1) == golden(path)


@pytest.mark.slow
@pytest.mark.timeout(LONG_S)
@everyone
def test_a_recording_gives_it_broken_at_every_byte(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.links.replay.read_recording", cache(read_recording))  # thousands of times the same file
    wanted = golden(path)
    differing = [at for at in range(1, stream_size(path)) if played(path, split=at) != wanted]
    assert not differing


@pytest.mark.slow
@pytest.mark.timeout(LONG_S)
@pytest.mark.parametrize("path", [path for path in recordings() if stream_size(path) <= CUT_BYTES], ids=name)
def test_a_cable_pulled_at_every_byte_publishes_nothing_half(path: Path, tmp_path: Path) -> None:
    recording, whole = tmp_path / "cut.rec", events_of(golden(path))
    for size in range(stream_size(path)):
        recording.write_text("\n".join(cut(path, size)), encoding="ascii")
        seen = played(path, recording)
        events = [event for event in events_of(seen) if event["type"] != "evaluation-pad.interrupted"]
        assert events == whole[: len(events)], size
        assert any("error" in step for step in seen), size


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("path", [path for path in recordings() if read_script(path).frame_head], ids=name)
def test_noise_before_a_frame_costs_no_frame(path: Path, seed: int, tmp_path: Path) -> None:
    recording = tmp_path / "noisy.rec"
    recording.write_text("\n".join(noisy(path, seed)), encoding="ascii")
    assert len(read_recording(recording)) > 1
    assert played(path, recording) == golden(path)


@pytest.mark.parametrize("path", [path for path in recordings() if any(texts_in(golden(path)))], ids=name)
def test_damage_shows_no_person_and_no_error_but_ours(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logs.TRAFFIC, "hall-edge")
    recording, told, harmless, wanted = tmp_path / "damaged.rec", list[tuple[str, bytes]](), 0, golden(path)
    for seed in DAMAGES:
        recording.write_text("\n".join(damaged(path, seed)), encoding="ascii")
        play = replayed(path, recording)  # any error but a device's fails here
        told.append(("an error", "".join(traceback.format_exception(play.raised)).encode()))
        harmless += play.seen == wanted
    told += [("the log", repr(vars(record)).encode()) for record in caplog.records]
    assert not canaries.found(texts_in(wanted), told)
    assert harmless < len(DAMAGES) / 2, "nothing was damaged enough"


def test_noise_is_put_where_frames_begin() -> None:
    path = next(path for path in recordings() if path.stem == "aa55_xor")
    frames = [step.data for step in read_recording(path.with_suffix(".rec")) if step.sign == "<"]
    longer = [bytes.fromhex(line[1:]) for line in noisy(path, 1) if line.startswith("<")]
    assert all(long.endswith(frame) and long != frame for long, frame in zip(longer, frames, strict=True))
