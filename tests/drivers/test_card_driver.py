"""The driver on the real libpcsclite and a simulated service: every card, every mode, both commands."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from edge.events import CardInserted, CardRead, CardRejected, Payload, revealed
from simulators.people import citizen
from tests.drivers.card_rig import Make, Simulator, told
from tests.support import canaries

NOTICE_S = 0.05


FULL = {"read": "full", "purpose": "test"}


def facts(event: Payload) -> dict[str, object]:
    found: dict[str, object] = revealed(event)
    return found


def test_the_reader_says_that_it_is_simulated(make: Make) -> None:
    info = make().open()
    assert (info.model, info.serial, info.simulated) == ("hall-edge simulated CCID", None, True)


@pytest.mark.parametrize(
    ("card", "events"),
    [
        ("social-security", ["inserted:cpu", "read:social-security"]),
        ("social-security protocol=t0", ["inserted:cpu", "read:social-security"]),
        ("social-security interface=contactless by=sfi", ["inserted:cpu", "read:social-security"]),
        ("social-security psam=read", ["inserted:cpu", "rejected:needs-psam"]),
        ("social-security psam=select", ["inserted:cpu", "rejected:needs-psam"]),
        ("storage", ["inserted:storage", "read:storage"]),
        ("id-card", ["inserted:id-card", "rejected:use-id-card-reader"]),
        ("cpu", ["inserted:cpu", "rejected:not-supported"]),
        ("mute", ["inserted:unknown", "rejected:mute"]),
        ("script answers=6a82 atr=3B8001", ["inserted:unknown", "rejected:not-supported"]),
        ("script answers=61", ["inserted:cpu", "rejected:read-failed"]),
    ],
)
def test_every_card_is_told_once_and_its_going_too(
    service: Simulator, make: Make, card: str, events: list[str]
) -> None:
    window = make(**FULL)
    service.do(f"insert {card}")
    assert told(window.polled(2)) == events
    assert not window.quiet()
    service.do("remove")
    assert told(window.polled(1)) == ["removed"]
    assert not window.quiet()
    assert not service.counters()["pin_commands"]


def test_card_in_and_out_are_told_at_once(
    service: Simulator, make: Make, record_property: Callable[[str, object], None]
) -> None:
    """Measured from before the simulator is told, so the service's own notice is later: bound included."""
    window, late = make(auto=False), []
    window.quiet()
    for _ in range(15):
        for line, event in (("insert social-security", "inserted:cpu"), ("remove", "removed")):
            began = time.monotonic()
            service.do(line)
            assert told(window.polled(1)) == [event]
            late.append(window.at[-1] - began)
    record_property(
        "card in and out, median and worst, ms", [f"{1e3 * one:.1f}" for one in (sorted(late)[15], max(late))]
    )
    assert sorted(late)[len(late) // 2] < NOTICE_S
    assert sum(one < NOTICE_S for one in late) >= len(late) - 2  # a busy machine may have slept


def test_a_card_that_is_there_already(service: Simulator, make: Make) -> None:
    service.do("insert storage seed=5")
    window = make()
    assert told(window.polled(2)) == ["inserted:storage", "read:storage"]


def test_a_card_that_was_changed_quickly(service: Simulator, make: Make) -> None:
    window = make()
    service.do("insert storage")
    window.polled(2)
    service.do("remove", "insert id-card")
    assert told(window.polled(3)) == ["removed", "inserted:id-card", "rejected:use-id-card-reader"]


def test_the_events_say_what_they_should(service: Simulator, make: Make) -> None:
    window = make(read="fields", fields=["name", "number"], purpose="acceptance")
    service.do("insert social-security seed=7 bad-check=1")
    inserted, read = window.polled(2)
    assert isinstance(inserted, CardInserted)
    assert facts(inserted) == {"interface": "contact", "card": "cpu"}
    assert isinstance(read, CardRead)
    who = citizen("resident seed=7 rare=0 long=0 bad-check=1")
    public = read.view(sealed=False)
    assert public == {
        "mode": "fields", "interface": "contact", "card": "social-security", "chip": read.chip,
        "warnings": ("check-digit",), "purpose": "acceptance",
    }  # fmt: skip
    assert facts(read)["person"] == {"name": who.name, "number": who.number}
    assert not canaries.found(canaries.of_citizen(who), [("the public view", repr(public).encode())])


def test_a_storage_card_has_a_name_and_no_holder(service: Simulator, make: Make) -> None:
    window = make()
    service.do("insert storage product=4k seed=1")
    inserted, read = window.polled(2)
    assert facts(inserted) == {"interface": "contactless", "card": "storage", "product": "MIFARE Classic 4K"}
    assert isinstance(read, CardRead)
    assert (read.mode, read.person, read.warnings) == ("presence", None, ())


def test_an_id_card_is_sent_to_its_reader_without_a_word_to_it(service: Simulator, make: Make) -> None:
    window = make(**FULL)
    before = service.counters()["apdus"]
    service.do("insert id-card")
    _, event = window.polled(2)
    assert isinstance(event, CardRejected)
    assert (event.reason, event.advice) == ("use-id-card-reader", "use-other-document")
    assert service.counters()["apdus"] == before


def test_two_windows_share_a_card(service: Simulator, make: Make) -> None:
    first, second = make(**FULL), make()
    service.do("insert social-security")
    assert told(first.polled(2)) == ["inserted:cpu", "read:social-security"]
    assert told(second.polled(2)) == ["inserted:cpu", "read:social-security"]
