"""The scanner's driver on a clock that costs no time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from drivers.code_serial import CODES, CodeSettings, SerialScanner
from edge.errors import DeviceLost
from edge.events import Payload, Scanned, revealed
from edge.links import SerialLine
from tests.drivers.test_pad_fakes import FakeLink, FakePort


class Desk:
    """An opened gun with everything around it."""

    def __init__(self, **settings: Any) -> None:
        self.link = FakeLink()
        self.port = FakePort(self.link)
        self.driver = SerialScanner(CodeSettings(**settings), self.port)
        self.driver.open()

    def poll(self, *chunks: bytes, wait_s: float = 1.0) -> list[Scanned]:
        events: list[Payload] = []
        for chunk in chunks:
            self.link.say(chunk)
            events += self.driver.poll(wait_s)
        assert all(isinstance(event, Scanned) for event in events)
        return [event for event in events if isinstance(event, Scanned)]

    def texts(self, *chunks: bytes) -> list[str | None]:
        return [event.text for event in self.poll(*chunks)]


def test_a_code_becomes_an_event() -> None:
    desk = Desk()
    (event,) = desk.poll(b"]Q1\xe5\xbc\xa0\xe4\xb8\x89\r\n")
    assert event == Scanned(content="personal", symbology="qr-code", aim="]Q1", length_bytes=6, text="张三")
    assert event.raw is None
    assert event.sensitivity() == 2
    assert not {"text", "raw"} & event.view(sealed=False).keys()
    assert not desk.port.lines


def test_many_codes_at_once_are_one_list() -> None:
    assert Desk().texts(b"A\rB\r\nC\n", b"D", b"E\r") == ["A", "B", "C", "DE"]


def test_an_unknown_identifier_stays_in_the_text() -> None:
    (event,) = Desk().poll(b"]Z9DATA\r")
    assert (event.text, event.aim, event.symbology) == ("]Z9DATA", None, None)


def test_public_content_is_not_sealed() -> None:
    assert CodeSettings().needs_sealing()
    assert not CodeSettings(content="public").needs_sealing()
    (event,) = Desk(content="public").poll(b"A001\r")
    assert event.view(sealed=False)["text"] == "A001"
    assert event.sensitivity() == 1


def test_prefix_and_suffix_are_taken_off_where_they_are() -> None:
    desk = Desk(prefix="\x02GUN:", suffix="\x03")
    assert desk.texts(b"\x02GUN:]C0A001\x03\r", b"A002\r") == ["A001", "A002"]
    assert desk.poll(b"\x02GUN:]C0\x03\r") == []


def test_the_same_code_within_the_time_is_one_event() -> None:
    desk = Desk()
    assert desk.texts(b"A\rA\rB\rA\r") == ["A", "B"]
    desk.link.clock += 1.4
    assert desk.texts(b"A\r") == []
    desk.link.clock += 1.6
    assert desk.texts(b"A\r") == ["A"]
    assert desk.driver.counts["duplicates"] == 3
    assert Desk(duplicate_s=0).texts(b"A\rA\r") == ["A", "A"]


def test_a_code_that_breaks_off_is_dropped_after_a_silence_and_never_shown() -> None:
    desk = Desk()
    assert desk.texts(b"SECRET-4711") == []
    assert desk.driver.poll(1.0) == []
    assert desk.link.clock == pytest.approx(100.2)
    assert desk.port.lines == [(CODES["SCN-101"], {"code": "SCN-101", "bytes": 11, "count": 1})]
    assert desk.texts(b"B\r") == ["B"]
    assert "SECRET" not in repr(vars(desk.driver))


def test_a_slow_code_is_not_cut() -> None:
    desk = Desk()
    for byte in b"A001":
        desk.link.say(bytes([byte]))
        assert desk.driver.poll(0.05) == []
        assert desk.driver.poll(0.15) == []
    assert desk.texts(b"\r") == ["A001"]


def test_without_a_terminator_a_gap_ends_the_code() -> None:
    desk = Desk(terminator="none", idle_gap_s=0.08)
    assert desk.texts(b"A00") == []
    assert desk.driver.poll(0.05) == []
    assert desk.texts(b"1\rX") == []
    (event,) = desk.driver.poll(1.0)
    assert isinstance(event, Scanned)
    assert event.text == "A001\rX"
    assert desk.link.clock == pytest.approx(100.13)
    assert not desk.port.lines


def test_a_code_that_is_too_long_is_dropped() -> None:
    desk = Desk(max_bytes=10)
    assert desk.texts(b"]Q11234567890\r", b"x" * 5000, b"y\rA\r") == ["1234567890", "A"]
    assert desk.port.lines == [(CODES["SCN-102"], {"code": "SCN-102", "bytes": 5001, "count": 1})]


def test_a_storm_of_broken_codes_is_one_log_line_in_ten_seconds() -> None:
    desk = Desk(max_bytes=10)
    for _ in range(1000):
        assert desk.texts(b"x" * 30 + b"\r") == []
        desk.link.clock += 0.0101
    assert len(desk.port.lines) == 2


def test_control_characters_survive_json() -> None:
    (event,) = Desk().poll(b"\x00\x1d\x1b[31m\x7f\r")
    body = msgspec.json.encode(event.view(sealed=True))
    assert msgspec.json.decode(body)["text"] == "\x00\x1d\x1b[31m\x7f"
    assert b"\x00" not in body
    assert msgspec.convert(revealed(event), Scanned) == event


def test_raw_bytes_stay_where_the_text_does_not_say_the_same() -> None:
    (event,) = Desk(encoding="utf-8").poll(b"]Q1caf\xe9\r")
    assert (event.text, event.raw, event.length_bytes) == ("caf\ufffd", b"caf\xe9", 4)
    assert event.hidden() == {"text", "raw"}


def test_the_settings_line_and_the_end() -> None:
    desk = Desk(baud=115200)
    assert desk.port.line == SerialLine(baud=115200)
    assert desk.driver.proof_s is None
    assert not desk.driver.public_traffic
    desk.driver.close()
    desk.driver.close()
    assert desk.link.closed == 1
    with pytest.raises(DeviceLost):
        desk.driver.poll(0)


def test_a_cable_pulled_in_a_code_leaves_nothing_of_it() -> None:
    desk = Desk()
    assert desk.texts(b"HALF") == []
    desk.link.lost_at = desk.link.clock
    with pytest.raises(DeviceLost):
        desk.driver.poll(1)
    desk.driver.close()
    desk.link.lost_at = float("inf")
    desk.driver.open()
    assert desk.texts(b"WHOLE\r") == ["WHOLE"]


@pytest.mark.parametrize(
    "wrong",
    [{"terminator": "etx"}, {"encoding": "gbk"}, {"content": "secret"}, {"idle_gap_s": 0}, {"duplicate_s": -1},
     {"max_bytes": 0}, {"max_bytes": 7090}, {"baud": 0}, {"terminater": "cr"}],
)  # fmt: skip
def test_settings_that_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, CodeSettings)
