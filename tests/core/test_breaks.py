"""What is told of breaks, and who is blamed for them: the book-keeping alone, with a clock of the test's own."""

from __future__ import annotations

import logging

import pytest

from edge.delivery.blame import Blame
from edge.delivery.breaks import Breaks
from edge.delivery.flights import TRIES, Flight, Flights
from edge.delivery.link_errors import CODES, TransportError, disconnected, taken_over, turned_away
from tests.core.sender_rig import state
from tests.support.project import ROOT


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaks(clock: Clock, caplog: pytest.LogCaptureFixture) -> Breaks:
    caplog.set_level(logging.INFO, "hall-edge")
    return Breaks("mqtt", clock)


def flap(breaks: Breaks, clock: Clock, times: int, every_s: float) -> None:
    for _ in range(times):
        breaks.up(broker="b")
        clock.now += every_s / 2
        breaks.down(TransportError(), was_up=True)
        clock.now += every_s / 2


def test_a_day_of_flapping_fills_no_log(breaks: Breaks, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """N3: 43,200 breaks in a day give 32 lines, with their count."""
    flap(breaks, clock, 43_200, 2.0)
    assert len(caplog.records) == 32
    assert caplog.records[-1].__dict__["fields"]["count"] == 32_768


def test_after_a_quiet_minute_a_break_is_news_again(
    breaks: Breaks, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    flap(breaks, clock, 3, 2.0)
    breaks.up(broker="b")
    caplog.clear()
    clock.now += 61
    breaks.down(TransportError(), was_up=True)
    assert len(caplog.records) == 1
    clock.now += 600  # an outage is not quiet
    for _ in range(6):
        breaks.down(TransportError(), was_up=False)
    assert len(caplog.records) == 3  # the 1st, 2nd and 4th
    breaks.up(broker="b")
    assert caplog.records[-1].__dict__["fields"]["away_s"] == 600.0


def test_each_new_trouble_is_told_at_once(breaks: Breaks, caplog: pytest.LogCaptureFixture) -> None:
    for code in ("MQT-101", "MQT-104", "MQT-118"):
        breaks.down(TransportError(code=code), was_up=False)
    assert [record.getMessage()[:7] for record in caplog.records] == ["MQT-101", "MQT-104", "MQT-118"]


def test_six_breaks_in_a_minute_are_told_as_long_as_they_last(breaks: Breaks, clock: Clock) -> None:
    flap(breaks, clock, 5, 2.0)
    assert not breaks.lasting()
    flap(breaks, clock, 1, 2.0)
    assert [trouble.code for trouble in breaks.lasting()] == ["MQT-119"]
    clock.now += 60
    assert not breaks.lasting()
    flap(breaks, clock, 10, 30.0)
    assert not breaks.lasting()


def test_a_rival_is_told_of_for_ten_minutes(breaks: Breaks, clock: Clock) -> None:
    breaks.down(taken_over(), was_up=True)
    breaks.up(broker="b")
    clock.now += 599
    assert [trouble.code for trouble in breaks.lasting()] == ["MQT-112"]
    clock.now += 2
    assert not breaks.lasting()


# --- blame ----------------------------------------------------------------------------------------


def fly(flights: Flights, *seqs: int) -> None:
    for seq in seqs:
        flights.begin(seq, 1)
        flights.took_off(seq, Flight(state("x"), seq))


def test_a_message_is_blamed_only_alone_and_the_third_time() -> None:
    flights = Flights()
    blame = Blame(flights)
    fly(flights, 1, 2, 3)
    assert blame.convict(told=True) is None
    assert blame.narrowed(200) == 1
    for _ in range(TRIES - 1):
        flights.restart()
        fly(flights, 1)
        assert blame.convict(told=True) is None
    flights.restart()
    fly(flights, 1)
    assert blame.convict(told=True) == 1


def test_the_window_opens_again_once_everything_suspected_is_through() -> None:
    flights = Flights()
    blame = Blame(flights)
    fly(flights, 1, 2)
    blame.convict(told=True)
    flights.restart()
    for seq in (1, 2):
        assert blame.narrowed(200) == 1
        fly(flights, seq)
        flights.acknowledged(seq, 0)
    assert blame.narrowed(200) == 200


def test_hanging_up_without_a_word_is_no_blame_while_anything_gets_through() -> None:
    flights = Flights()
    blame = Blame(flights)
    for seq in range(1, 50):
        fly(flights, seq)
        flights.acknowledged(seq, 0)
        fly(flights, seq + 1)
        assert blame.convict(told=False) is None
        assert blame.narrowed(200) == 200
        flights.restart()


def test_hanging_up_over_nothing_is_no_blame() -> None:
    flights = Flights()
    blame = Blame(flights)
    for _ in range(20):
        assert blame.convict(told=False) is None
    assert blame.narrowed(200) == 200


def test_a_verdict_that_does_not_help_makes_the_next_one_slower() -> None:
    flights = Flights()
    blame = Blame(flights)
    breaks = []
    for seq in range(1, 5):
        count = 0
        while True:
            count += 1
            fly(flights, seq)
            if blame.convict(told=True) == seq:
                break
            flights.restart()
        flights.give_up(seq)
        flights.restart()
        breaks.append(count)
    assert breaks == [3, 6, 12, 24]
    fly(flights, 5)
    flights.acknowledged(5, 0)
    for _ in range(2):
        fly(flights, 6)
        assert blame.convict(told=True) is None
        flights.restart()
    fly(flights, 6)
    assert blame.convict(told=True) == 6


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "refused"),
    [
        (turned_away(0x87, "Not authorized"), "MQT-110", True),
        (turned_away(0x89, "Server busy"), "MQT-115", False),
        (disconnected(0x8E, "Session taken over", told=True), "MQT-112", True),
        (disconnected(0x8D, "Keep alive timeout", told=False), "MQT-104", False),
        (disconnected(0x8B, "Server shutting down", told=True), "MQT-115", False),
        (disconnected(0x80, "Unspecified error", told=False), "MQT-101", False),
        (disconnected(0x82, "Protocol error", told=False), "MQT-117", False),
        (disconnected(0x99, "Payload format invalid", told=True), "MQT-101", False),
    ],
)
def test_ends_of_connections_have_their_codes(error: TransportError, code: str, *, refused: bool) -> None:
    assert (error.code, error.refused) == (code, refused)
    assert error.message
    assert error.action


def test_every_code_of_the_link_is_explained() -> None:
    page = (ROOT / "docs" / "codes.md").read_text(encoding="utf-8")
    assert not [code for code in sorted(CODES) if f"`{code}`" not in page]
    assert all(seen and action for seen, action in CODES.values())
