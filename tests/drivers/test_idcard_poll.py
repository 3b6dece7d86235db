"""Cards come and go: what is read in each mode, once each, and never two persons in one event."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from edge.events import CardHolder, Payload, Presented, Read, Rejected, revealed
from simulators.people import citizen
from tests.drivers.idcard_rig import Rig, driver, polled, told, unopened

FULL = {"read": "full", "purpose": "test"}
KINDS = ("resident", "J", "I", "Y")
DOCUMENTS = {"resident": "prc-resident", "J": "hmt-residence", "I": "foreigner-2017", "Y": "foreigner-2023"}


def person(events: Sequence[Payload]) -> CardHolder:
    """Return the person of the only read event."""
    (read,) = [event for event in events if isinstance(event, Read)]
    assert read.person is not None
    return read.person


def test_looking_for_a_card_is_one_exchange_and_one_wait() -> None:
    rig = Rig()
    made = driver(rig, find_interval_s=0.3)
    before = rig.now
    assert list(made.poll(10.0)) == []
    assert rig.sent == ["2001"]
    assert rig.now - before == pytest.approx(0.3, abs=0.01)
    assert list(made.poll(0.05)) == []
    assert rig.now - before == pytest.approx(0.35, abs=0.01)


def test_stray_bytes_do_not_shorten_the_wait() -> None:
    rig = Rig()
    made = driver(rig)
    rig.stray = b"noise"
    before = rig.now
    polled(made)
    assert rig.now - before >= 0.3


@pytest.mark.parametrize("removal", [0, 1])
@pytest.mark.parametrize("mode", ["presence", "verify"])
def test_a_card_that_must_not_be_read_is_only_announced(mode: str, removal: int) -> None:
    rig = Rig(requires_removal=removal)
    made = driver(rig, read=mode)
    rig.do("insert resident seed=1")
    assert told(polled(made, 5)) == ["presented"]
    rig.do("remove")
    assert told(polled(made, 5)) == ["removed"]
    rig.do("insert resident seed=1")
    assert told(polled(made, 5)) == ["presented"]
    assert set(rig.sent) == {"2001"}


def test_one_missed_find_is_no_removal() -> None:
    rig = Rig()
    made = driver(rig, read="presence")
    rig.do("insert resident seed=1")
    events = polled(made)
    rig.do("status 80")
    assert told([*events, *polled(made, 5)]) == ["presented"]
    for _ in range(5):
        rig.do("status 80")
        assert polled(made, 2) == [], "only misses in a row count"


@pytest.mark.parametrize("kind", KINDS)
def test_full(kind: str) -> None:
    rig = Rig()
    made = driver(rig, **FULL)
    rig.do(f"insert {kind} seed=5 fingers=2")
    card = citizen(f"{kind} seed=5 fingers=2")
    events = polled(made)
    assert told(events) == ["presented", "read"]
    read = events[1]
    assert isinstance(read, Read)
    assert (read.mode, read.document, read.purpose) == ("full", DOCUMENTS[kind], "test")
    assert (read.verified, read.warnings) == (None, ())
    assert read.holder == rig.digest(card.number)
    holder = person(events)
    assert (holder.number, holder.photo_wlt, holder.fingerprints) == (card.number, card.photo, None)
    assert holder.new_addresses is None
    assert {holder.name, holder.name_zh} >= {card.name}
    assert msgspec.convert(revealed(read), Read) == read
    assert rig.sent == ["2001", "2002", "3001", "3003"]


@pytest.mark.parametrize("fingers", [0, 1, 2])
def test_full_with_fingerprints_and_addresses(fingers: int) -> None:
    rig = Rig()
    made = driver(rig, **FULL, fingerprints=True, new_addresses=True)
    rig.do(f"insert resident seed=5 fingers={fingers} addresses={fingers}")
    card = citizen(f"resident seed=5 fingers={fingers} addresses={fingers}")
    holder = person(polled(made))
    assert b"".join(holder.fingerprints or ()) == card.fingerprints
    assert (len(holder.fingerprints or ()), holder.new_addresses) == (fingers, card.addresses)
    assert rig.sent == ["2001", "2002", "3010", "3003"]


def test_fields_hold_only_what_was_asked_for() -> None:
    rig = Rig()
    made = driver(rig, read="fields", fields=("name", "new_addresses"))
    rig.do("insert resident seed=5 addresses=1 long=1")
    card = citizen("resident seed=5 addresses=1 long=1")
    events = polled(made)
    assert person(events) == CardHolder(name=card.name, new_addresses=card.addresses)
    assert card.number not in str(revealed(events[1]))


def test_without_auto_a_card_is_only_announced() -> None:
    rig = Rig()
    made = driver(rig, **FULL, auto=False)
    rig.do("insert resident seed=5")
    assert told(polled(made, 5)) == ["presented"]
    assert set(rig.sent) == {"2001"}


@pytest.mark.parametrize("removal", [0, 1])
@pytest.mark.parametrize("order", ["41", "21", "24"])
def test_a_card_is_read_once_while_it_lies_there_and_again_when_laid_again(removal: int, order: str) -> None:
    rig = Rig(requires_removal=removal, wrong_order=order)
    made = driver(rig, **FULL)
    rig.do("insert resident seed=5")
    assert told(polled(made, 20)) == ["presented", "read"]
    rig.do("remove")
    assert told(polled(made, 3)) == ["removed"]
    rig.do("insert resident seed=5")
    assert told(polled(made, 20)) == ["presented", "read"]
    rig.do("insert resident seed=5")  # lifted and laid again between two looks
    assert told(polled(made, 20)) == ["removed", "presented", "read"]


@pytest.mark.parametrize("trouble", ["status 21 answer=3003 times=1000", "truncate 0 answer=3003 times=1000"])
def test_readers_that_do_not_know_the_probe(trouble: str) -> None:
    rig = Rig(requires_removal=0)
    rig.do(trouble)
    made = driver(rig, **FULL)
    rig.do("insert resident seed=5")
    assert told(polled(made, 20)) == ["presented", "read"]
    rig.do("remove")
    assert told(polled(made, 5)) == ["removed"]
    rig.do("insert resident seed=6")
    assert told(polled(made, 20)) == ["presented", "read"]
    if "truncate" in trouble:
        assert rig.sent.count("3003") == 3, "three silences are enough"


def test_a_reader_that_knows_neither_tells_of_a_removal_early_but_reads_once() -> None:
    rig = Rig(requires_removal=1)
    rig.do("status 21 answer=3003 times=1000")
    made = driver(rig, **FULL)
    rig.do("insert resident seed=5")
    assert told(polled(made, 20)) == ["presented", "read", "removed"]
    rig.do("insert resident seed=6")
    assert told(polled(made, 20)) == ["presented", "read", "removed"]


@pytest.mark.parametrize("trouble", ["truncate 0", "wrong-checksum", "truncate 9"])
def test_a_probe_that_went_wrong_is_no_removal(trouble: str) -> None:
    for removal in (0, 1):
        rig = Rig(requires_removal=removal)
        made = driver(rig, **FULL)
        rig.do("insert resident seed=5")
        events = polled(made, 2)
        rig.do(f"{trouble} answer=3003")
        assert told([*events, *polled(made, 20)]) == ["presented", "read"]


SWAPPED_AFTER = ("2001", "2002", "3010", "3003")


@pytest.mark.parametrize("removal", [0, 1])
@pytest.mark.parametrize("order", ["41", "24"])
@pytest.mark.parametrize("command", SWAPPED_AFTER)
def test_a_different_card_quickly_after_is_noticed_and_never_mixed(removal: int, order: str, command: str) -> None:
    rig = Rig(requires_removal=removal, wrong_order=order)
    made = driver(rig, **FULL, fingerprints=True, new_addresses=True)
    rig.do("insert resident seed=5 addresses=1 fingers=1")
    rig.then(command, "insert J seed=6 addresses=2 fingers=2")
    events = polled(made, 10)
    people = {
        card.number: (card.name, card.address, card.photo, card.fingerprints, card.addresses)
        for card in (
            citizen("resident seed=5 addresses=1 fingers=1"),
            citizen("J seed=6 addresses=2 fingers=2"),
        )
    }
    numbers = []
    for event in events:
        if isinstance(event, Read):
            holder = event.person
            assert holder is not None
            assert holder.number is not None
            prints = b"".join(holder.fingerprints or ())
            found = (holder.name, holder.address, holder.photo_wlt, prints, holder.new_addresses)
            assert found == people[holder.number]
            assert event.holder == rig.digest(holder.number)
            numbers.append(holder.number)
    assert numbers[-1] == citizen("J seed=6 addresses=2 fingers=2").number
    assert len(numbers) == len(set(numbers))
    assert told(events).count("read") + told(events).count("rejected:removed-too-early") <= 2


@pytest.mark.parametrize("removal", [0, 1])
@pytest.mark.parametrize("command", SWAPPED_AFTER)
def test_a_card_lifted_in_the_middle(removal: int, command: str) -> None:
    rig = Rig(requires_removal=removal)
    made = driver(rig, **FULL, fingerprints=True, new_addresses=True)
    rig.do("insert resident seed=5")
    rig.then(command, "remove")
    events = polled(made, 5)
    if command == "3003":
        assert told(events) == ["presented", "read", "removed"]
    else:
        assert told(events) == ["presented", "rejected:removed-too-early", "removed"]
        (rejected,) = [event for event in events if isinstance(event, Rejected)]
        assert (rejected.advice, rejected.hidden()) == ("lay-card-again", frozenset())


def test_addresses_not_wanted_do_not_decide_over_a_read() -> None:
    rig = Rig()
    made = driver(rig, **FULL)
    rig.do("insert resident seed=5")
    rig.then("3001", "remove")
    assert told(polled(made, 3)) == ["presented", "read", "removed"]


@pytest.mark.parametrize(("words", "reason"), [("unknown-type=1", "unknown-type")])
def test_a_card_that_is_not_understood(words: str, reason: str) -> None:
    rig = Rig()
    made = driver(rig, **FULL)
    rig.do(f"insert resident seed=5 {words}")
    events = polled(made, 5)
    assert told(events) == ["presented", f"rejected:{reason}"]
    assert isinstance(events[1], Rejected)
    assert (events[1].advice, events[1].status) == ("use-other-document", None)


def test_warnings_travel() -> None:
    rig = Rig()
    made = driver(rig, **FULL)
    rig.do("insert resident seed=5 bad-check=1 expired=1 nation=57")
    read = polled(made)[1]
    assert isinstance(read, Read)
    assert read.warnings == ("check-digit", "expired", "unknown-nation")


def test_an_event_is_accepted_before_the_next_step() -> None:
    """A generator: nothing is read before the announcement is durable."""
    rig = Rig()
    made = unopened(rig, **FULL)
    made.open()
    rig.do("insert resident seed=5")
    rig.sent.clear()
    events = iter(made.poll(0.3))
    assert isinstance(next(events), Presented)
    assert rig.sent == ["2001"]
    assert isinstance(next(events), Read)
