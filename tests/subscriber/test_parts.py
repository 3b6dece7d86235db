"""The small parts: ranges, windows, old messages."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.subscriber.errors import WireError
from edge.subscriber.model import Limits
from edge.subscriber.ranges import Ranges
from edge.subscriber.sequence import Mark, WindowSequence
from edge.subscriber.windows import Windows

PAIRS = st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 8)), max_size=30)


@given(steps=PAIRS, window=st.tuples(st.integers(0, 30), st.integers(0, 30)))
def test_ranges_are_a_set_of_numbers(steps: list[tuple[bool, int, int]], window: tuple[int, int]) -> None:
    ranges, truth = Ranges(), set[int]()
    for adds, first, length in steps:
        numbers = set(range(first, first + length))
        if adds:
            ranges.add(first, first + length - 1)
            truth |= numbers
        else:
            ranges.remove(first, first + length - 1)
            truth -= numbers
    pairs = list(ranges)
    assert [number for low, high in pairs for number in range(low, high + 1)] == sorted(truth)
    assert all(high + 1 < low for (_, high), (low, _) in itertools.pairwise(pairs)), "merged and in order"
    assert ranges.lowest() == min(truth, default=None)
    assert {number for number in range(40) if number in ranges} == truth
    low, high = window
    inside = {number for first, last in ranges.within(low, high) for number in range(first, last + 1)}
    assert inside == {number for number in truth if low <= number <= high}


def test_the_lowest_ranges_are_forgotten_first() -> None:
    ranges = Ranges([(1, 1), (3, 4), (7, 9)])
    ranges.shorten(2)
    assert list(ranges) == [(3, 4), (7, 9)]


async def test_a_device_is_usable_only_in_the_same_epoch_as_its_online_window() -> None:
    windows = Windows()

    def status(state: str, epoch: int) -> None:
        windows.feed("h", "w", "status", json.dumps({"state": state, "epoch": epoch}).encode())

    def device(state: str, epoch: int) -> None:
        windows.feed("h", "w", "device/pad-1/status", json.dumps({"state": state, "epoch": epoch}).encode())

    waiting = asyncio.create_task(windows.known("h/w"))
    device("ready", 2)
    assert not windows["h/w"].usable("pad-1")
    for state, epoch, usable in (("online", 1, False), ("online", 2, True), ("offline", 2, False), ("online", 2, True)):
        status(state, epoch)
        assert windows["h/w"].usable("pad-1") is usable
    assert await waiting is windows["h/w"]
    for state, usable in (("busy", True), ("absent", False), ("a-state-of-a-later-version", False)):
        device(state, 2)
        assert windows["h/w"].usable("pad-1") is usable
    windows.feed("h", "w", "device/pad-1/status", b"")
    assert windows["h/w"].devices == {}
    assert not windows["h/w"].usable("pad-1")
    with pytest.raises(WireError):
        windows.feed("h", "w", "status", b"{")


def test_an_old_status_or_health_changes_nothing() -> None:
    own = WindowSequence("h/w", Limits(), joins=False, mark=Mark(3, 0))
    own.told_epoch(2)
    own.told_head(2, 900, live=False)
    for now in (0, 100):
        own.tick(now)
    assert not own.out
    assert own.epoch == 3
