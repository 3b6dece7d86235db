"""Cutting, duplicates, AIM identifiers and character sets: pure functions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers._code_cutter import BROKEN_OFF, TOO_LONG, CodeCutter, RecentCodes, Terminator
from drivers._code_text import SYMBOLOGIES, Encoding, decode

MARKS: dict[Terminator, bytes] = {"auto": b"\r\n", "cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "tab": b"\t"}
terminators = st.sampled_from(list(MARKS))


class Cut:
    """A cutter and what it dropped."""

    def __init__(self, terminator: Terminator, max_bytes: int = 100) -> None:
        self.dropped: list[tuple[str, int]] = []
        self.cutter = CodeCutter(terminator, max_bytes, lambda code, length: self.dropped.append((code, length)))

    def feed(self, *chunks: bytes) -> list[bytes]:
        return [code for chunk in chunks for code in self.cutter.feed(chunk)]


@settings(deadline=None)
@given(terminator=terminators, codes=st.lists(st.binary(min_size=1, max_size=30)), cuts=st.lists(st.integers(0, 900)))
def test_every_split_gives_the_same_codes(terminator: Terminator, codes: list[bytes], cuts: list[int]) -> None:
    mark = MARKS[terminator]
    codes = [code.translate(None, b"\r\n\t") or b"x" for code in codes]
    stream = b"".join(code + mark for code in codes)
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    cut = Cut(terminator)
    assert cut.feed(*(stream[a:b] for a, b in pairwise(places))) == codes
    assert not cut.cutter.pending
    assert not cut.dropped


@settings(deadline=None)
@given(terminator=st.sampled_from([*MARKS, "none"]), chunks=st.lists(st.binary(max_size=60)))
def test_any_bytes_are_survived_with_bounded_memory(terminator: Terminator, chunks: list[bytes]) -> None:
    cut = Cut(terminator, max_bytes=20)
    for chunk in chunks:
        assert all(1 <= len(code) <= 20 for code in cut.feed(chunk))
        assert len(cut.cutter._rest) <= 21  # noqa: SLF001  the promise is about memory
    assert cut.cutter.silence() == [] or terminator == "none"
    assert not cut.cutter.pending
    assert not cut.cutter.silence()


def test_auto_cuts_at_any_line_end_and_leaves_tabs() -> None:
    assert Cut("auto").feed(b"A\rB\nC\r", b"\nD\tE\r\n\r\n") == [b"A", b"B", b"C", b"D\tE"]


def test_crlf_alone_ends_a_code_when_it_is_set() -> None:
    assert Cut("crlf").feed(b"A\rB\nC\r", b"\nD\r\n") == [b"A\rB\nC", b"D"]


@pytest.mark.parametrize("terminator", MARKS)
@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_code_that_is_too_long_is_dropped_up_to_its_end(terminator: Terminator, size: int) -> None:
    mark = MARKS[terminator][-2:] if terminator == "crlf" else MARKS[terminator][:1]
    stream = b"1" * 10 + mark + b"2" * 50 + mark + b"3" * 10 + mark
    cut = Cut(terminator, max_bytes=10)
    assert cut.feed(*(stream[at : at + size] for at in range(0, len(stream), size))) == [b"1" * 10, b"3" * 10]
    assert cut.dropped == [(TOO_LONG, 50)]


def test_a_code_that_breaks_off_is_dropped() -> None:
    cut = Cut("auto")
    assert cut.feed(b"HALF") == []
    assert cut.cutter.pending
    assert cut.cutter.silence() == []
    assert cut.dropped == [(BROKEN_OFF, 4)]
    assert cut.feed(b"WHOLE\r") == [b"WHOLE"]


def test_a_code_that_is_too_long_and_breaks_off_ends_there() -> None:
    cut = Cut("cr", max_bytes=10)
    assert cut.feed(b"1" * 15, b"2" * 5) == []
    assert cut.cutter.silence() == []
    assert cut.dropped == [(TOO_LONG, 20)]
    assert cut.feed(b"3\r") == [b"3"]


def test_without_a_terminator_silence_is_the_end() -> None:
    cut = Cut("none", max_bytes=10)
    assert cut.feed(b"A\r", b"\nB") == []
    assert cut.cutter.silence() == [b"A\r\nB"]
    assert cut.feed(b"1" * 8, b"2" * 8, b"3" * 2) == []
    assert cut.cutter.silence() == []
    assert cut.dropped == [(TOO_LONG, 18)]


def test_recent_codes() -> None:
    recent = RecentCodes(1.5)
    assert not recent.has(b"A", 10.0)
    assert recent.has(b"A", 11.4)
    assert recent.has(b"A", 12.8), "held before the gun: every reading counts anew"
    assert not recent.has(b"B", 12.9)
    assert recent.has(b"A", 14.2)
    assert not recent.has(b"A", 15.7)
    assert not recent.has(b"B", 15.8)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([b"A", b"B", b"C"]), st.integers(0, 40)), max_size=60))
def test_recent_codes_forget_at_the_right_time_whatever_comes(scans: list[tuple[bytes, int]]) -> None:
    recent, last, now = RecentCodes(1.5), dict[bytes, int](), 0
    for code, pause in scans:
        now += pause
        wanted = code in last and (now - last[code]) / 16 < 1.5
        assert recent.has(code, now / 16) == wanted
        last[code] = now


def test_no_duplicate_time_means_no_duplicates() -> None:
    recent = RecentCodes(0)
    assert not recent.has(b"A", 1.0)
    assert not recent.has(b"A", 1.0)


# --- what a code says ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aim", "symbology"),
    [("]Q1", "qr-code"), ("]Q3", "gs1-qr-code"), ("]C0", "code-128"), ("]C1", "gs1-128"), ("]E0", "ean-upc"),
     ("]d2", "gs1-data-matrix"), ("]A7", "code-39"), ("]h0", "han-xin"), ("]L2", "pdf417"), ("]X4", "isbn")],
)  # fmt: skip
def test_symbologies(aim: str, symbology: str) -> None:
    assert SYMBOLOGIES[aim.encode()] == (aim, symbology)


def test_what_is_no_aim_identifier() -> None:
    assert not {b"]Q9", b"]q1", b"]Y0", b"[Q1", b"]Q", b"]Q1x"} & SYMBOLOGIES.keys()


@pytest.mark.parametrize(
    ("data", "encoding", "text", "used", "same"),
    [
        (b"A001", "auto", "A001", "utf-8", True),
        ("张三".encode(), "auto", "张三", "utf-8", True),
        ("张三".encode("gb18030"), "auto", "张三", "gb18030", True),
        ("𠮷".encode("gb18030"), "auto", "𠮷", "gb18030", True),
        (b"caf\xe9", "auto", "café", "latin-1", True),
        (b"\xff\xfe\x00", "auto", "ÿþ\x00", "latin-1", True),
        (b"\x00\x1d\x1b", "auto", "\x00\x1d\x1b", "utf-8", True),
        # two GBK characters that happen to be valid UTF-8: a hall that knows says so
        (b"\xc2\xb7\xc2\xb7", "gb18030", "路路", "gb18030", True),
        (b"\xc2\xb7\xc2\xb7", "auto", "··", "utf-8", True),
        (b"caf\xe9", "utf-8", "caf\ufffd", "utf-8", False),
        (b"caf\xe9", "gb18030", "caf\ufffd", "gb18030", False),
        ("é".encode(), "latin-1", "Ã©", "latin-1", True),
    ],
)
def test_character_sets(data: bytes, encoding: Encoding, text: str, used: str, same: bool) -> None:
    assert decode(data, encoding) == (text, used, None if same else data)


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["auto", "utf-8", "gb18030", "latin-1"]))
def test_the_bytes_are_never_lost(data: bytes, encoding: Encoding) -> None:
    text, used, raw = decode(data, encoding)
    assert (text.encode(used) if raw is None else raw) == data
