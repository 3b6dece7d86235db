"""Cards that answer anything: an event fits the vocabulary, and nobody is made of pieces."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers._card_apdu import Talk
from drivers._card_atr import parse_atr
from drivers._card_reading import Reading, read_card
from drivers._card_settings import Want
from drivers._card_status import CardProblem
from edge.events import CardRead, revealed
from tests.drivers.card_desk import FULL, PRESENCE, TODAY, TYPE_B, Reader, digest, fields, person, read

statuses = st.sampled_from([0x9000, 0x6282, 0x6982, 0x6A82, 0x6A83, 0x6700, 0x6C05, 0x6110, 0x6D00, 0x6A86, 0xFFFF])
garbage = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda data, status: data + status.to_bytes(2, "big"), st.binary(max_size=60), statuses),
)
wants = st.sampled_from([FULL, PRESENCE, fields("name"), fields("uid", "birth_date", "nation")])


@settings(database=None, max_examples=400)
@given(st.lists(garbage, min_size=1, max_size=60), wants, st.booleans())
def test_whatever_a_card_answers_the_event_fits_the_vocabulary(answers: list[bytes], want: Want, t0: bool) -> None:
    rest = iter(answers)
    atr = bytes.fromhex("3B00") if t0 else TYPE_B
    talk = Talk(lambda _: next(rest, b"\x6a\x82"), t0=t0)
    try:
        event = read_card(Reading(talk, atr, parse_atr(atr), want, digest, TODAY))
    except CardProblem:
        return
    assert msgspec.convert(revealed(event), type(event)) == event
    if isinstance(event, CardRead) and event.person is not None and want.fields is not None:
        assert set(revealed(event.person)) <= set(want.fields)


@settings(database=None, max_examples=200)
@given(
    st.integers(0, 60),
    garbage,
    st.sampled_from(["", "protocol=t0", "by=tag", "by=sfi", "interface=contactless chain=1"]),
)
def test_one_wrong_answer_never_makes_another_person(at: int, wrong: bytes, how: str) -> None:
    """A damaged answer may cost the reading or an item, but what is read is the card's."""
    reader, count = Reader(f"social-security seed=7 {how}"), 0

    def transmit(apdu: bytes) -> bytes:
        nonlocal count
        count += 1
        answer = reader.transmit(apdu)
        return wrong[:1] + b"\x01" if count == at + 1 else answer

    whole = revealed(person(read(f"social-security seed=7 {how}")))
    try:
        event = reader.read(FULL, transmit)
    except CardProblem:
        return
    if isinstance(event, CardRead) and event.card == "social-security":
        seen = revealed(person(event))
        assert {name: value for name, value in seen.items() if whole.get(name) != value} == {}
