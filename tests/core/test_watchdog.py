"""Whose progress feeds the watchdog. That a daemon which hangs ends is in tests/faults/host."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from edge.watchdog import LIMIT_S, STORE_LIMIT_S, Watchdog

LOOK_S = 2.0


class Store:
    """Answers as long as it is well."""

    def __init__(self) -> None:
        self.well = True

    def call(self, _work: Any) -> Future[None]:
        answer: Future[None] = Future()
        if self.well:
            answer.set_result(None)
        return answer


class Part:
    """A connection, or what the watchdog tells of the store."""

    def __init__(self) -> None:
        self.moved: float | None = None
        self.store_silent_s = 0.0


class Watched:
    """A watchdog, its clock, and what it watches."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.store, self.link, self.told = Store(), Part(), Part()
        self.lanes: dict[str, float] = {}
        self.alive: set[str] = {"pad-1", "id-1"}
        self.dog = Watchdog(
            folder / "stalled.txt", self.store, {"mqtt": self.link}, lambda: dict(self.lanes), self.told,  # type: ignore[arg-type, dict-item]
            clock=lambda: self.now,
        )  # fmt: skip
        self.pass_s(LOOK_S)

    def pass_s(self, seconds: float, step_s: float = LOOK_S) -> str | None:
        """Let time pass while everything that is alive moves; return what stalls at the end."""
        found = None
        for _ in range(round(seconds / step_s)):
            self.now += step_s
            self.lanes.update(dict.fromkeys(self.alive, self.now - 0.1))
            if found is None:
                found = self.dog.stalled()
        return found


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    one = Watched(tmp_path)
    yield one
    one.dog.stop()


def test_what_moves_feeds_it(watched: Watched) -> None:
    assert watched.pass_s(600) is None


def test_a_device_that_nobody_looks_after_any_more_ends_it(watched: Watched) -> None:
    watched.alive.discard("id-1")
    assert watched.pass_s(LIMIT_S - 1) is None
    assert watched.pass_s(2 * LOOK_S) == "id-1"


def test_a_device_that_leaves_and_one_that_is_replaced_are_no_stall(watched: Watched) -> None:
    watched.alive.discard("id-1")
    watched.pass_s(LIMIT_S - 2 * LOOK_S)
    del watched.lanes["id-1"]
    assert watched.pass_s(LIMIT_S) is None
    watched.alive.add("id-1")
    watched.pass_s(LOOK_S)
    watched.alive.discard("id-1")
    watched.pass_s(LIMIT_S - 2 * LOOK_S)
    watched.lanes["id-1"] = watched.now  # an abandoned lane was replaced
    assert watched.pass_s(LIMIT_S - 2 * LOOK_S) is None


def test_a_pc_that_slept_does_not_make_every_device_a_stalled_one(watched: Watched) -> None:
    """Their watches live in the same loop as this one: when it stood still, all of them are late."""
    watched.now += 3600.0
    assert watched.dog.stalled() is None
    assert watched.pass_s(60) is None


def test_a_starved_loop_does_not_either(watched: Watched) -> None:
    """H10: a loop that turns only every ten seconds, and a watch that has a turn at every other."""
    for _ in range(20):
        watched.now += 10.0
        assert watched.dog.stalled() is None
        watched.now += 10.0
        watched.lanes.update(dict.fromkeys(watched.alive, watched.now))
        assert watched.dog.stalled() is None


def test_a_connection_may_be_busy_connecting_for_as_long_as_it_said(watched: Watched) -> None:
    watched.link.moved = watched.now + 30.0
    assert watched.pass_s(30 + LIMIT_S - LOOK_S) is None
    assert watched.pass_s(2 * LOOK_S) == "mqtt"
    watched.link.moved = None  # it has ended
    assert watched.pass_s(60) is None


def test_a_store_that_does_not_answer_ends_it_and_is_told_before(watched: Watched) -> None:
    watched.store.well = False
    assert watched.pass_s(STORE_LIMIT_S) is None
    assert watched.told.store_silent_s >= STORE_LIMIT_S - 2 * LOOK_S
    assert watched.pass_s(2 * LOOK_S) == "the store"
