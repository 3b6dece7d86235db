"""APDUs: 61xx, 6Cxx and T=0 in one place, and no PIN, whoever asks for it and however it is dressed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers._card_apdu import PIN_INSTRUCTIONS, ROUNDS, Answer, Talk, check_apdu
from drivers._card_status import CardProblem
from edge.errors import Unsupported

READ = bytes.fromhex("00B2010400")
SELECT = bytes.fromhex("00A40400023F0000")


class Card:
    """Answers what it was told, and remembers what it was sent."""

    def __init__(self, answers: Iterable[str]) -> None:
        self.sent: list[str] = []
        self._answers = iter(answers)

    def __call__(self, apdu: bytes) -> bytes:
        self.sent.append(apdu.hex())
        return bytes.fromhex(next(self._answers))


def asked(apdu: bytes, *answers: str, t0: bool = False) -> tuple[list[str], Answer]:
    card = Card(answers)
    answer = Talk(card, t0=t0).ask(apdu)
    return card.sent, answer


def test_a_plain_answer() -> None:
    sent, answer = asked(READ, "0102 9000")
    assert sent == [READ.hex()]
    assert (answer.data, answer.status) == (b"\x01\x02", 0x9000)


def test_6c_is_asked_again_with_the_right_length() -> None:
    sent, answer = asked(READ, "6C03", "010203 9000")
    assert sent == [READ.hex(), "00b2010403"]
    assert answer.data == b"\1\2\3"


def test_61_is_fetched_until_there_is_no_more() -> None:
    sent, answer = asked(SELECT, "6102", "AABB 6101", "CC 9000")
    assert sent == [SELECT.hex(), "00c0000002", "00c0000001"]
    assert answer.data == bytes.fromhex("AABBCC")


def test_data_before_61_is_kept() -> None:
    assert asked(READ, "AA 6101", "BB 9000")[1].data == b"\xaa\xbb"


def test_6c_for_get_response_too() -> None:
    sent, answer = asked(SELECT, "6100", "6C02", "AABB 9000")
    assert sent[1:] == ["00c0000000", "00c0000002"]
    assert answer.data == b"\xaa\xbb"


def test_the_logical_channel_stays() -> None:
    assert asked(b"\x02" + SELECT[1:], "6102", "AABB 9000")[0][1] == "02c0000002"


@pytest.mark.parametrize(
    ("apdu", "sent"),
    [
        ("00A40400023F0000", "00a40400023f00"),
        ("00A40400023F00", "00a40400023f00"),
        ("00B2010400", "00b2010400"),
        ("00840000", "00840000"),
    ],
)
def test_with_t0_nothing_is_asked_for_where_data_is_sent(apdu: str, sent: str) -> None:
    assert asked(bytes.fromhex(apdu), "9000", t0=True)[0] == [sent]


@pytest.mark.parametrize("answer", ["", "90"])
def test_half_a_status_word_is_none(answer: str) -> None:
    with pytest.raises(CardProblem, match="failed"):
        asked(READ, answer)


@pytest.mark.parametrize("answer", ["6C03", "6101", "AA6101"])
def test_a_card_that_never_ends_is_given_up(answer: str) -> None:
    card = Card([answer] * (ROUNDS + 2))
    with pytest.raises(CardProblem, match="failed"):
        Talk(card).ask(READ)
    assert len(card.sent) == ROUNDS + 1


def test_whoever_asks_is_asked_before_each_command() -> None:
    checks: list[int] = []
    card = Card(["6102", "AABB9000"])
    Talk(card, check=lambda: checks.append(1)).ask(SELECT)
    assert len(checks) == len(card.sent) == 2


def test_an_answer_shows_nothing() -> None:
    assert "aabb" not in repr(asked(READ, "AABB9000")[1]).lower()


# --- PINs


@pytest.mark.parametrize("instruction", sorted(PIN_INSTRUCTIONS))
@pytest.mark.parametrize("cla", [0x00, 0x01, 0x04, 0x0C, 0x10, 0x1C, 0x80, 0x84, 0x90, 0xA0, 0xFF])
@pytest.mark.parametrize("t0", [True, False])
def test_no_pin_is_sent(cla: int, instruction: int, t0: bool) -> None:
    card = Card([])
    with pytest.raises(Unsupported, match="PCS-111"):
        Talk(card, t0=t0).ask(bytes((cla, instruction, 0, 0x81, 3, 0x12, 0x34, 0x56)))
    assert not card.sent


@pytest.mark.parametrize(
    "apdu", ["00C20000050020000081", "10C200000100", "00C3000000", "FF00000004D4420020", "FFC2000100"]
)
def test_nothing_that_could_hide_one(apdu: str) -> None:
    with pytest.raises(Unsupported, match="PCS-111"):
        check_apdu(bytes.fromhex(apdu))


@pytest.mark.parametrize(
    "apdu",
    ["", "00B201", "00A404000002", "00A40400033F00", "00A40400023F000000", "00B00000000001", "00A4040003 3F000020 00"],
)
def test_what_is_no_short_apdu_is_refused(apdu: str) -> None:
    with pytest.raises(Unsupported, match="PCS-112"):
        check_apdu(bytes.fromhex(apdu))


@pytest.mark.parametrize(
    "apdu", ["00840000", "0084000008", "00A40400023F00", "00A40400023F0000", "FFCA000000", "FFB0000410"]
)
def test_what_is_one_passes(apdu: str) -> None:
    check_apdu(bytes.fromhex(apdu))


@given(st.binary(max_size=261), st.lists(st.binary(max_size=40), min_size=ROUNDS + 2, max_size=ROUNDS + 2))
def test_whatever_is_asked_and_answered_no_pin_goes_out(apdu: bytes, answers: list[bytes]) -> None:
    card = Card([answer.hex() for answer in answers])
    with contextlib.suppress(Unsupported, CardProblem):
        Talk(card).ask(apdu)
    assert all(int(sent[2:4], 16) not in PIN_INSTRUCTIONS for sent in card.sent)
