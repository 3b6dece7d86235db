"""Whatever the wall clock says: the same events in the same order, and nothing waits for ever or is over at once."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge.selftest.model import Check
from edge.selftest.session import selftest
from tests.faults.host.rig import GUN, YEAR_S, Clock, start
from tests.support.tiers import evidence, tiers
from tests.support.truth import Told, expect, wrong
from tests.support.wait import wait_until
from tests.support.window import WindowUnderTest

SUBSCRIBER = '[[subscriber]]\nname = "case-system"\n'
JUMPS_S = (10 * YEAR_S, -10 * YEAR_S, 0.0, -(time.time() - 60), 0.0, 10 * YEAR_S)
"""Offsets from the true time, one after the other; the fourth is a PC whose clock is dead: 1970."""
SOON_S = 3.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def evaluate(window: WindowUnderTest, clock: Clock, timeout_s: int) -> Any:
    """Ask for a rating with a deadline by the window's own clock."""
    return window.request("pad-1", "evaluate", {"timeout_s": timeout_s}, deadline_s=clock.offset_s + 60)


def visit(window: WindowUnderTest, clock: Clock, number: int, jump_s: float | None) -> None:
    """Scan, ask for a rating, set the clock in the middle of it, rate; nothing takes longer for that."""
    began = time.monotonic()
    asked = evaluate(window, clock, 20)
    window.do("pad-1 wait-request 5")
    window.do("id-1 insert resident")
    if jump_s is not None:
        clock.set(jump_s)
    window.do("pad-1 press 5")
    assert asked.completion()["code"] == "ok"
    window.tap.wait_events("presented", number)
    window.do("id-1 remove")
    window.tap.wait_events("removed", number)
    window.bench.do(f"gun-1 scan V{number:04d}")
    window.tap.wait_events("scanned", number)
    assert time.monotonic() - began < 15.0


def scan(window: WindowUnderTest, code: str) -> None:
    """Scan *code* and wait until it has arrived."""
    window.bench.do(f"gun-1 scan {code}")
    wait_until(lambda: code in [event["data"]["text"] for event in window.tap.events("scanned")], 10, code)


def history(window: WindowUnderTest) -> list[tuple[str, int]]:
    """Return types and seqs of the events in order of arrival."""
    return [(event["type"], int(event["seq"])) for event in window.tap.events()]


def devices(window: WindowUnderTest) -> None:
    window.device("gun-1", *GUN)
    window.device("pad-1", "pad_serial", 'profile = "aa55_xor"', profile="aa55_xor")
    window.device("id-1", "idcard_sdt", 'read = "presence"')


@pytest.mark.parametrize("rounds", tiers(short=1, long=20))
def test_jumps_of_ten_years_change_nothing(window: WindowUnderTest, clock: Clock, rounds: int) -> None:
    devices(window)
    start(window, clock.environment)
    jumps = [*JUMPS_S] * rounds
    for number, jump_s in enumerate(jumps, 1):
        visit(window, clock, number, jump_s)
        assert "SYS-146" in {problem["code"] for problem in window.status()["health"]["problems"]}
    health = window.status()["health"]
    assert health["link"]["connects"] == 1
    seqs = [seq for _, seq in history(window)]
    assert seqs == list(range(1, len(seqs) + 1))
    kinds = [kind for kind, _ in history(window)]
    per_visit = len(kinds) // len(jumps)
    first = sorted(kinds[:per_visit])
    assert all(sorted(kinds[at : at + per_visit]) == first for at in range(0, len(kinds), per_visit))
    monos = [int(event["mono"]) for event in window.tap.events()]
    assert monos == sorted(monos)
    for device in ("gun-1", "pad-1", "id-1"):
        assert {body["state"] for body in window.tap.on(f"device/{device}/status")} <= {"starting", "ready", "busy"}
    assert not wrong(window, Told({"gun-1": ["ready"], "pad-1": ["ready"], "id-1": ["ready"]}))
    evidence("clock-jumps", trials=len(jumps), failures=0, events=len(seqs))


