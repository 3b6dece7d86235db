"""Frames: every vector of the protocol document, and hunting in noise."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers import _sdt_sam as sam
from drivers._sdt_frame import PREAMBLE, Answer, Hunter, checksum, request

relaxed = settings(deadline=None, database=None)  # a busy machine is no finding
HEAD = "AA AA AA 96 69 "

REQUESTS = [
    (sam.STATUS.frame, "00 03 11 FF ED"),
    (sam.SAM_ID.frame, "00 03 12 FF EE"),
    (sam.FIND.frame, "00 03 20 01 22"),
    (sam.SELECT.frame, "00 03 20 02 21"),
    (sam.READ.frame, "00 03 30 01 32"),
    (sam.READ_WITH_FINGERPRINTS.frame, "00 03 30 10 23"),
    (sam.ADDRESSES.frame, "00 03 30 03 30"),
    (sam.set_max_rf(0x50).frame, "00 04 61 FF 50 CA"),
    (request(0x10, 0xFF), "00 03 10 FF EC"),
    (request(0x30, 0x05), "00 03 30 05 36"),
    *[(request(0x60, n), f"00 03 60 0{n} 6{c}") for n, c in enumerate("32107") if n != 4],
    (request(0x60, 4), "00 03 60 04 67"),
]
ANSWERS = [
    ("00 08 00 00 9F 00 00 00 00 97", 0x9F, bytes(4)),
    ("00 04 00 00 80 84", 0x80, b""),
    ("00 0C 00 00 90 00 00 00 00 00 00 00 00 9C", 0x90, bytes(8)),
    ("00 04 00 00 81 85", 0x81, b""),
    ("00 04 00 00 90 94", 0x90, b""),
    ("00 04 00 00 41 45", 0x41, b""),
    ("00 04 00 00 32 36", 0x32, b""),
    ("00 04 00 00 91 95", 0x91, b""),
    ("00 04 00 00 60 64", 0x60, b""),
    ("00 04 00 00 66 62", 0x66, b""),
    ("00 04 00 00 10 14", 0x10, b""),
    ("00 04 00 00 11 15", 0x11, b""),
    ("00 04 00 00 21 25", 0x21, b""),
    (
        "00 14 00 00 90 05 00 03 00 5C 50 33 01 87 D6 12 00 4E 61 BC 00 6C",
        0x90,
        bytes.fromhex("05 00 03 00 5C 50 33 01 87 D6 12 00 4E 61 BC 00"),
    ),
]
LATE = bytes.fromhex(HEAD + ANSWERS[0][0])
VENDOR_TIMEOUT = bytes.fromhex(HEAD + "00 05 05 05 05")


def framed(status: int, data: bytes = b"", card_word: bytes = b"\0\0") -> bytes:
    """Write an answer the slow and obvious way."""
    body = card_word + bytes((status,)) + data
    counted = bytes(((len(body) + 1) // 256, (len(body) + 1) % 256)) + body
    check = 0
    for byte in counted:
        check ^= byte
    return PREAMBLE + counted + bytes((check,))


def hunted(*chunks: bytes) -> list[Answer]:
    """Return all answers in *chunks*, to the bitter end of the stream."""
    hunter = Hunter()
    found: list[Answer] = []
    for chunk in chunks:
        hunter.feed(chunk)
        while (answer := hunter.take()) is not None:
            found.append(answer)
    while (answer := hunter.give_up()) is not None:
        found.append(answer)
        while (answer := hunter.take()) is not None:
            found.append(answer)
    return found


def cut(data: bytes, offsets: list[int]) -> list[bytes]:
    """Cut *data* at *offsets*, anywhere and in any order."""
    edges = [0, *sorted(offset % (len(data) + 1) for offset in offsets), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize(("frame", "vector"), REQUESTS, ids=[vector[6:11] for _, vector in REQUESTS])
def test_request_is_as_published(frame: bytes, vector: str) -> None:
    assert frame == bytes.fromhex(HEAD + vector)


@pytest.mark.parametrize(("vector", "status", "data"), ANSWERS, ids=[vector for vector, _, _ in ANSWERS])
def test_answer_is_understood(vector: str, status: int, data: bytes) -> None:
    (answer,) = hunted(bytes.fromhex(HEAD + vector))
    assert (answer.status, answer.data, answer.card_word) == (status, data, b"\0\0")


def test_full_read_vectors() -> None:
    fields = [("张三", 30), ("1", 2), ("01", 4), ("19491231", 16), ("北京市朝阳区示例路1号", 70)]
    fields += [
        ("11010519491231002X", 36),
        ("北京市公安局朝阳分局", 30),
        ("20150101", 16),
        ("长期", 16),
        ("", 36),
    ]
    text = b"".join(word.ljust(size // 2).encode("utf-16-le") for word, size in fields)
    assert hashlib.sha256(text).hexdigest().startswith("04bc8cb913ae6404")
    plain = framed(0x90, bytes.fromhex("01 00 04 00") + text + bytes(1024))
    assert (len(plain), plain[:14], plain[-1]) == (
        1295,
        bytes.fromhex(HEAD + "05 08 00 00 90 01 00 04 00"),
        0xC8,
    )
    assert hunted(plain)[0].data[4:260] == text
    for fingers, size, check in ((0, 1297, 0xCA), (512, 1809, 0xCA), (1024, 2321, 0xC2)):
        sizes = bytes.fromhex("01 00 04 00") + fingers.to_bytes(2, "big")
        frame = framed(0x90, sizes + text + bytes(1024 + fingers))
        assert (len(frame), frame[-1]) == (size, check)
        assert sam.READ_WITH_FINGERPRINTS.fits(hunted(frame)[0])


def test_an_answer_never_shows_what_it_holds() -> None:
    assert "secret" not in repr(Answer(0x90, b"", b"secret"))


@pytest.mark.parametrize("length", [0, 3, 4097, 65535])
def test_a_bad_length_is_a_false_preamble(length: int) -> None:
    noise = PREAMBLE + length.to_bytes(2, "big")
    assert [answer.status for answer in hunted(noise + framed(0x80))] == [0x80]


def test_the_echo_of_our_own_request_is_no_answer() -> None:
    assert [answer.status for answer in hunted(sam.FIND.frame + framed(0x80))] == [0x80]


def test_the_longest_frame() -> None:
    assert len(hunted(framed(0x90, bytes(4092)))[0].data) == 4092
    assert hunted(framed(0x90, bytes(4093))) == []


def test_a_wrong_checksum_is_seen_and_what_follows_is_found() -> None:
    bad = framed(0x9F, bytes(4))[:-1] + b"\xff"
    hunter = Hunter()
    hunter.feed(bad)
    assert hunter.take() is None
    assert hunter.broken
    assert [answer.status for answer in hunted(bad + framed(0x80))] == [0x80]


def test_noise_like_a_preamble_does_not_swallow_the_frame_behind_it() -> None:
    assert [answer.status for answer in hunted(PREAMBLE + b"\x0f\xff", framed(0x80))] == [0x80]
    assert [answer.status for answer in hunted(VENDOR_TIMEOUT)] == []
    assert [answer.status for answer in hunted(VENDOR_TIMEOUT + framed(0x90))] == [0x90]


def test_a_preamble_inside_a_photo_is_no_frame() -> None:
    data = PREAMBLE * 3 + framed(0x41) + bytes(100) + PREAMBLE[:3]
    assert [answer.data for answer in hunted(framed(0x90, data))] == [data]


def test_the_buffer_does_not_grow_on_noise() -> None:
    hunter = Hunter()
    for _ in range(100):
        hunter.feed(b"\xaa" * 4096)
        assert hunter.take() is None
    assert len(hunter._buffer) < len(PREAMBLE)  # noqa: SLF001 - that it stays small is the point


@relaxed
@given(st.sampled_from([0x90, 0x9F]), st.binary(max_size=600), st.lists(st.integers(0, 10_000), max_size=20))
def test_a_frame_is_found_however_it_is_cut(status: int, data: bytes, offsets: list[int]) -> None:
    (answer,) = hunted(*cut(framed(status, data, b"\x12\x34"), offsets))
    assert (answer.status, answer.card_word, answer.data) == (status, b"\x12\x34", data)


lengths = st.one_of(st.integers(0, 3), st.integers(4097, 0xFFFF), st.integers(2000, 4096))
false_preambles = lengths.map(lambda length: PREAMBLE + length.to_bytes(2, "big"))
plain_noise = st.binary(max_size=40).filter(lambda noise: PREAMBLE not in noise + PREAMBLE[:4])
pieces = st.one_of(plain_noise, false_preambles, st.sampled_from([PREAMBLE[:4], b"\xaa" * 7]))


@relaxed
@given(st.lists(pieces, max_size=6).map(b"".join), st.binary(max_size=300), st.lists(st.integers(0, 10_000)))
@example(PREAMBLE + b"\x10\x00", b"", [])
@example(VENDOR_TIMEOUT, bytes(4), [])
def test_a_frame_is_found_behind_any_noise(lead: bytes, data: bytes, offsets: list[int]) -> None:
    found = hunted(*cut(lead + framed(0x90, data), offsets))
    assert [(answer.status, answer.data) for answer in found] == [(0x90, data)]


@relaxed
@given(st.binary(max_size=3000), st.lists(st.integers(0, 10_000), max_size=20))
def test_noise_never_raises_and_ends(data: bytes, offsets: list[int]) -> None:
    for answer in hunted(*cut(data, offsets)):
        assert len(answer.data) <= 4092


@relaxed
@given(st.binary())
def test_checksum_cancels_itself(data: bytes) -> None:
    assert checksum(data + bytes((checksum(data),))) == 0


@pytest.mark.parametrize(
    ("command", "answer", "fits"),
    [
        (sam.FIND, LATE, True),
        (sam.FIND, framed(0x80), True),
        (sam.FIND, framed(0x90), False),
        (sam.FIND, framed(0x9F, bytes(5)), False),
        (sam.SELECT, LATE, False),
        (sam.SELECT, framed(0x90, bytes(8)), True),
        (sam.SELECT, framed(0x90), False),
        (sam.SELECT, framed(0x81), True),
        (sam.READ, framed(0x90, bytes(8)), False),
        (sam.READ, framed(0x90, bytes(16)), False),
        (sam.READ, framed(0x90, bytes(1284)), True),
        (sam.ADDRESSES, framed(0x90, bytes(140)), True),
        (sam.ADDRESSES, framed(0x90, bytes(71)), False),
        (sam.ADDRESSES, framed(0x91), True),
        (sam.SAM_ID, framed(0x90), False),
        (sam.BARRIER, framed(0x80), False),
        (sam.BARRIER, framed(0x60), True),
        (sam.BARRIER, framed(0x90, bytes(16)), True),
    ],
)
def test_what_answers_fit_a_command(command: sam.Command, answer: bytes, fits: bool) -> None:
    assert command.fits(hunted(answer)[0]) is fits
