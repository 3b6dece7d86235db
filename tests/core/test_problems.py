"""What is wrong, in words: each code with one action, told when it is so and not longer; the clocks are injected."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge import problems
from edge.clock import TOLD_S, JumpWatch
from edge.delivery.link_errors import TransportError
from edge.delivery.replays import LastAck
from edge.errors import EdgeError
from edge.health import known_at_start
from edge.machine import Machine, made_elsewhere, this_machine
from edge.problems import ACTIONS, CODES, Problems, WallClock, problem
from edge.store.room import NotTaken
from edge.watchdog import STALLED


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Parts:
    """The parts of a daemon as :class:`Problems` looks at them, all well."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.wall, self.synced = Clock(), Clock(), True
        figures = SimpleNamespace(expired=0, damaged=0)
        self.outbox = SimpleNamespace(
            failed=None, refused=0, head=0, figures=figures, path=folder / "outbox.db",
            room=SimpleNamespace(trouble=None), blobs=SimpleNamespace(parked=0),
        )  # fmt: skip
        self.lasting: list[TransportError] = []
        self.publisher = SimpleNamespace(link="up", problem=None, deaf={}, lasting=lambda: self.lasting)
        self.replays = SimpleNamespace(acks={}, foreign_acks=0)
        self.bulk = SimpleNamespace(begun=False, link="down", problem=None)
        made: Any = Problems  # its parts are whole machines: here only what it looks at
        self.problems: Problems = made(
            self.outbox, self.publisher, self.replays, SimpleNamespace(bulk=self.bulk), clock=self.clock,
            wall=WallClock(JumpWatch(self.wall, self.clock), lambda: self.synced),
        )  # fmt: skip

    def codes(self) -> list[str]:
        return [found.code for found in self.problems.found()]

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.wall.now += seconds


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parts:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(used=1, total=100))
    return Parts(tmp_path)


def _sets(
    where: str, name: str, value: object, back: object
) -> tuple[Callable[[Parts], None], Callable[[Parts], None]]:
    def reach(parts: Parts) -> Any:
        found: Any = parts
        for step in where.split("."):
            found = getattr(found, step)
        return found

    return lambda parts: setattr(reach(parts), name, value), lambda parts: setattr(reach(parts), name, back)


WRONG = {
    "SYS-140": _sets("publisher", "link", "down", "up"),
    "SYS-142": _sets("outbox", "refused", 2, 0),
    "SYS-144": _sets("outbox.blobs", "parked", 1, 0),
    "SYS-149": _sets("problems", "store_silent_s", 7.0, 0.0),
    "SYS-153": _sets("outbox.figures", "expired", 3, 0),
    "SYS-154": _sets("outbox.figures", "damaged", 1, 0),
    "SYS-155": _sets("replays", "foreign_acks", 1, 0),
    "STO-120": _sets("outbox.room", "trouble", NotTaken("no room"), None),
    "STO-100": _sets("outbox", "failed", EdgeError("it failed", code="STO-100"), None),
}


def test_nothing_is_told_where_all_is_well(parts: Parts) -> None:
    assert parts.codes() == []


@pytest.mark.parametrize("code", WRONG)
def test_it_is_told_while_it_is_so_and_not_longer(parts: Parts, code: str) -> None:
    begin, end = WRONG[code]
    begin(parts)
    assert parts.codes() == [code]
    end(parts)
    assert parts.codes() == []


def test_the_connection_says_itself_why_it_is_down(parts: Parts) -> None:
    parts.publisher.link, parts.publisher.problem = "down", TransportError("no way", code="MQT-112", action="do this")
    (found,) = parts.problems.found()
    assert (found.code, found.message, found.action) == ("MQT-112", "no way", "do this")
    parts.publisher.link = "up"
    parts.bulk.begun, parts.bulk.problem = True, TransportError("nor there")
    assert parts.codes() == ["MQT-101"]
    parts.publisher.problem, parts.bulk.begun, parts.lasting = (
        None,
        False,
        [TransportError("ours is not the only one", code="MQT-112")],
    )
    assert parts.codes() == ["MQT-112"]  # also when we are connected again


@pytest.mark.parametrize(("used", "level"), [(50, None), (51, "notice"), (81, "notice"), (96, "attention")])
def test_a_disk_that_fills_is_told_in_steps(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, used: int, level: str | None
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(used=used, total=100))
    assert [found.level for found in parts.problems.found()] == ([level] if level else [])
    assert parts.codes() == (["SYS-152"] if level else [])


def test_a_subscriber_is_named_when_it_is_silent_while_events_wait(parts: Parts) -> None:
    parts.replays.acks["case"] = LastAck(5, 1.0)
    parts.outbox.head = 5
    assert parts.codes() == []
    parts.pass_time(10_000)
    assert parts.codes() == []  # nothing waits for it
    parts.outbox.head = 6
    assert parts.codes() == []
    parts.pass_time(problems.SILENT_S)
    assert parts.codes() == []
    parts.pass_time(120)
    (found,) = parts.problems.found()
    assert found.message == "case has not acknowledged for 7 minutes while events wait"
    parts.replays.acks["case"] = LastAck(5, 2.0)  # it lives, although something is missing
    assert parts.codes() == []
    parts.pass_time(problems.SILENT_S + 1)
    assert parts.codes() == ["SYS-143"]
    parts.replays.acks["case"] = LastAck(6, 3.0)
    assert parts.codes() == []


