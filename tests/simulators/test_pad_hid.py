"""The simulated HID pad: its messages byte for byte, and what a person can do to it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulators.bench import Bench
from simulators.words import ScenarioError
from tests.support.wait import wait_until

EVENT = struct.Struct("@llHHi")
REQUEST = bytes.fromhex("01500A0000000000")


@contextmanager
def host(bench: Bench, timeout_s: float = 2.0) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
        one.settimeout(timeout_s)
        one.connect(str(bench.path("pad-1")))
        yield one


@pytest.fixture
def keypad(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        bench.add("pad-1", "pad_hid")
        yield bench


@pytest.fixture
def reports(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as bench:
        bench.add("pad-1", "pad_hid", kind="reports")
        yield bench


def strokes(message: bytes) -> list[tuple[int, int]]:
    """Return code and value of the key events in *message*; every one is followed by the end of its group."""
    events = [event[2:] for event in EVENT.iter_unpack(message)]
    assert all(event == (0, 0, 0) for event in events[1::2])
    assert all(kind == 1 for kind, _, _ in events[::2])
    return [(code, value) for _, code, value in events[::2]]


@pytest.mark.parametrize(("key", "code"), [("5", 6), ("1", 2), ("decline", 11)])
def test_a_press_is_typed(keypad: Bench, key: str, code: int) -> None:
    with host(keypad) as one:
        keypad.do(f"pad-1 press {key}")
        assert strokes(one.recv(4096)) == [(code, 1), (code, 0)]


def test_enter_behind_it(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        bench.add("pad-1", "pad_hid", enter=True)
        with host(bench) as one:
            bench.do("pad-1 press 3")
            assert strokes(one.recv(4096)) == [(4, 1), (4, 0), (28, 1), (28, 0)]


def test_a_key_that_is_held_repeats(keypad: Bench) -> None:
    with host(keypad) as one:
        keypad.do("pad-1 hold 2 0.1")
        messages = [one.recv(4096) for _ in range(5)]
    assert [value for message in messages for _, value in strokes(message)] == [1, 2, 2, 2, 0]


def test_a_pad_with_reports_is_asked_first(reports: Bench) -> None:
    with host(reports) as one:
        reports.do("pad-1 press 5")
        assert reports.counters("pad-1")["ignored_presses"] == 1
        one.send(REQUEST)
        reports.do("pad-1 wait-request")
        reports.do("pad-1 hold 4 0")
        assert one.recv(64) == bytes.fromhex("0151020000000000")
        assert one.recv(64) == bytes.fromhex("0151FF0000000000")
        one.send(bytes.fromhex("01D1000000000000"))
        reports.wait_count("pad-1", "acks")
        one.send(REQUEST[:2] + b"\x01" + bytes(5))
        assert one.recv(64) == bytes.fromhex("0151000000000000")  # its own time is over


@pytest.mark.parametrize("noise", ["02500A0000000000", "0153000000000000"])
def test_other_reports_are_nothing(reports: Bench, noise: str) -> None:
    with host(reports) as one:
        one.send(bytes.fromhex(noise))
        reports.wait_count("pad-1", "bad_frames")
        assert reports.counters("pad-1").get("requests", 0) == 0


def test_one_host_at_a_time(keypad: Bench) -> None:
    with host(keypad) as one:
        keypad.do("pad-1 press 1")
        assert one.recv(4096)
        with host(keypad) as other:
            assert other.recv(4096) == b""
        keypad.do("pad-1 press 1")
        assert one.recv(4096)


def test_mute_and_flood(keypad: Bench) -> None:
    with host(keypad, 0.1) as one:
        keypad.do("pad-1 mute")
        keypad.do("pad-1 press 5")
        with pytest.raises(TimeoutError):
            one.recv(4096)
        keypad.do("pad-1 unmute")
        keypad.do("pad-1 flood 2000")
        keypad.wait_count("pad-1", "presses", 2001)
        assert strokes(one.recv(4096)) == [(6, 1), (6, 0)]
        counters = keypad.counters("pad-1")
        assert counters["sent_bytes"] + counters["lost_bytes"] == 2000 * 96


def test_unplugged_the_path_is_gone(keypad: Bench) -> None:
    path = keypad.path("pad-1")
    assert keypad.address("pad-1") == f"hid://{path}"
    with host(keypad) as one:
        keypad.do("pad-1 press 1")
        keypad.do("pad-1 unplug-after 40")
        keypad.do("pad-1 press 2")
        assert len(one.recv(4096)) == 96
        assert len(one.recv(4096)) == 40
        assert one.recv(4096) == b""
    wait_until(lambda: not path.exists(), what="the socket is gone")
    keypad.do("pad-1 plug")
    assert path.is_socket()


@pytest.mark.parametrize("option", [{"kind": "mouse"}, {"enter": "2"}, {"profile": "aa55_xor"}])
def test_wrong_options(tmp_path: Path, option: dict[str, object]) -> None:
    with Bench(tmp_path) as bench, pytest.raises(ScenarioError):
        bench.add("pad-1", "pad_hid", **option)


@pytest.mark.parametrize("line", ["press 6", "hold 9 1", "hold 1", "flood 0", "press 1 reasons=401", "wait-request"])
def test_wrong_actions(keypad: Bench, line: str) -> None:
    with pytest.raises(ScenarioError):
        keypad.do(f"pad-1 {line}")
