"""Both commands of a smart-card reader, on the real libpcsclite and a simulated service."""

from __future__ import annotations

import time

import pytest

from drivers._card_settings import CardSettings
from edge.errors import JobCancelled, Unsupported
from edge.events import CardRead, ReadCard, ReadSmartCard, Transmit, Transmitted
from tests.drivers.card_rig import REQUEST_ID, Make, Simulator, forgotten, told

FULL = {"read": "full", "purpose": "test"}


# --- the read command


def test_a_command_reads_the_card_that_is_in(service: Simulator, make: Make) -> None:
    window = make(auto=False, **FULL)
    service.do("insert social-security seed=7")
    assert told(window.polled(2, 0.3)) == ["inserted:cpu"]
    (read,) = window.executed(ReadSmartCard(purpose="a passport"))
    assert isinstance(read, CardRead)
    assert read.purpose == "a passport"
    assert told(window.executed(ReadSmartCard())) == ["read:social-security"]
    assert not window.quiet()


def test_a_command_waits_for_a_card(service: Simulator, make: Make) -> None:
    window = make(auto=False)
    command = ReadSmartCard()
    job = window.job(command)
    said: list[str] = []

    def report(text_code: str, step: int | None = None, of: int | None = None) -> None:
        assert step is of is None
        said.append(text_code)
        if text_code == "insert-card":
            service.do("insert storage")

    job.report = report  # type: ignore[method-assign]
    assert told(list(window.driver.execute(command, job))) == ["inserted:storage", "read:storage"]
    assert said == ["insert-card", "reading"]


def test_a_command_that_nobody_serves_ends_in_time(make: Make) -> None:
    window = make()
    began = time.monotonic()
    with pytest.raises(JobCancelled, match="CMD-107"):
        window.executed(ReadSmartCard(), limit_s=0.3)
    assert time.monotonic() - began < 1.0


def test_a_command_is_not_served_by_a_card_that_was_torn_out(service: Simulator, make: Make) -> None:
    window = make(auto=False, **FULL)
    service.do("insert social-security", "tear at=100")
    command = ReadSmartCard()
    events: list[str] = []
    for event in window.driver.execute(command, window.job(command)):
        events += told([event])
        if event.type == "removed":
            service.do("insert social-security")
    assert events == ["inserted:cpu", "rejected:removed-too-early", "removed", "inserted:cpu", "read:social-security"]


def test_a_cancelled_command_lets_the_card_go(service: Simulator, make: Make) -> None:
    window = make(auto=False, **FULL)
    service.do("insert slow delay=0.05")
    command = ReadSmartCard()
    job = window.job(command)
    events = window.driver.execute(command, job)
    assert told([next(iter(events))]) == ["inserted:cpu"]
    job.cancel()
    with pytest.raises(JobCancelled):
        list(events)
    forgotten(service)


def test_a_card_that_takes_too_long_is_given_up(
    service: Simulator, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers._card_slot.BUDGET_S", 0.2)
    window = make(**FULL)
    service.do("insert slow delay=0.06")
    assert told(window.polled(2)) == ["inserted:cpu", "rejected:read-failed"]


# --- transmit


PUBLIC = {"transmit_prefixes": ["0084", "00a404"]}


def test_transmit_is_off_unless_it_is_allowed(make: Make) -> None:
    with pytest.raises(Unsupported, match="sends no APDUs"):
        make().executed(Transmit(apdus=("0084000008",)))


def test_transmit_answers_in_order_and_sealed(service: Simulator, make: Make) -> None:
    window = make(auto=False, **PUBLIC)
    service.do("insert cpu seed=1")
    window.polled(1)
    (event,) = window.executed(Transmit(apdus=("0084000008", "00a40400023f00", "0084000004")))
    assert isinstance(event, Transmitted)
    assert event.answers == ("00000000000000029000", "6a82", "000000029000")
    assert event.view(sealed=False) == {"request": REQUEST_ID, "count": 3}


@pytest.mark.parametrize(
    ("apdus", "code"),
    [
        (("0084000008", "00b0000000"), "PCS-110"),
        (("0020008103123456",), "PCS-111"),
        (("00a404000a112233",), "PCS-112"),
    ],
)
def test_nothing_is_sent_when_one_apdu_may_not(
    service: Simulator, make: Make, apdus: tuple[str, ...], code: str
) -> None:
    window = make(auto=False, **PUBLIC)
    service.do("insert cpu")
    window.polled(1)
    before = service.counters()
    with pytest.raises(Unsupported, match=code):
        window.executed(Transmit(apdus=apdus))
    assert service.counters()["apdus"] == before["apdus"]
    assert service.counters()["pin_commands"] == 0


def test_a_pin_is_refused_even_where_its_prefix_slipped_in(service: Simulator, make: Make) -> None:
    window = make(auto=False, **PUBLIC)
    window.driver._own = CardSettings(transmit_prefixes=("0020",))  # noqa: SLF001 - as no configuration can say it
    service.do("insert cpu")
    with pytest.raises(Unsupported, match="PCS-111"):
        window.executed(Transmit(apdus=("0020008103123456",)))


def test_another_kinds_command_is_refused(make: Make) -> None:
    window = make()
    with pytest.raises(Unsupported):
        list(window.driver.execute(ReadCard(), window.job(ReadCard())))
