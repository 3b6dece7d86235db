"""Characters out of ``struct input_event`` records: presses only, shift, both Enters, and what the kernel drops."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers._hid_keys import PLAIN, SHIFTED, KeyDecoder

SHIFT, CTRL, ENTER, KEYPAD_ENTER = 42, 29, 28, 96
SYN_REPORT, SYN_DROPPED = 0, 3


def record(kind: int, code: int, value: int) -> bytes:
    return struct.pack("@llHHi", 1_700_000_000, 5, kind, code, value)


def key(code: int, value: int) -> bytes:
    return record(1, code, value) + record(0, SYN_REPORT, 0)


def stroke(*codes: int) -> bytes:
    return b"".join(key(code, 1) + key(code, 0) for code in codes)


def typed(data: bytes) -> str:
    return KeyDecoder().feed(data).decode("ascii")


def test_a_record_has_24_bytes() -> None:
    assert len(record(1, 2, 1)) == 24


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        (range(2, 14), "1234567890-="),
        (range(16, 28), "qwertyuiop[]"),
        (range(30, 42), "asdfghjkl;'`"),
        (range(43, 54), "\\zxcvbnm,./"),
        ((71, 72, 73, 75, 76, 77, 79, 80, 81, 82, 83), "7894561230."),
        ((ENTER, KEYPAD_ENTER, 57, 15), "\r\r \t"),
        ((1, 59, 102, 103, 108, 113, 240, 767), ""),
    ],
)
def test_the_keys_of_the_us_layout(codes: range | tuple[int, ...], text: str) -> None:
    assert typed(stroke(*codes)) == text


def test_shift_while_it_is_down() -> None:
    for shift in (42, 54):
        assert typed(key(shift, 1) + stroke(30, 2) + key(shift, 0) + stroke(30, 2)) == "A!a1"
    assert typed(key(SHIFT, 1) + stroke(*range(2, 12))) == "!@#$%^&*()"


def test_a_key_that_is_held_counts_once() -> None:
    assert typed(key(6, 1) + key(6, 2) * 50 + key(6, 0)) == "5"


@pytest.mark.parametrize("other", [29, 97, 56, 100, 125])
def test_with_ctrl_alt_or_logo_it_is_no_character(other: int) -> None:
    assert typed(key(other, 1) + stroke(2) + key(other, 0) + stroke(3)) == "2"


def test_what_is_no_key_is_left_out() -> None:
    assert typed(record(4, 4, 458782) + record(2, 0, 1) + record(17, 0, 1) + stroke(2)) == "1"


def test_after_a_drop_the_rest_of_the_group_is_left_out_and_all_keys_are_up() -> None:
    decoder = KeyDecoder()
    assert decoder.feed(key(SHIFT, 1) + record(0, SYN_DROPPED, 0) + record(1, 3, 1)) == b""
    assert decoder.feed(record(1, 4, 1) + record(0, SYN_REPORT, 0) + stroke(2)) == b"1"


@given(st.lists(st.integers(1, 60), max_size=8), st.lists(st.integers(1, 40), max_size=20))
def test_it_does_not_matter_how_records_are_cut(codes: list[int], cuts: list[int]) -> None:
    data, decoder, at, said = stroke(*codes), KeyDecoder(), 0, b""
    for cut in cuts:
        said += decoder.feed(data[at : at + cut])
        at += cut
    assert said + decoder.feed(data[at:]) == KeyDecoder().feed(data)


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_no_bytes_crash_it(pieces: list[bytes]) -> None:
    decoder = KeyDecoder()
    for piece in pieces:
        assert decoder.feed(piece).isascii()
        assert len(decoder._rest) < 24  # noqa: SLF001  # what it keeps is bounded


def test_the_tables_are_complete() -> None:
    assert PLAIN.keys() == SHIFTED.keys()
    assert all(len(char) == 1 for char in [*PLAIN.values(), *SHIFTED.values()])
