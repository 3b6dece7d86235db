"""Faults without I/O: which answers they hit, and the timed pieces they leave."""

from __future__ import annotations

import pytest

from simulators.faults import PULL_GRACE_S, Line, Piece, fault_from
from simulators.idcard_sdt import IdCardReader
from simulators.model import Output
from simulators.scenario import split_line
from simulators.words import ScenarioError, Words

NOW = 10.0
ANSWER = Output(b"0123456789", b"\x30\x01")
OTHER = Output(b"other", b"\x20\x01")


def line_with(*faults: str) -> Line:
    line = Line(seed=3)
    for fault in faults:
        action, *words = split_line(fault)
        line.add(fault_from(action, Words(words), IdCardReader(Words()), line.noise)())
    return line


def said(line: Line, output: Output = ANSWER, now: float = NOW) -> list[Piece]:
    line.say(output, now)
    pieces = []
    while piece := line.take(now + 1000):
        pieces.append(piece)
    return pieces


def test_no_fault() -> None:
    assert said(line_with()) == [Piece(NOW, b"0123456789")]


@pytest.mark.parametrize(
    ("fault", "pieces"),
    [
        ("garbage hex=AAAAAA9669", [Piece(NOW, bytes.fromhex("AAAAAA9669") + b"0123456789")]),
        ("late 1.5", [Piece(NOW + 1.5, b"0123456789")]),
        ("truncate 4", [Piece(NOW, b"0123")]),
        ("truncate 0", []),
        ("chunk 4 gap=0.5", [Piece(NOW, b"0123"), Piece(NOW + 0.5, b"4567"), Piece(NOW + 1, b"89")]),
        ("wrong-checksum", [Piece(NOW, b"012345678\xc6")]),
        ("replace 0506", [Piece(NOW, b"\x05\x06")]),
        ("unplug-after 3", [Piece(NOW, b"012"), Piece(NOW + PULL_GRACE_S, b"", pull=True)]),
        ("unplug-after 0", [Piece(NOW + PULL_GRACE_S, b"", pull=True)]),
    ],
)
def test_a_fault_hits_the_next_answer_once(fault: str, pieces: list[Piece]) -> None:
    line = line_with(fault)
    assert said(line) == pieces
    assert said(line) == [Piece(NOW, b"0123456789")]


def test_garbage_is_the_same_for_the_same_seed() -> None:
    (first,) = said(line_with("garbage 7"))
    assert (len(first.data), first.data[7:]) == (17, b"0123456789")
    assert said(line_with("garbage 7")) == [first]


def test_a_fault_waits_for_its_answer_as_often_as_told() -> None:
    line = line_with("truncate 1 answer=30 times=2", "truncate 2 answer=2001")
    assert [piece.data for piece in said(line, OTHER)] == [b"ot"]
    assert [piece.data for _ in range(3) for piece in said(line)] == [b"0", b"0", b"0123456789"]


def test_faults_add_up_in_any_order() -> None:
    expected = [
        Piece(NOW + 2, b"\xff0"),
        Piece(NOW + 2, b"12"),
        Piece(NOW + 2 + PULL_GRACE_S, b"", pull=True),
    ]
    faults = ["late 2", "garbage hex=FF", "chunk 2", "unplug-after 3"]
    assert said(line_with(*faults)) == expected
    assert said(line_with(*reversed(faults))) == expected


def test_nothing_overtakes_what_was_said_before() -> None:
    line = line_with("late 5")
    line.say(ANSWER, NOW)
    line.say(OTHER, NOW + 1)
    assert line.take(NOW + 4.9) is None
    assert line.next_due() == NOW + 5
    assert [piece.data for piece in (line.take(NOW + 5), line.take(NOW + 5)) if piece] == [
        ANSWER.data,
        OTHER.data,
    ]
    assert line.idle()


def test_a_pace_cuts_bytes() -> None:
    pieces = said(line_with(), Output(b"abc", pace_s=0.25, after_s=1))
    assert pieces == [Piece(NOW + 1, b"a"), Piece(NOW + 1.25, b"b"), Piece(NOW + 1.5, b"c")]


def test_clearing_loses_answers_and_keeps_faults() -> None:
    line = line_with("truncate 1")
    line.say(Output(b"late", after_s=3), NOW)
    line.add(line_fault := fault_from("truncate", Words(["2"]), IdCardReader(Words()), line.noise)())
    line.clear()
    assert line.idle()
    assert [piece.data for piece in said(line)] == [b"01"]
    assert line_fault.times == 0


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("unplug-after", "K is missing"),
        ("unplug-after -1", "whole number"),
        ("garbage", "either"),
        ("garbage 3 hex=00", "either"),
        ("garbage 0", "whole number"),
        ("late soon", "seconds"),
        ("late -1", "seconds"),
        ("late nan", "seconds"),
        ("truncate 1.5", "whole number"),
        ("chunk 0", "whole number"),
        ("replace 0", "hexadecimal"),
        ("late 1 answer=77", "never sent by this device; known: 10FF"),
        ("late 1 answr=30", "did you mean 'answer'"),
        ("late 1 times=0", "whole number"),
        ("wrong-checksum 3", "one word too many"),
    ],
)
def test_wrong_words_are_refused(fault: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        line_with(fault)
