"""Keys that do not count: pressed outside a session, for the citizen before, twice, or unknown."""

from __future__ import annotations

import pytest

from drivers.pad_serial import CODES
from edge.events import Interrupted, Rated, TimedOut
from tests.drivers.test_pad_fakes import PADS, SESSION, Desk

profiles = pytest.mark.parametrize("name", PADS)
repeating = pytest.mark.parametrize("name", [name for name, pad in PADS.items() if pad.repeat_s])


@profiles
def test_a_key_outside_a_session_is_no_rating(name: str) -> None:
    desk = Desk(name)
    desk.link.say(desk.pad.keys[1])
    assert desk.poll() == []
    assert desk.driver.counts[CODES["PAD-103"]] == 1
    assert desk.port.lines == [("key outside a session", {"code": "PAD-103", "count": 1})]
    assert desk.link.sent() == ([desk.pad.taken] if desk.pad.taken else [])


@profiles
@pytest.mark.parametrize("polled", [False, True])
def test_a_key_for_the_citizen_before_never_counts(name: str, polled: bool) -> None:
    """It was pressed before the request; a pad that repeats it goes on until it is acknowledged."""
    desk = Desk(name)
    desk.link.say(desk.pad.keys[1])
    acknowledged = len(desk.link.written)

    def repeat(written: bytes) -> None:
        nonlocal acknowledged
        acknowledged += written == desk.pad.taken
        desk.obey(written)

    desk.link.answers = repeat
    if polled:
        desk.poll()
    session = desk.start()
    desk.link.say(desk.pad.keys[5], 4)
    event = next(session)
    assert isinstance(event, Rated)
    assert event.level == 5
    assert acknowledged == (1 if desk.pad.taken else 0)


@repeating
@pytest.mark.parametrize("lost", [1, 2])
def test_repeats_under_way_end_before_the_request(name: str, lost: int) -> None:
    """Acknowledgements get lost on a bad line: the key of the citizen before comes again and again."""
    desk = Desk(name)
    heard = 0

    def deaf(written: bytes) -> None:
        nonlocal heard
        desk.obey(written)
        if written == desk.pad.taken and heard < lost:
            heard += 1
            desk.link.say(desk.pad.keys[1], desk.pad.repeat_s)

    desk.link.answers = deaf
    assert desk.rate(1).level == 1
    asked = len(desk.link.written)
    session = desk.start()
    desk.link.say(desk.pad.keys[5], 10)
    event = next(session)
    assert isinstance(event, Rated)
    assert event.level == 5
    since = [data for _, data in desk.link.written[asked:]]
    assert since == [desk.pad.taken] * lost + [desk.pad.request]


@repeating
def test_half_a_key_for_the_citizen_before_is_waited_for(name: str) -> None:
    desk = Desk(name)
    key = desk.pad.keys[2]
    desk.link.say(key[:3])
    desk.link.say(key[3:], 0.02)
    (event,) = [next(desk.start())]
    assert isinstance(event, TimedOut)
    assert desk.link.sent()[:2] == [desk.pad.taken, desk.pad.request]


@repeating
def test_a_pad_that_never_stops_repeating_holds_no_session_up_for_ever(name: str) -> None:
    desk = Desk(name)

    def stubborn(written: bytes) -> None:
        desk.obey(written)
        if written == desk.pad.taken:
            desk.link.say(desk.pad.keys[1], 0.05)

    desk.link.answers = stubborn
    desk.link.say(desk.pad.keys[1])
    began = desk.link.clock
    next(desk.start())
    asked = next(at for at, data in desk.link.written if data == desk.pad.request)
    assert asked - began < 3.2


@repeating
def test_a_session_that_waits_for_repeats_can_be_cancelled(name: str) -> None:
    desk = Desk(name)
    desk.link.say(desk.pad.keys[1])
    session = desk.start(desk.job(cancel_after_s=0.1))
    assert next(session) == Interrupted(session=SESSION, reason="cancelled", waited_ms=0)
    assert desk.pad.cancel not in desk.link.sent()
    session.close()  # type: ignore[attr-defined]  # a generator


@repeating
def test_repeats_after_the_session_are_swallowed_and_acknowledged(name: str) -> None:
    desk = Desk(name)
    desk.rate(3)
    for _ in range(2):
        desk.link.say(desk.pad.keys[3], desk.pad.repeat_s)
        assert desk.poll(1) == []
    assert desk.driver.counts["repeats"] == 2
    assert not desk.port.lines
    assert desk.link.sent()[-2:] == [desk.pad.taken] * 2
    desk.link.say(desk.pad.keys[3], 5)
    assert desk.poll(9) == []
    assert desk.port.messages() == ["key outside a session"]


@profiles
def test_a_second_key_in_one_session_is_none(name: str) -> None:
    desk = Desk(name)
    desk.link.say(desk.pad.keys[5] + desk.pad.keys[1], 2)
    (event,) = list(desk.start())
    assert isinstance(event, Rated)
    assert event.level == 5
    assert desk.poll() == []
    assert desk.driver.counts[CODES["PAD-103"]] == 1


@profiles
def test_an_unmapped_key_is_ignored(name: str) -> None:
    desk = Desk(name)
    desk.link.say(desk.pad.unmapped, 1)
    assert desk.rate(4, after_s=3).level == 4
    assert desk.port.messages() == [CODES["PAD-104"]]


@profiles
def test_noise_before_the_key_does_not_cost_it(name: str) -> None:
    desk = Desk(name)
    desk.link.say(b"\x00\x55\xaa\x20\xff\x68\x10\x10\x68\x02\x01" + desk.pad.keys[4], 1)
    (event,) = list(desk.start())
    assert isinstance(event, Rated)
    assert event.level == 4
