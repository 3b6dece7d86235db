"""P2, P3, P4: texts in any character set, numbers that cannot be right, and the same card twice."""

from __future__ import annotations

import datetime as dt
import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import _card_person as persons
from drivers import _sdt_record as records
from drivers._card_social import ITEMS, Found
from drivers._code_text import Encoding, decode
from edge import logs
from edge.envelope import Draft, EnvelopeRenderer
from edge.events import Payload, Read, Scanned, revealed
from edge.sealing.jwe import JweSealer, new_key, opened
from edge.store.outbox import Row
from edge.subscriber.event import Event
from edge.subscriber.model import Delivery
from edge.subscriber.topics import EventTopic
from edge.subscriber.wire import public_view
from edge.tools.lines import event_line
from simulators.people import citizen
from simulators.records import text_record
from tests.drivers.idcard_rig import Rig, driver, polled

KEY = new_key()
TODAY = dt.date(2026, 11, 23)
quick = settings(deadline=None, max_examples=150)
GB18030 = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=10)
HOSTILE = [
    "\x1b[2J\x1b]0;pwned\x07",
    "two\r\nlines",
    "nul\0inside",
    "\u202egnp.exe",
    "𠮷\ue000",
    '{"a": 1}',
    "\u0085\u2028",
]


def rendered(event: Payload, seq: int = 1) -> Row:
    return EnvelopeRenderer("h", "w", sealer=JweSealer([KEY])).render(Draft("dev-1", event), seq, 1)


def unsealed(row: Row) -> dict[str, object]:
    assert row.sealed is not None
    found: dict[str, object] = json.loads(opened(row.sealed, [KEY])[0])["data"]
    return found


# --- P2 ------------------------------------------------------------------------------------------


@quick
@given(st.binary(min_size=1, max_size=60), st.sampled_from(["auto", "utf-8", "gb18030", "latin-1"]))
def test_a_code_of_any_bytes_is_sent_and_nothing_of_it_is_lost(data: bytes, encoding: Encoding) -> None:
    text, used, raw = decode(data, encoding)
    sent = unsealed(rendered(Scanned(content="personal", length_bytes=len(data), encoding=used, text=text, raw=raw)))
    assert sent["text"] == text
    assert raw == data or bytes(text.encode(used)) == data


@quick
@given(GB18030)
def test_every_character_of_gb18030_on_a_card_arrives(name: str) -> None:
    name = name.rstrip(" \u3000\u00ff")
    stored = name.encode("gb18030")[:30]
    if not name or stored.decode("gb18030", "replace") != name or stored.endswith(b"\xff"):
        return
    found = Found({"name": stored.ljust(30, b"\0")})
    card, _ = persons.describe(found, frozenset({"name"}), TODAY)
    assert card.name == name


@quick
@given(st.binary(min_size=256, max_size=256), st.sampled_from([" ", "J", "I", "Y"]))
def test_an_id_card_of_any_bytes_is_refused_or_sent(text: bytes, kind: str) -> None:
    text = text[:248] + kind.encode("utf-16-le") + text[250:]
    try:
        record = records.parse(records.Sections(text, bytes(1024), None), TODAY)
    except records.UnreadableError:
        return
    read = Read(
        mode="full",
        document=record.document,
        warnings=record.warnings,
        holder="0" * 32,
        purpose="x",
        person=record.holder,
    )
    sent = unsealed(rendered(read))
    assert sent["person"] == revealed(record.holder)


@pytest.mark.parametrize("text", HOSTILE)
def test_controls_stay_in_the_payload_and_reach_no_log_and_no_terminal(text: str) -> None:
    assert unsealed(rendered(Scanned(content="personal", length_bytes=9, text=text)))["text"] == text
    row = rendered(Scanned(content="public", length_bytes=9, text=text))
    assert json.loads(row.public)["data"]["text"] == text
    topic = EventTopic("h", "w", "event", "code-scanner", "dev-1", "scanned")
    event = Event(Delivery(window="h/w", epoch=1, seq=1, public=public_view(topic, row.public).body))
    for shown in (str(logs.shown(text)), event_line(event, show_personal=True)):
        assert not [char for char in shown if unicodedata.category(char).startswith("C") or char in "\u2028\u2029"]


# --- P3 ------------------------------------------------------------------------------------------


@quick
@given(st.integers(0, 400), st.integers(0, 17), st.sampled_from("0123456789XA?"))
def test_a_number_is_told_to_be_wrong_and_never_repaired(seed: int, at: int, instead: str) -> None:
    person = citizen(f"resident seed={seed}")
    number = person.number[:at] + instead + person.number[at + 1 :]
    text = bytearray(text_record(person))
    text[122:158] = number.encode("utf-16-le")
    record = records.parse(records.Sections(bytes(text), person.photo, None), TODAY)
    assert record.number == record.holder.number == number
    assert ("check-digit" in record.warnings) == (number != person.number)


@pytest.mark.parametrize(
    "day", ["19901332", "20010229", "00000000", "1990-1-1", "        ", "2001022", "９９９９０１０１"]
)
def test_a_day_that_is_none_is_left_out_and_told(day: str) -> None:
    person = citizen("resident seed=5")
    text = bytearray(text_record(person))
    text[36:52] = day.ljust(8).encode("utf-16-le")[:16]
    record = records.parse(records.Sections(bytes(text), person.photo, None), TODAY)
    assert record.holder.birth_date is None
    assert "birth-mismatch" in record.warnings
    assert record.number == person.number


def test_a_smart_cards_wrong_number_is_told_and_kept() -> None:
    wrong = "11010519491231002Y"
    found = Found({"number": wrong.encode("ascii").ljust(ITEMS["number"].size, b"\0")})
    card, warnings = persons.describe(found, frozenset({"number"}), TODAY)
    assert (card.number, "check-digit" in warnings) == (wrong, True)


# --- P4 ------------------------------------------------------------------------------------------


def cards_read(*people: str) -> list[Read]:
    """Return what a reader says of cards that are laid on it one after the other."""
    rig, found = Rig(), list[Payload]()
    made = driver(rig, read="fields", fields=("number",))
    for who in people:
        rig.do(f"insert {who}")
        found += polled(made, 5)
        rig.do("remove")
        found += polled(made, 5)
    return [event for event in found if isinstance(event, Read)]


def test_the_same_card_twice_is_two_events_that_can_be_matched() -> None:
    first, again, other = cards_read("resident seed=1", "resident seed=1", "resident seed=2")
    assert first.holder == again.holder != other.holder
    assert first.person == again.person
    rows = [rendered(event, seq) for seq, event in enumerate((first, again, other), 1)]
    assert len({row.id for row in rows}) == 3
    assert [json.loads(row.public)["seq"] for row in rows] == ["1", "2", "3"]
    assert first.person is not None
    assert str(citizen("resident seed=1").number) not in first.holder
