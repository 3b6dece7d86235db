"""What must not leave a window is found in every form in which a file could hold it, and nothing else is."""

from __future__ import annotations

import pytest

from edge.tools.record.check import personal_in
from edge.tools.scan import Find, finds
from simulators.people import citizen

NUMBER = "11010519491231002X"
PERSONAL = [
    (f"holder {NUMBER} was read", "an identity number"),
    (f'{{"number": "{NUMBER.lower()}"}}', "an identity number"),
    ("call 13800138000 now", "a telephone number"),
    ("mobile13800138000 face13800138000g", "a telephone number"),
    ('{"kty":"EC","d":"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"}', "a private key"),
    ("-----BEGIN EC PRIVATE KEY-----", "a private key"),
    ("connecting to mqtt://w03:hunter22@broker:1883", "a password"),
    ("password = hunter22", "a password"),
    ("姓名：张三丰", "a person's name"),
]
HARMLESS = [
    "110105194912310021",  # its check digit does not fit
    "11010519491331002X",  # no day
    citizen("resident seed=3").number,
    "138001380001 1380013800 17179869184.5 a13800138000b"[:24],
    "sha256:0a13800138000b5c7d e13800138000 00000000-0000-4000-8000-13800138000a",
    '{"kty":"EC","crv":"P-256","x":"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"}',
    "-----BEGIN PUBLIC KEY-----",
    "mqtt://broker:1883 https://broker/a@b",
    "password_file is not there",
    "姓名 **, 证号 ****",
    "2026-11-23T15:16:17.123456+08:00 seq=1234567890123456",
]


@pytest.mark.parametrize(("text", "what"), PERSONAL)
def test_it_is_found_with_its_line(text: str, what: str) -> None:
    assert finds(f"first\n\n{text}\nlast\n".encode()) == [Find(3, what)]


def test_a_number_is_found_as_cards_and_memory_have_it() -> None:
    assert finds(NUMBER.encode("utf-16-le")) == [Find(1, "an identity number")]
    assert finds(b"\0" + NUMBER.encode("utf-16-be")) == [Find(1, "an identity number")]


@pytest.mark.parametrize("text", HARMLESS)
def test_all_else_is_left_alone(text: str) -> None:
    assert not finds(text.encode())


def test_a_recording_is_read_as_its_device_said_it() -> None:
    whole = f"{NUMBER}\r".encode()
    pieces = [whole[:5], whole[5:11], whole[11:]]
    lines = ["# hall-edge recording 1 code_serial", *(f"< {piece.hex(' ')}" for piece in pieces), "! absent", ""]
    assert personal_in("\n".join(lines).encode()) == [Find(2, "an identity number")]
    assert not personal_in(b"# hall-edge recording 1 code_serial\n< 30 31\n> 31\n")