def test_nobody_hears_until_the_broker_or_a_back_office_says_otherwise(parts: Parts) -> None:
    parts.replays.acks["case"] = LastAck(0, None)
    assert parts.codes() == []
    parts.publisher.deaf["event"] = parts.clock.now
    assert parts.codes() == ["SYS-141"]
    parts.pass_time(1)
    parts.replays.acks["case"] = LastAck(1, 1.0)
    assert parts.codes() == []  # it has fetched everything by itself
    parts.pass_time(1)
    parts.publisher.deaf["event"] = parts.clock.now
    assert parts.codes() == ["SYS-141"]
    parts.publisher.deaf.clear()
    assert parts.codes() == []


@pytest.mark.parametrize("by_s", [315e6, -315e6, 3.0])
def test_a_clock_that_was_set_is_told_for_a_while(parts: Parts, by_s: float) -> None:
    parts.pass_time(1)
    parts.wall.now += by_s
    (found,) = parts.problems.found()
    assert (found.code, found.level) == ("SYS-146", "notice")
    assert f"{by_s:+.0f} s" in found.message
    parts.pass_time(TOLD_S + 1)
    assert parts.codes() == []


def test_a_clock_that_is_slewed_or_free_is_no_jump(parts: Parts) -> None:
    for _ in range(1000):
        parts.pass_time(1)
        parts.wall.now += 0.0005
        assert parts.codes() == []
    parts.synced = False
    assert parts.codes() == ["SYS-145"]


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_its_words_and_one_action(code: str) -> None:
    said = {"count": 3, "what": "x", "who": "y", "minutes": 5, "seconds": 6, "path": "/p", "when": "now", "percent": 80}
    told = problem(code, **said, port=8630, reason="z")
    assert ACTIONS.keys() == CODES.keys()
    assert re.fullmatch(r"SYS-1[456]\d", code)
    assert told.message
    assert told.action
    assert "{" not in told.message + told.action
    assert not told.message.endswith(".")


# --- since the start -----------------------------------------------------------------------------


def pc(root: Path, machine_id: str, *cards: str) -> Path:
    (root / "etc").mkdir(parents=True)
    (root / "etc/machine-id").write_text(f"{machine_id}\n")
    for number, address in enumerate(cards):
        (root / f"sys/class/net/eth{number}/device").mkdir(parents=True)
        (root / f"sys/class/net/eth{number}/address").write_text(f"{address}\n")
    (root / "sys/class/net/lo").mkdir(parents=True)
    (root / "sys/class/net/lo/address").write_text("00:00:00:00:00:00\n")
    return root


A, B = "0123456789abcdef", "fedcba9876543210"
ONE, TWO = "52:54:00:00:00:01", "52:54:00:00:00:02"


@pytest.mark.parametrize(
    ("first", "then", "other"),
    [
        ((A, ONE), (A, ONE), False),
        ((A, ONE, TWO), (A, TWO), False),  # a card was taken out
        ((A, ONE), (B, ONE), True),
        ((A, ONE), (A, TWO), True),  # a disk image with its machine-id, on another board
        ((A,), (A, ONE), False),
        (("", ONE), (A, ONE), False),
    ],
)
def test_a_disk_that_came_into_another_pc_is_noticed(tmp_path: Path, first: Any, then: Any, other: bool) -> None:
    file = tmp_path / "machine.json"
    assert not made_elsewhere(file, this_machine(pc(tmp_path / "first", *first)))
    before = file.read_bytes()
    assert made_elsewhere(file, this_machine(pc(tmp_path / "then", *then))) is other
    assert file.read_bytes() == before  # it stays so until a person has seen to it
    assert ONE.encode() not in before
    assert A.encode() not in before


@pytest.mark.parametrize("junk", [b"", b"{", b"\xff", b"[1]", b'{"id": 5, "cards": []}'])
def test_a_mark_that_cannot_be_understood_is_made_anew(tmp_path: Path, junk: bytes) -> None:
    file = tmp_path / "machine.json"
    file.write_bytes(junk)
    here = Machine("a", frozenset({"b"}))
    assert not made_elsewhere(file, here)
    assert made_elsewhere(file, Machine("c", frozenset()))


def test_what_is_known_at_the_start_stays(tmp_path: Path) -> None:
    assert known_at_start(tmp_path, lab=False) == ()
    (tmp_path / STALLED).write_text("Thread 0x1 (most recent call first):\n")
    known = known_at_start(tmp_path, lab=True)
    assert [found.code for found in known] == ["SYS-147", "SYS-151"]
    assert (tmp_path / "stalled.last").read_text().startswith("Thread")
    (tmp_path / STALLED).write_text("")
    (tmp_path / "machine.json").write_text(json.dumps({"id": "another", "cards": ["one"]}))
    assert [found.code for found in known_at_start(tmp_path, lab=False)] == ["SYS-148"]
