"""Answers to reset: what ISO 7816-3 and PC/SC part 3 say, and that nothing else is believed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers._card_atr import Atr, parse_atr
from drivers._card_reading import card_kind
from simulators.cards import PRODUCTS, make_card, storage, with_check
from simulators.words import Words

UNREADABLE = Atr(valid=False, interface="unknown", protocols=frozenset(), historical=b"")


@pytest.mark.parametrize(
    ("text", "interface", "protocols", "historical"),
    [
        ("3B6500002063CB6800", "contact", {0}, "2063CB6800"),
        ("3B00", "contact", {0}, ""),
        ("3F6525002A09006900", "contact", {0}, "2A09006900"),
        ("3BF81300008131FE454A434F5076323431B7", "contact", {1}, "4A434F5076323431"),
        ("3B8F8001804F0CA000000306030001000000006A", "contactless", {0, 1}, "804F0CA0000003060300010000 0000"),
        ("3B8180018080", "contactless", {0, 1}, "80"),
    ],
)
def test_what_an_atr_says(text: str, interface: str, protocols: set[int], historical: str) -> None:
    atr = parse_atr(bytes.fromhex(text))
    assert atr.valid
    assert f"{atr.interface} {sorted(atr.protocols)}" == f"{interface} {sorted(protocols)}"
    assert atr.historical == bytes.fromhex(historical)


@pytest.mark.parametrize(
    "text",
    [
        "", "3B", "3C00", "3B01", "3B80", "3B8001", "3B6500002063CB68", "3B6500002063CB680000",
        "3B8F8001804F0CA000000306030001000000006B", "3B8180018081", "3B" * 34, "3BF0" + "FF" * 31,
    ],
)  # fmt: skip
def test_what_breaks_the_rules_says_nothing(text: str) -> None:
    assert parse_atr(bytes.fromhex(text)) == UNREADABLE


@pytest.mark.parametrize(
    ("product", "name"),
    [("1k", "Classic 1K"), ("4k", "Classic 4K"), ("ultralight", "Ultralight"), ("mini", "Mini")],
)
def test_storage_cards_have_names(product: str, name: str) -> None:
    atr = parse_atr(storage(product, 1).atr)
    assert (atr.storage, atr.product, card_kind(atr)) == (True, f"MIFARE {name}", "storage")
    assert product in PRODUCTS


def test_a_storage_card_without_a_name_shows_its_number() -> None:
    assert parse_atr(with_check("3B8F8001804F0CA00000030603F00400000000")).product == "storage card F004"


def test_an_id_card_is_known_by_its_type_b_answer() -> None:
    atr = parse_atr(make_card("id-card", Words(), 1).atr)
    assert (atr.id_card, atr.type_b, card_kind(atr)) == (True, True, "id-card")
    other = parse_atr(with_check("3B888001D103860C00808100"))
    assert (other.id_card, other.type_b, card_kind(other)) == (False, True, "cpu")


def test_its_repr_says_nothing() -> None:
    assert "historical" not in repr(parse_atr(storage("1k", 1).atr))


@given(st.binary(max_size=40))
def test_anything_is_parsed_or_refused(data: bytes) -> None:
    atr = parse_atr(data)
    if atr.valid:
        assert data[0] in (0x3B, 0x3F)
        assert atr.historical in data
    else:
        assert replace(atr) == UNREADABLE


@given(st.binary(min_size=0, max_size=15), st.booleans())
def test_every_contactless_atr_is_understood(historical: bytes, damaged: bool) -> None:
    data = bytearray(with_check(f"3B8{len(historical):X}8001{historical.hex()}"))
    data[-1] ^= damaged
    assert parse_atr(bytes(data)).valid is not damaged
