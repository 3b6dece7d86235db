"""The link that replays a recording: its format, its clock, and that nothing else than what was recorded passes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from edge.errors import DeviceAbsent, DeviceAccess, DeviceError, DeviceLost, DeviceProtocol
from edge.links.address import parse_address
from edge.links.replay import CODES, ReplayLink, open_replay, read_recording
from edge.port import DevicePort

TALK = """
> 01 02
= 0.25
< AA BB CC      # an answer
= 0.5
< DD
> 03
< EE FF
"""
ENDLESS_S = 30.0


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return written(tmp_path, TALK)


def written(folder: Path, text: str, head: str = "# hall-edge recording 1 test\n") -> Path:
    path = folder / "test.rec"
    path.write_text(head + text, encoding="utf-8")
    return path


def link(path: Path, **options: str) -> ReplayLink:
    return open_replay(str(path), options)


def test_what_was_said_is_said_again_at_its_time(recording: Path) -> None:
    replay = link(recording)
    replay.write(b"\x01\x02")
    assert replay.read(0.1) == b""
    assert replay.monotonic() == 0.1
    assert replay.read(1.0) == b"\xaa\xbb\xcc"
    assert replay.monotonic() == 0.25
    assert replay.idle(2.0)
    assert replay.monotonic() == 0.75
    assert replay.read(0) == b"\xdd"
    replay.write(b"\x03")
    assert replay.read(1.0) == b"\xee\xff"
    assert replay.monotonic() == 0.75
    assert replay.complete


def test_a_recorded_wait_takes_no_time(tmp_path: Path) -> None:
    replay = link(written(tmp_path, "= 86400\n< 01\n"))
    began = time.monotonic()
    assert replay.read(100_000.0) == b"\x01"
    assert time.monotonic() - began < 5
    assert replay.monotonic() == 86400


def test_what_comes_at_the_end_of_a_wait_comes_after_it(tmp_path: Path) -> None:
    replay = link(written(tmp_path, "= 0.5\n< 01\n"))
    assert replay.read(0.5) == b""
    assert replay.read(0) == b"\x01"
    assert replay.monotonic() == 0.5


def test_a_wait_that_is_not_over_goes_on(tmp_path: Path) -> None:
    replay = link(written(tmp_path, "= 1\n< 01\n"))
    assert replay.read(1e-9) == b""
    assert replay.monotonic() > 0


@pytest.mark.parametrize("text", ["< 01\n", "< 01\n! absent\n< 02\n"])
def test_the_device_is_gone_at_the_end(tmp_path: Path, text: str) -> None:
    replay = link(written(tmp_path, text))
    assert replay.read(1.0) == b"\x01"
    for call in (lambda: replay.read(0), lambda: replay.idle(1.0), replay.discard, lambda: replay.write(b"1")):
        with pytest.raises(DeviceLost, match="REP-105"):
            call()


def test_a_write_moves_on_to_what_it_answers_to(recording: Path) -> None:
    replay = link(recording)
    replay.write(b"\x01\x02")
    replay.write(b"\x03")
    assert replay.monotonic() == 0.75
    assert replay.read(0) == b"\xaa\xbb\xcc\xdd"
    assert replay.read(0) == b"\xee\xff"
    assert replay.complete


def test_a_write_may_come_in_pieces_or_with_its_neighbour(tmp_path: Path) -> None:
    pieces = link(written(tmp_path, "> 01 02 03\n< 04\n"))
    pieces.write(b"\x01")
    pieces.write(b"\x02\x03")
    assert pieces.read(0) == b"\x04"
    together = link(written(tmp_path, "> 01\n> 02\n< 04\n"))
    together.write(b"\x01\x02")
    assert together.read(0) == b"\x04"
    assert pieces.complete
    assert together.complete


@pytest.mark.parametrize("said", [b"\x01\x03", b"\x02", b"\x01\x02\x03", b"\x01\x02\xaa"])
def test_another_write_is_refused_from_then_on(recording: Path, said: bytes) -> None:
    replay = link(recording)
    with pytest.raises(DeviceProtocol, match=r"REP-107: .*, line \d "):
        replay.write(said)
    with pytest.raises(DeviceProtocol, match="REP-107"):
        replay.read(1.0)
    with pytest.raises(DeviceProtocol, match="REP-107"):
        replay.write(b"\x01\x02")
    assert not replay.complete


def test_what_is_left_over_shows(recording: Path) -> None:
    replay = link(recording)
    assert not replay.complete
    replay.write(b"\x01")
    assert not replay.complete
    replay.write(b"\x02")
    replay.read(1.0)
    replay.write(b"\x03")
    assert not replay.complete
    assert [replay.read(0), replay.read(0)] == [b"\xdd", b"\xee\xff"]
    assert replay.complete


def test_chunk_limits_every_read(recording: Path) -> None:
    replay = link(recording, chunk="2")
    replay.write(b"\x01\x02")
    assert [replay.read(1.0) for _ in range(3)] == [b"\xaa\xbb", b"\xcc", b"\xdd"]


def test_split_lets_a_look_find_nothing_once(recording: Path) -> None:
    replay = link(recording, split="2")
    replay.write(b"\x01\x02")
    assert replay.read(1.0) == b"\xaa\xbb"
    assert replay.read(0) == b""
    assert replay.read(0) == b"\xcc"
    assert replay.monotonic() == 0.25


@pytest.mark.parametrize("split", ["0", "3", "4", "6", "99"])
def test_a_split_between_two_reads_changes_nothing(recording: Path, split: str) -> None:
    replay = link(recording, split=split)
    replay.write(b"\x01\x02")
    assert replay.read(1.0) == b"\xaa\xbb\xcc"
    assert replay.read(1.0) == b"\xdd"


def test_discard_drops_what_is_there_and_not_what_comes(tmp_path: Path) -> None:
    replay = link(written(tmp_path, "< 01 02\n< 03\n= 0.1\n< 04\n"))
    assert replay.idle(1.0)
    replay.discard()
    assert replay.read(1.0) == b"\x04"


def test_a_wake_ends_this_idle_or_the_next(tmp_path: Path) -> None:
    replay = link(written(tmp_path, "= 1\n< 01\n= 1\n> 02\n"))
    replay.wake()
    assert not replay.idle(5.0)
    assert replay.monotonic() == 0
    assert replay.idle(5.0)
    assert replay.monotonic() == 1
    replay.wake()
    assert replay.idle(5.0)


def test_a_driver_that_waits_for_a_command_does_not_spin(tmp_path: Path) -> None:
    replay = link(written(tmp_path, "= 1\n> 01\n< 02\n"))
    woken = threading.Timer(0.02, replay.wake)
    began = time.monotonic()
    woken.start()
    assert not replay.idle(ENDLESS_S)
    woken.join()
    assert 0.01 < time.monotonic() - began < ENDLESS_S / 2
    replay.write(b"\x01")
    assert replay.idle(1.0)


def test_it_goes_on_when_its_command_begins(tmp_path: Path) -> None:
    replay = link(written(tmp_path, '= 1\n$ read {"a": 1}\n= 2\n< 01\n$ read {}\n> 02\n'))
    waits: list[int] = []

    def told(number: int) -> None:
        waits.append(number)
        replay.wake()

    replay.on_wait = told
    assert not replay.idle(5.0)
    assert (waits, replay.monotonic()) == ([1], 1)
    replay.commanded()
    assert replay.read(5.0) == b"\x01"
    assert replay.monotonic() == 3
    assert not replay.idle(5.0)
    assert waits == [1, 2]
    replay.commanded()
    replay.write(b"\x02")
    assert replay.complete


def test_a_command_that_comes_early_skips_what_is_only_time(tmp_path: Path) -> None:
    replay = link(written(tmp_path, "= 9\n$ read {}\n< 01\n"))
    replay.commanded()
    assert replay.read(0) == b"\x01"
    assert replay.monotonic() == 9


def test_a_driver_whose_command_never_comes_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.links.replay._PATIENCE_S", 0.01)
    replay = link(written(tmp_path, "$ read {}\n> 02\n"))
    assert not replay.idle(5.0)
    assert replay.monotonic() == 5
    replay.write(b"\x02")
    assert replay.complete


def test_it_is_played_once_in_a_process(recording: Path) -> None:
    port = DevicePort("test", parse_address(f"replay://{recording}?once=1"))
    port.open()
    with pytest.raises(DeviceAbsent, match="REP-108"):
        port.open()


def test_a_closed_link_says_so(recording: Path) -> None:
    replay = link(recording)
    replay.close()
    replay.close()
    for call in (lambda: replay.read(0), lambda: replay.idle(0), lambda: replay.write(b"\x01\x02")):
        with pytest.raises(DeviceLost, match="REP-105"):
            call()


@pytest.mark.parametrize(
    "line", ["< 0", "< xy", "<", ">", "= ", "= -1", "= nan", "= inf", "= 1e300", "= 1 2", "? 01", "hello", "<01"]
)
def test_what_is_no_step_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(DeviceProtocol, match=r"REP-106: .*test\.rec:3 "):
        read_recording(written(tmp_path, f"< 01\n{line}\n"))


@pytest.mark.parametrize("text", ["", "< 01\n", "#!/bin/sh\n", "# hall-edge recording 2 test\n"])
def test_what_is_no_recording_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DeviceProtocol, match="REP-106"):
        read_recording(written(tmp_path, text, head=""))


def test_a_file_that_cannot_be_read_is_sorted_by_what_happens_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeviceAbsent, match="REP-101"):
        read_recording(tmp_path / "absent.rec")
    with pytest.raises(DeviceProtocol, match="REP-106"):
        read_recording(tmp_path)
    with pytest.raises(DeviceProtocol, match="REP-106"):
        read_recording(written(tmp_path, "< 01 # 错\n"))
    monkeypatch.setattr(Path, "read_text", _denied)
    with pytest.raises(DeviceAccess, match="REP-102"):
        read_recording(tmp_path / "test.rec")


def _denied(*_: object, **__: object) -> str:
    raise PermissionError(13, "Permission denied")


def test_every_error_has_a_listed_code(tmp_path: Path) -> None:
    replay = link(written(tmp_path, "> 01\n"))
    with pytest.raises(DeviceError) as caught:
        replay.write(b"\x02")
    assert caught.value.code in CODES
    assert caught.value.action


def test_the_tap_sees_what_passes(recording: Path) -> None:
    seen: list[tuple[str, bytes]] = []
    replay = open_replay(str(recording), {"chunk": "2"}, lambda sign, data: seen.append((sign, data)))
    replay.write(b"\x01\x02")
    replay.read(1.0)
    assert seen == [(">", b"\x01\x02"), ("<", b"\xaa\xbb")]


def test_a_port_opens_it_and_takes_over_its_clock(recording: Path) -> None:
    port = DevicePort("test", parse_address(f"replay://{recording}?split=1"))
    opened = port.open()
    opened.write(b"\x01\x02")
    opened.read(1.0)
    assert port.simulated
    assert port.monotonic() == 0.25
    opened.set_baud(9600)