@pytest.mark.parametrize("jump_s", [10 * YEAR_S, -10 * YEAR_S], ids=["forward", "back"])
def test_what_waits_for_its_time_waits_as_long_as_ever(window: WindowUnderTest, clock: Clock, jump_s: float) -> None:
    """A session that nobody answers is over after its own seconds, a broker that freezes is noticed as ever."""
    devices(window)
    start(window, clock.environment)
    asked = evaluate(window, clock, 4)
    began = time.monotonic()
    window.do("pad-1 wait-request 5")
    clock.set(jump_s)
    assert asked.completion()["code"] == "ok"
    assert [event["type"] for event in window.tap.events()] == ["hall.evaluation-pad.timed-out.v1"]
    assert 3.0 < time.monotonic() - began < 4.0 + SOON_S
    window.broker.freeze()
    window.bench.do("gun-1 scan A1")
    clock.set(0.0)
    try:
        assert expect(window, Told(codes=["MQT-104"], at_broker=False)) <= 12.0
    finally:
        window.broker.thaw()
    window.tap.wait_events("scanned", 1, 20)
    window.bench.do("gun-1 unplug")
    wait_until(lambda: window.states().get("gun-1") == "absent", SOON_S, "gun-1 is missed")
    clock.set(jump_s)
    window.bench.do("gun-1 plug")
    wait_until(lambda: window.states().get("gun-1") == "ready", SOON_S, "gun-1 is back")


def test_a_pc_that_starts_in_1970_and_is_set_later_loses_nothing(window: WindowUnderTest, clock: Clock) -> None:
    """Rows of 1970 and of the future stay until they are confirmed, over restarts, and the epoch stays the same."""
    window.extra = SUBSCRIBER
    window.device("gun-1", *GUN)
    number = 0
    for unix_s in (90.0, time.time(), time.time() + 10 * YEAR_S, time.time()):
        clock.set_to(unix_s)
        start(window, clock.environment)
        for _ in range(5):
            number += 1
            scan(window, f"A{number:03d}")
        window.kill()
    clock.set(0.0)
    start(window, clock.environment)
    health = window.status()["health"]
    assert (health["outbox"]["depth"], int(health["head_seq"])) == (number, number)
    assert health["outbox"]["oldest_s"] >= 0
    found = {int(event["seq"]): event for event in window.tap.events("scanned")}
    assert [found[seq]["data"]["text"] for seq in sorted(found)] == [f"A{at:03d}" for at in range(1, number + 1)]
    assert len({event["epoch"] for event in found.values()}) == 1
    assert found[1]["time"].startswith("1970-01-01")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_the_hour_that_comes_twice_comes_once_in_the_events(window: WindowUnderTest, clock: Clock, zone: str) -> None:
    """UTC inside: a change of summer time or of the time zone moves no event; the log says its offset."""
    if not Path("/usr/share/zoneinfo", zone).exists():
        pytest.skip("no time zones here (apt install tzdata)")
    ends = {"Europe/Berlin": (2026, 10, 25, 1), "America/New_York": (2026, 11, 1, 6)}[zone]
    hour = datetime(*ends, tzinfo=UTC)
    clock.set_to(hour.timestamp() - 600)
    window.device("gun-1", *GUN)
    start(window, {**clock.environment, "TZ": zone})
    clock.set_to(hour.timestamp() - 2)
    number = 0
    while clock.now() < hour.timestamp() + 2:
        number += 1
        window.bench.do(f"gun-1 scan A{number:03d}")
        window.tap.wait_events("scanned", number)
    times = [datetime.fromisoformat(event["time"]) for event in window.tap.events("scanned")]
    assert times == sorted(times)
    assert times[-1] > hour
    assert times[-1] - hour < timedelta(seconds=60)
    assert {at.utcoffset() for at in times} == {timedelta(0)}
    stamps = [datetime.fromisoformat(line.split()[0]) for line in window.log_text.splitlines()]
    assert len({stamp.utcoffset() for stamp in stamps}) == 2
    assert all(later >= earlier for earlier, later in pairwise(stamps))


def test_the_self_test_names_a_clock_that_cannot_be_right(window: WindowUnderTest, clock: Clock) -> None:
    """A dead clock battery fails the check; a clock that was set is told as such; both as the daemon sees it."""
    window.device("gun-1", *GUN)
    clock.set_to(60.0)
    start(window, clock.environment)

    def said() -> dict[str, str]:
        checks = [one for one in selftest(str(window.config_path)) if isinstance(one, Check)]
        return {check.code: check.result for check in checks if check.name == "clock"}

    assert said() == {"CLK-101": "fail"}
    clock.set(0.0)
    wait_until(lambda: said().get("SYS-146") == "warn", 20, "the self-test tells that the clock was set")
