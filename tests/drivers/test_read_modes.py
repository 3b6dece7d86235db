"""What the read mode does not ask for never leaves the driver: looked for in all that crosses to the core.

The ID-card driver runs in the lane's thread: what crosses are its events, reports, log lines and errors. The smart-card
driver runs in a process of its own: what crosses is every byte on the socket pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import msgspec
import pytest

from drivers.card_pcsc import PcscCardDriver
from edge import logs
from edge.errors import EdgeError
from edge.events import CardRead, Payload, PersonField, Read, ReadCard, ReadSmartCard, SmartCardField
from edge.jobs import DeviceJob
from edge.lanes import channel
from edge.lanes.process import RemoteDriver
from edge.links.address import parse_address
from edge.port import DevicePort
from simulators.card_files import holder
from simulators.people import citizen
from simulators.words import Words
from tests.contract.harness import polled as polled_until
from tests.drivers.card_rig import REQUEST_ID, Simulator, leading_to
from tests.drivers.idcard_rig import Job, Rig, driver, executed, polled
from tests.support import canaries
from tests.support.canaries import Canary

# --- ID cards ------------------------------------------------------------------------------------

WHO = {
    "resident": "resident seed=11 addresses=1 fingers=2",
    "J": "J seed=12 fingers=2",
    "I": "I seed=13 fingers=2",
    "Y": "Y seed=14 fingers=2",
}


def of_fields(words: str) -> dict[PersonField, list[Canary]]:
    """Return what each field of a card would leave behind."""
    person = citizen(words)
    foreign = person.kind in ("I", "Y")
    found: dict[PersonField, list[Canary]] = {
        "name": [person.english_name if foreign else person.name],
        "name_zh": [person.name] if foreign else [],
        "address": [person.address],
        "number": [person.number],
        "new_addresses": list(person.addresses),
        "permit_number": [person.travel_permit],
        "issuer": [person.issuer],
        "photo_wlt": [person.photo],
        "fingerprints": [person.fingerprints],
    }
    days = {"birth_date": person.birth, "valid_from": person.valid_from, "valid_until": person.valid_until}
    for name, day in days.items():
        found[name] = [day, f"{day[:4]}-{day[4:6]}-{day[6:]}"] if day.isdigit() else []  # type: ignore[index]
    return {name: [text for text in texts if len(text) > 2] for name, texts in found.items()}


def crossed(events: list[Payload], job: Job, rig: Rig) -> list[tuple[str, bytes]]:
    """Return all that the core sees: as the lane of another process would write it, and as it is shown."""
    written = [("an event", channel.encode(event)) for event in events]
    shown = [("a repr", repr(event).encode()) for event in events]
    return [*written, *shown, ("a report", repr(job.said).encode()), ("the log", repr(rig.logged).encode())]


def check(words: str, asked: tuple[PersonField, ...], places: list[tuple[str, bytes]]) -> None:
    """See that only what was *asked* has crossed, and that it has."""
    told = of_fields(words)
    kept = [text for name, texts in told.items() if name not in asked for text in texts]
    given = {text for name, texts in told.items() if name in asked for text in texts}
    kept = [text for text in kept if not any(_within(text, one) for one in given)]
    assert not canaries.found(kept, places)
    for name in asked:
        seen = canaries.found(told.get(name, []), places)
        assert seen or not told.get(name), f"{name} was asked for and has not crossed: the test proves nothing"


def _within(part: Canary, whole: Canary) -> bool:
    """Return whether *part* crosses with *whole*: a birth date is a part of the number."""
    return part in whole if isinstance(part, str) and isinstance(whole, str) else part == whole


@pytest.mark.parametrize("who", WHO.values(), ids=WHO)
@pytest.mark.parametrize("mode", ["presence", "verify"])
def test_presence_and_verify_let_nothing_out(who: str, mode: str) -> None:
    rig = Rig()
    made, job = driver(rig, read=mode), Job(rig)
    rig.do(f"insert {who}")
    events = polled(made, 5)
    if mode == "verify":
        rig.do("remove")
        events += polled(made, 5)
        for number in (citizen(who).number, "0" * 18, None):
            rig.do(f"insert {who}")
            answers = executed(made, Job(rig), **({"number": number} if number else {}))
            assert [event.verified for event in answers if isinstance(event, Read)] == [
                None if number is None else number == citizen(who).number
            ]
            events += answers
            rig.do("remove")
            events += polled(made, 5)
    check(who, (), crossed(events, job, rig))


@pytest.mark.parametrize("who", WHO.values(), ids=WHO)
@pytest.mark.parametrize("field", [name for name in get_args(PersonField) if name != "fingerprints"])
def test_one_field_lets_out_that_field_alone(who: str, field: PersonField) -> None:
    rig = Rig()
    made, job = driver(rig, read="fields", fields=(field,)), Job(rig)
    rig.do(f"insert {who}")
    events = polled(made, 5)
    read = next(event for event in events if isinstance(event, Read))
    assert read.person is not None
    held = {name for name in read.person.__struct_fields__ if getattr(read.person, name) is not None}
    assert held <= {field, "long_term"}
    check(who, (field,), crossed(events, job, rig))


def test_a_number_to_compare_with_lets_no_field_out_even_where_fields_are_read() -> None:
    rig = Rig()
    made, job = driver(rig, read="full", purpose="test", auto=False), Job(rig)
    rig.do(f"insert {WHO['resident']}")
    events = list(made.execute(ReadCard(number="0" * 18), job))
    assert [event.verified for event in events if isinstance(event, Read)] == [False]
    check(WHO["resident"], (), crossed(events, job, rig))


def test_full_lets_out_all_but_fingerprints_that_were_not_asked_for() -> None:
    for fingerprints in (False, True):
        rig = Rig()
        made = driver(rig, read="full", purpose="test", fingerprints=fingerprints, new_addresses=True)
        job = Job(rig)
        rig.do(f"insert {WHO['resident']}")
        every = tuple(name for name in get_args(PersonField) if fingerprints or name != "fingerprints")
        check(WHO["resident"], every, crossed(polled(made, 5), job, rig))


# --- smart cards ---------------------------------------------------------------------------------

CARD = "social-security seed=7"
WAYS: dict[str, tuple[Mapping[str, object], tuple[str, ...]]] = {
    "presence": ({}, ()),
    "name": ({"read": "fields", "fields": ["name"]}, ("name",)),
    "number": ({"read": "fields", "fields": ["number"]}, ("number",)),
    "account": ({"read": "fields", "fields": ["card_number", "sex"]}, ("card_number",)),
    "full": ({"read": "full", "purpose": "test"}, ("name", "number", "card_number", "identification")),
}


def of_card() -> dict[SmartCardField, list[Canary]]:
    person = citizen("resident seed=7 rare=0 long=0")
    items = holder(Words(["seed=7"]), 0).items
    return {
        "name": [person.name],
        "number": [person.number],
        "card_number": [items[0x07].decode()],
        "identification": [items[0x01].hex().upper().rstrip("F"), items[0x01]],
    }


@pytest.fixture
def socket_pair(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Keep every message that comes from the driver's process, as it comes."""
    heard: list[bytes] = []
    receive = channel.Channel.receive

    def recorded(self: channel.Channel) -> tuple[channel.Buffer, list[int]]:
        data, fds = receive(self)
        heard.append(bytes(data))
        return data, fds

    monkeypatch.setattr(channel.Channel, "receive", recorded)
    return heard


