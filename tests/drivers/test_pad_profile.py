"""Profiles: the shipped ones are sound, and a broken one is refused with every key and its cause."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from drivers._pad_compile import ProfileError, load
from drivers._pad_notation import NotationError, parse_bytes, parse_parts, render
from drivers._pad_profile import Profile
from drivers.pad_serial import PadSettings
from tests.drivers.test_pad_fakes import PADS
from tests.support.project import ROOT

GOOD = """\
title = "a pad of the hall"
line = { baud = 19200, parity = "E", init = "1B 40" }
[frame]
cut = "length-field"
layout = "AA {length:u16le} {address} {body} {checksum:u16le} 0D"
length_adds = 1
[checksum]
kind = "crc16-modbus"
start = 1
[send]
request = "'Q' {staff:d4} {timeout:u16be}"
cancel = "'C'"
key_taken = "'K'"
[answer]
accepted = "'q'"
[heartbeat]
starts = "'h'"
every_s = 10
[key]
starts = "'r'"
offset = 2
map = { "01" = 5, "02" = 1, "FF" = "declined" }
[reasons]
width = 2
form = "hex"
[repeat]
every_s = 0.4
at_most = 5
"""

# (what is replaced, by what, key path, part of the cause)
MISTAKES = [
    ("title =", "titel =", "titel", "did you mean title?"),
    ("title =", "titel =", "title", "is missing"),
    ("cut = ", "cutt = ", "frame.cut", "is missing"),
    ("baud = 19200", "baud = 9600.5", "line.baud", "Expected `int`"),
    ('parity = "E"', 'parity = "X"', "line.parity", "Invalid enum value 'X'"),
    ('init = "1B 40"', 'init = "1B 4"', "line.init", "cannot read character 4"),
    ('"length-field"', '"length"', "frame.cut", "Invalid enum value 'length'"),
    ("{length:u16le} ", "", "frame.layout", "has to have {length} with cut"),
    ("{body} ", "", "frame.layout", "needs {body} exactly once"),
    ("{body} ", "{body} {body} ", "frame.layout", "needs {body} exactly once"),
    ("{body} ", "{body} {address} ", "frame.layout", "{address} has to stand before {body}"),
    ("{address} ", "{address} {address} ", "frame.layout", "has {address} twice"),
    ("{address} ", "{sender} ", "frame.layout", "{sender} cannot stand here"),
    ("{address} ", "{address:u24} ", "frame.layout", "the form is"),
    (" {checksum:u16le}", "", "frame.layout", "{checksum} exactly once"),
    ("{address} ", "{checksum:u16le} {address} ", "frame.layout", "{checksum} has to stand behind {body}"),
    ("{checksum:u16le}", "{checksum}", "frame.layout", "crc16-modbus needs {checksum:u16be or u16le}"),
    ("length_adds = 1", "length_adds = -4", "frame.length_adds", "negative"),
    ("length_adds = 1", "body_bytes = 4", "frame.body_bytes", "only then"),
    ("length_adds = 1", "max_body = 0", "frame.max_body", "`int` >= 1"),
    ("{length:u16le}", "{length:d1}", "frame.max_body", "{length:d1} holds at most 9"),
    ('"crc16-modbus"', '"crc32"', "checksum.kind", "Invalid enum value 'crc32'"),
    ("start = 1", "start = 5", "checksum.start", "behind the body's first byte, 4"),
    ("start = 1", "start = 1\nend = 4", "checksum.end", "leaves nothing"),
    ('[checksum]\nkind = "crc16-modbus"\nstart = 1', "", "checksum", "is missing"),
    (
        "{staff:d4}",
        "{teller}",
        "send.request",
        "{teller} cannot stand here (possible: {address}, {staff}, {timeout})",
    ),
    ("'C'", "", "send.cancel", "0 bytes"),
    ("'C'", "'C", "send.cancel", "cannot read character 1"),
    ("'K'", "'" + "K" * 65 + "'", "send.key_taken", "65 bytes"),
    ("key_taken =", "# ", "send.key_taken", "repeats a key"),
    ("request =", "# ", "send.request", "the pad answers one"),
    ("'q'", "'r'", "answer.accepted", "cannot be told from"),
    ("'h'", "'q'", "heartbeat.starts", "cannot be told from"),
    ("every_s = 10", "every_s = 0", "heartbeat.every_s", "> 0"),
    ("every_s = 10", "", "heartbeat.every_s", "is missing"),
    ("offset = 2", "offset = 0", "key.offset", "inside key.starts"),
    ('"01" = 5', '"01" = 6', "key.map.01", "<= 5"),
    ('"01" = 5', '"01" = "yes"', "key.map.01", "Invalid enum value 'yes'"),
    ('"01" = 5', '"1" = 5', "key.map.1", "cannot read character 1"),
    ('"01" = 5', '"" = 5', 'key.map.""', "is empty"),
    ('"02" = 1', '"01 02" = 1', 'key.map."01 02"', "cannot be told from 01"),
    ('"01" = 5, "02" = 1,', "", "key.map", "no value for a level"),
    ("map = {", "mapp = {", "key.map", "is missing"),
    ("offset = 2", "offset = 64", "key.map.01", "behind frame.max_body, 64"),
    ("width = 2", "width = 2\noffset = 2", "reasons.offset", "inside a key"),
    ("width = 2", "width = 33", "reasons.width", "<= 32"),
    ("at_most = 5", "at_most = 5.5", "repeat.at_most", "Expected `int`"),
    ("[repeat]", "[repeats]", "repeats", "did you mean repeat?"),
]

FIXED = """\
title = "fixed"
frame = { cut = "fixed-length", layout = "7E {body} {checksum}", body_bytes = 2 }
checksum = { kind = "sum8", start = 0 }
send = { request = "01 {timeout}" }
key = { starts = "81", map = { "01" = 5 } }
"""
FIXED_MISTAKES = [
    ("01 {timeout}", "01", "send.request", "has 1 bytes, frame.body_bytes says 2"),
    ('"01" = 5', '"01 02" = 5', 'key.map."01 02"', "ends at byte 3, but frame.body_bytes says 2"),
    ("body_bytes = 2", "body_bytes = 65", "frame.body_bytes", "more than frame.max_body, 64"),
    ("body_bytes = 2", "length_adds = 2", "frame.length_adds", "only for"),
    (", body_bytes = 2", "", "frame.body_bytes", "has to be there"),
    ('"fixed-length"', '"end-mark"', "frame.layout", "has to end with the end mark"),
]


def problems(folder: Path, text: str) -> dict[str, str]:
    path = folder / "ours.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        load(str(path))
    assert f"{path}:" in str(caught.value)
    return caught.value.by_key


@pytest.mark.parametrize("text", [GOOD, FIXED])
def test_the_templates_of_the_mistakes_are_sound(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(text, encoding="utf-8")
    load(str(path))
    assert PadSettings(profile=str(path)).problems() == {}


@pytest.mark.parametrize("name", PADS)
def test_the_shipped_profiles_are_sound(name: str) -> None:
    assert PadSettings(profile=name).problems() == {}


@pytest.mark.parametrize(
    ("text", "old", "new", "key", "cause"),
    [(GOOD, *each) for each in MISTAKES] + [(FIXED, *each) for each in FIXED_MISTAKES],
)
def test_a_mistake_is_named_by_key_and_cause(
    tmp_path: Path, text: str, old: str, new: str, key: str, cause: str
) -> None:
    assert old in text
    found = problems(tmp_path, text.replace(old, new, 1))
    assert cause in found.get(key, ""), found


def test_all_mistakes_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    text = GOOD.replace('parity = "E"', 'parity = "X"').replace("'C'", "'C").replace('"02" = 1', '"02" = 0')
    text = text.replace('"crc16-modbus"', '"crc32"').replace("[repeat]", "[repaet]")
    found = problems(tmp_path, text)
    assert found.keys() == {"line.parity", "checksum.kind", "key.map.02", "repaet"}
    message = PadSettings(profile=str(tmp_path / "ours.toml")).problems()["profile"]
    assert f"ours.toml:{text[: text.index('crc32')].count(chr(10)) + 1}: checksum.kind: " in message
    assert message.count("ours.toml:") == len(found)


def test_mistakes_that_types_cannot_see_are_reported_at_once_too(tmp_path: Path) -> None:
    text = GOOD.replace("'C'", "'C").replace("start = 1", "start = 9").replace('"02" = 1', '"2" = 1')
    assert problems(tmp_path, text).keys() == {"send.cancel", "checksum.start", "key.map.2"}


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("aa55", "is no shipped profile (aa55_xor, addressable, ascii_keys, stx_len16)"),
        ("aa55_xo", "did you mean aa55_xor?"),
        ("../pads/aa55_xor", "is no shipped profile"),
        ("/nowhere/ours.toml", "cannot be read: No such file or directory"),
    ],
)
def test_a_profile_that_is_not_there(name: str, cause: str) -> None:
    assert cause in PadSettings(profile=name).problems()["profile"]


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"title = \n", "is not TOML: Invalid value (at line 1"),
        (b'title = "\xff"', "is not UTF-8 text"),
        (b"# " + b"x" * 70_000, "is longer than 65536 bytes"),
        (b"frame = 1", "frame: has to be a table"),
    ],
)
def test_a_file_that_is_no_profile(tmp_path: Path, data: bytes, cause: str) -> None:
    path = tmp_path / "ours.toml"
    path.write_bytes(data)
    assert cause in PadSettings(profile=str(path)).problems()["profile"]


def test_an_address_that_the_profile_cannot_carry(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(GOOD.replace("{address}", "{address:d1}"), encoding="utf-8")
    assert PadSettings(profile=str(path), pad_address=9).problems() == {}
    assert "at most 9" in PadSettings(profile=str(path), pad_address=10).problems()["pad_address"]


def test_the_profile_in_the_document_is_sound(tmp_path: Path) -> None:
    own = (ROOT / "docs" / "pads.md").read_text(encoding="utf-8").partition("## A pad of your own")[2]
    blocks = own.split("```toml\n")[1:]
    (example,) = [block.partition("```")[0] for block in blocks if block.startswith("title")]
    path = tmp_path / "ours.toml"
    path.write_text(example, encoding="utf-8")
    assert PadSettings(profile=str(path)).problems() == {}
    of_hid = {"link", "report"}
    assert tomllib.loads(example).keys() == set(Profile.__struct_fields__) - of_hid, "it uses everything"


# --- the notation --------------------------------------------------------------------------------


def test_the_notation() -> None:
    assert parse_bytes("55AA 'EV' 0d") == b"\x55\xaaEV\x0d"
    assert parse_bytes("") == b""
    parts = parse_parts("01{timeout}{staff} {staff:u16le}", ("staff", "timeout"))
    assert render(parts, {"timeout": 30, "staff": 258}) == b"\x01\x1e000258\x02\x01"


@pytest.mark.parametrize(
    "text", ["5", "5 5", "0x55", "'", "''", "'é'", "{}", "{A}", "{timeout:}", "{timeout", "{timeout:d0}"]
)
def test_what_is_not_in_the_notation(text: str) -> None:
    with pytest.raises(NotationError):
        parse_parts(text, ("timeout",))


def test_a_value_that_does_not_fit_is_refused() -> None:
    with pytest.raises(OverflowError, match=r"\{staff:d4\} holds at most 9999"):
        render(parse_parts("{staff:d4}", ("staff",)), {"staff": 10_000})
