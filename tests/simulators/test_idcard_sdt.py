"""The state of the ID-card reader, without I/O."""

from __future__ import annotations

import pytest

from simulators.idcard_sdt import IdCardReader
from simulators.words import ScenarioError, Words
from tests.simulators.host import sdt
from tests.simulators.reader_desk import (
    AUTH_FAILED,
    BAD_CHECKSUM,
    BAD_LENGTH,
    FOUND,
    NO_CARD,
    NOT_AUTHORISED,
    OK,
    READ_FAILED,
    SELECT_FAILED,
    SELECTED,
    SELF_TEST_BAD,
    Desk,
)


def test_a_read_card_is_denied_until_it_is_lifted() -> None:
    desk = Desk()
    desk.do("insert resident seed=7")
    first = desk.read()
    assert desk.ask("2001") == NO_CARD
    assert desk.ask("3001") == READ_FAILED
    assert desk.ask("3005").startswith("AAAAAA96690020000090")
    desk.do("remove")
    assert desk.ask("2001") == NO_CARD
    desk.do("insert resident seed=7")
    assert desk.read() == first


def test_a_reset_and_a_new_plug_make_the_card_new() -> None:
    desk = Desk()
    desk.do("insert J")
    desk.read()
    assert desk.ask("10FF") == OK
    desk.read()
    desk.reader.power_off()
    desk.reader.power_on(desk.now)
    desk.read()


def test_a_reader_that_needs_no_lifting() -> None:
    desk = Desk("requires-removal=0")
    desk.do("insert resident")
    assert desk.read() == desk.read()


def test_a_lenient_reader_denies_and_reads() -> None:
    desk = Desk("lenient=1")
    assert desk.ask("3001") == READ_FAILED
    desk.do("insert resident")
    assert desk.ask("2001") == NO_CARD
    assert desk.ask("2002") == SELECT_FAILED
    assert len(bytes.fromhex(desk.ask("3001"))) == 1295


@pytest.mark.parametrize("status", ["41", "21", "24"])
def test_the_status_of_a_wrong_order_is_an_option(status: str) -> None:
    desk = Desk(f"wrong-order={status}")
    desk.do("insert resident")
    assert desk.ask("3001")[18:20] == status
    assert desk.ask("2001") == FOUND
    assert desk.ask("3001")[18:20] == status


def test_a_stage_of_the_card_lives_three_seconds() -> None:
    desk = Desk()
    desk.do("insert resident")
    assert desk.ask("2001") == FOUND
    desk.after(3.1)
    assert desk.ask("2002") == SELECT_FAILED
    desk = Desk("stage-life=0")
    desk.do("insert resident")
    assert desk.ask("2001") == FOUND
    desk.after(1000)
    assert desk.ask("2002") == SELECTED


def test_a_card_lifted_in_between() -> None:
    desk = Desk()
    desk.do("insert resident")
    assert desk.ask("2001") == FOUND
    desk.do("remove")
    assert desk.ask("2002") == SELECT_FAILED


def test_a_bad_self_test_refuses_everything() -> None:
    desk = Desk()
    desk.do("selftest-bad")
    assert desk.ask("11FF") == SELF_TEST_BAD
    assert desk.ask("12FF") == SELF_TEST_BAD
    desk.do("selftest-bad 66")
    assert desk.ask("2001") == NOT_AUTHORISED
    desk.do("selftest-ok")
    assert desk.ask("11FF") == OK


def test_a_forced_status_waits_for_the_command_that_can_have_it() -> None:
    desk = Desk()
    desk.do("status 32")
    desk.do("insert resident")
    assert desk.read().hex().upper() == AUTH_FAILED
    assert len(desk.read()) == 1295
    desk.do("status 60 answer=11 times=2")
    assert [desk.ask(command) for command in ("2001", "11FF", "11FF", "11FF")] == [
        NO_CARD,
        SELF_TEST_BAD,
        SELF_TEST_BAD,
        OK,
    ]
    desk.do("status 24")
    assert desk.ask("12FF")[18:20] == "24"


def test_damaged_requests() -> None:
    desk = Desk()
    good = sdt("2001")
    assert desk.hears(good[:-1] + b"\xff") == BAD_CHECKSUM
    assert desk.hears(bytes.fromhex("AAAAAA96690000")) == BAD_LENGTH
    assert desk.hears(bytes.fromhex("AAAAAA9669FFFF")) == BAD_LENGTH
    assert desk.hears(b"AT\r\n" + bytes.fromhex("AAAA") + good) == NO_CARD
    assert desk.hears(good + sdt("2002")) == NO_CARD + SELECT_FAILED
    assert "".join(desk.hears(bytes((byte,))) for byte in good) == NO_CARD
    assert desk.reader.counters["bad_frames"] == 3


def test_half_a_request_is_given_up() -> None:
    desk = Desk()
    assert desk.hears(sdt("2001")[:-1]) == ""
    assert desk.reader.next_due() == pytest.approx(desk.now + 0.5)
    assert desk.after(0.4) == ""
    assert desk.after(0.2) == BAD_LENGTH
    assert desk.reader.next_due() is None
    assert desk.ask("2001") == NO_CARD


def test_the_rate_changes_after_the_answer() -> None:
    desk = Desk()
    for parameter, rate in enumerate((115200, 57600, 38400, 19200, 9600)):
        assert desk.ask(f"60{parameter:02X}") == OK
        assert desk.reader.baud == rate
    desk.reader.power_off()
    desk.reader.power_on(desk.now)
    assert desk.reader.baud == 9600
    any_rate = Desk("baud=0")
    any_rate.ask("6001")
    assert any_rate.reader.baud == 0


def test_silence_after_power_and_reset() -> None:
    desk = Desk("reset-silence=1.5", "power-on-silence=2")
    assert desk.ask("11FF") == ""
    desk.after(2.1)
    assert desk.hears(sdt("10FF") + sdt("11FF")) == OK
    assert desk.ask("11FF") == ""
    desk.after(1.6)
    assert desk.ask("11FF") == OK


def test_reading_takes_time_when_asked_to() -> None:
    desk = Desk("read-time=0.8")
    desk.do("insert resident")
    desk.ask("2001")
    desk.ask("2002")
    (output,) = desk.reader.receive(sdt("3001"), desk.now)
    assert (output.after_s, output.kind) == (0.8, b"\x30\x01")


def test_another_sam_id() -> None:
    answer = bytes.fromhex(Desk("sam-id=01.02-20240102-0000000003-0000000004").ask("12FF"))
    assert answer[10:26].hex() == "01000200e6d63401" + "03000000" + "04000000"


def test_cards_without_a_seed_differ_and_come_again() -> None:
    def numbers() -> list[bytes]:
        desk = Desk()
        frames = []
        for _ in range(3):
            desk.do("insert resident")
            frames.append(desk.read())
        return frames

    assert len(set(numbers())) == 3
    assert numbers() == numbers()


@pytest.mark.parametrize(
    "option",
    [
        "wrong-order=42",
        "sam-id=5",
        "baud=fast",
        "lenient=yes",
        "colour=red",
        "sam-id=01.02-20240102-9999999999-0000000000",
    ],
)
def test_wrong_options_are_refused(option: str) -> None:
    with pytest.raises(ScenarioError):
        IdCardReader(Words([option]))


@pytest.mark.parametrize("line", ["status", "status 3232", "status xx", "selftest-bad 61", "remove it", "insert"])
def test_wrong_actions_are_refused(line: str) -> None:
    with pytest.raises(ScenarioError):
        Desk().do(line)
