"""The published SDT frames, byte for byte."""

from __future__ import annotations

import pytest

from simulators.people import citizen
from simulators.records import text_record
from tests.simulators.host import sdt
from tests.simulators.reader_desk import (
    BAD_COMMAND,
    BAD_LENGTH,
    NO_CARD,
    NO_CONTENT,
    OK,
    READ_FAILED,
    SAM_ID,
    SELECT_FAILED,
    Desk,
)


def test_the_requests_of_the_test_are_the_published_ones() -> None:
    assert sdt("11FF").hex().upper() == "AAAAAA9669000311FFED"
    assert sdt("61FF50").hex().upper() == "AAAAAA9669000461FF50CA"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("10FF", OK),
        ("11FF", OK),
        ("12FF", SAM_ID),
        ("2001", NO_CARD),
        ("2002", SELECT_FAILED),
        ("3001", READ_FAILED),
        ("3010", READ_FAILED),
        ("3003", READ_FAILED),
        ("3005", READ_FAILED),
        ("6004", OK),
        ("61FF50", OK),
        ("6005", BAD_COMMAND),
        ("4001", BAD_COMMAND),
        ("61FF", BAD_LENGTH),
        ("200100", BAD_LENGTH),
    ],
)
def test_an_empty_reader_answers(command: str, answer: str) -> None:
    assert Desk().ask(command) == answer


def test_the_published_record() -> None:
    desk = Desk()
    desk.do("insert vector")
    frame = desk.read()
    assert len(frame) == 1295
    assert frame[:14].hex().upper() == "AAAAAA966905080000900100 0400".replace(" ", "")
    assert frame[14:270] == text_record(citizen("vector"))
    assert frame[-1] == 0xC8


@pytest.mark.parametrize(
    ("fingers", "size", "head", "check"),
    [
        (0, 1297, "AAAAAA9669050A000090010004000000", 0xCA),
        (1, 1809, "AAAAAA9669070A000090010004000200", 0xCA),
        (2, 2321, "AAAAAA9669090A000090010004000400", 0xC2),
    ],
)
def test_the_published_record_with_fingerprints(fingers: int, size: int, head: str, check: int) -> None:
    desk = Desk()
    desk.do(f"insert vector fingers={fingers}")
    frame = desk.read("3010")
    assert (len(frame), frame[:16].hex().upper(), frame[-1]) == (size, head, check)


@pytest.mark.parametrize(("count", "size"), [(1, 81), (2, 151), (4, 291)])
def test_additional_addresses(count: int, size: int) -> None:
    desk = Desk()
    desk.do(f"insert resident addresses={count}")
    desk.read()
    frame = bytes.fromhex(desk.ask("3003"))
    assert len(frame) == size
    assert frame[5:10].hex().upper() == f"{4 + 70 * count:04X}000090"
    assert frame[10:80].decode("utf-16-le").rstrip(" ").endswith("新1")


def test_no_addresses_and_the_card_body() -> None:
    desk = Desk()
    desk.do("insert resident addresses=0")
    desk.read()
    assert desk.ask("3003") == NO_CONTENT
    body = desk.ask("3005")
    assert body.startswith("AAAAAA96690020000090")
    assert len(body) == 2 * 39
    desk.do("remove")
    assert desk.ask("3003") == READ_FAILED
    assert desk.ask("3005") == READ_FAILED