@pytest.mark.parametrize(("settings", "asked"), WAYS.values(), ids=WAYS)
def test_only_what_was_asked_for_crosses_the_socket_pair(
    service: Simulator,
    socket_pair: list[bytes],
    settings: Mapping[str, object],
    asked: tuple[SmartCardField, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logs.TRAFFIC, "hall-edge")
    service.reset()
    with leading_to(service.path) as address:
        port = DevicePort("card", parse_address(f"{address}&slot=0", PcscCardDriver.addresses), b"test")
        made = RemoteDriver(PcscCardDriver, msgspec.convert(settings, PcscCardDriver.settings_type), port)
        try:
            made.open()
            service.do(f"insert {CARD}")
            events = polled_until(made, lambda seen: any(isinstance(event, CardRead) for event in seen), 5.0)
            service.do("remove")
            job = DeviceJob(REQUEST_ID, ReadSmartCard(), port.monotonic() + 0.3)
            with pytest.raises(EdgeError):
                list(made.execute(ReadSmartCard(), job))
        finally:
            made.close()
    assert any(isinstance(event, CardRead) for event in events)
    assert len(socket_pair) > 3, "nothing was recorded: the test proves nothing"
    pair = [("the socket pair", b"\n".join(socket_pair)), ("the log", caplog.text.encode())]
    told = of_card()
    kept = [text for name, texts in told.items() if name not in asked for text in texts]
    assert not canaries.found(kept, pair)
    for name in asked:
        assert canaries.found(told[name][:1], pair[:1]), f"{name} was asked for"
        assert not canaries.found(told[name], pair[1:])
