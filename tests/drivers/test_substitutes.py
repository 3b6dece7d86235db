"""What replaces personal data in recordings: nobody is left, frames stay frames, however the bytes come."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers._sdt_frame import PREAMBLE, Hunter, checksum
from drivers._sdt_record import addresses, check_character, parse, split
from drivers._sdt_sam import FIND, READ
from drivers._sdt_settings import IdCardSettings
from drivers._substitute_codes import CodeSubstitute
from drivers._substitute_pad import HidPadSubstitute
from drivers._substitute_sdt import SdtSubstitute
from drivers.code_serial import CodeSettings
from drivers.idcard_sdt import SdtIdCardDriver
from drivers.pad_hid import HidPadSettings
from edge.events import revealed
from edge.links.replay import read_recording
from edge.registry import Registry
from edge.substitute import Substitute
from simulators.people import citizen
from simulators.records import address_entry, text_record
from tests.recordings.script import FOLDER
from tests.support import canaries

KINDS = ("resident", "J", "I", "Y")
PEOPLE = [f"{kind} seed={seed} fingers={seed % 3}" for kind in KINDS for seed in range(1, 9)]
CODES = "https://example.invalid/?n=赵甲乙&id=000000198001010017\r\n]Q1A-1234567890123 张\r"


def frame(data: bytes, status: int = 0x90) -> bytes:
    body = bytes((0, 0, status)) + data
    counted = (len(body) + 1).to_bytes(2, "big") + body
    return PREAMBLE + counted + bytes((checksum(counted),))


def record_of(words: str) -> bytes:
    """Return the data of a read answer about the person of *words*."""
    one = citizen(words)
    parts = (text_record(one), one.photo, one.fingerprints)
    return b"".join(len(part).to_bytes(2, "big") for part in parts) + b"".join(parts)


@functools.cache
def needles(words: str) -> list[bytes]:
    """Return pieces of what a card holds of its owner, long enough to be nobody else's."""
    one = citizen(words)
    texts = [text.encode("utf-16-le") for text in (one.number, one.address, one.english_name) if text]
    blocks = (one.photo, one.fingerprints)
    pieces = [block[at : at + 16] for block in blocks for at in range(0, len(block), 16)]
    return [*texts, *(piece for piece in pieces if len(set(piece)) > 2)]


def cut(data: bytes, at: list[int]) -> Iterator[bytes]:
    """Yield *data* cut at these places."""
    for begin, end in pairwise(sorted({0, len(data), *(place % (len(data) + 1) for place in at)})):
        yield data[begin:end]


def fed(substitute: Substitute, pieces: Iterator[bytes], gap_s: float = 0.0) -> bytes:
    return b"".join([*(substitute.feed(piece, gap_s) for piece in pieces), substitute.flush()])


def same_dice(substitute: Substitute) -> Substitute:
    """Let a substitute choose as every other one does."""
    substitute._secret = "a test"  # noqa: SLF001, S105
    return substitute


def answers(stream: bytes) -> list[bytes]:
    hunter = Hunter()
    hunter.feed(stream)
    return [answer.data for answer in iter(hunter.take, None)]


@pytest.mark.parametrize("words", PEOPLE)
def test_a_card_becomes_that_of_nobody_and_stays_a_card(words: str) -> None:
    data = record_of(words)
    (new,) = answers(fed(SdtSubstitute(IdCardSettings()), iter([frame(data)])))
    assert not canaries.found(canaries.of_citizen(citizen(words)), [("the record", new)])
    before, after = (split(one, with_fingerprints=True) for one in (data, new))
    assert [len(part or b"") for part in (after.text, after.photo, after.fingerprints)] == [
        len(part or b"") for part in (before.text, before.photo, before.fingerprints)
    ]
    assert not any(after.fingerprints or b"")
    today = SdtIdCardDriver.today()
    then, now = parse(before, today), parse(after, today)
    assert (now.document, now.warnings) == (then.document, then.warnings)
    assert revealed(now.holder).keys() == revealed(then.holder).keys()
    number = str.__str__(now.number)
    assert number[:6] in ("000000", "900999") or number.startswith("UTO")
    assert number.startswith("UTO") or check_character(number[:17]) == number[17]


def test_the_same_person_stays_the_same_and_another_one_another() -> None:
    substitute = SdtSubstitute(IdCardSettings())
    first, again, other = (
        answers(fed(substitute, iter([frame(record_of(f"resident seed={seed}"))])))[0] for seed in (1, 1, 2)
    )
    assert first == again != other
    number = citizen("resident seed=1").number
    told = substitute.params({"number": number, "purpose": "for 赵甲乙"}, {"number"})
    assert told == {
        "number": parse(split(first, with_fingerprints=True), SdtIdCardDriver.today()).number,
        "purpose": "recording",
    }


def test_addresses_serials_and_the_readers_number_are_replaced() -> None:
    one = citizen("resident seed=4 addresses=2")
    stream = b"".join(map(frame, (b"".join(map(address_entry, one.addresses)), bytes(range(8)), bytes(range(1, 17)))))
    new, serial, reader = answers(fed(SdtSubstitute(IdCardSettings()), iter([stream])))
    assert len(addresses(new)) == 2
    assert not canaries.found(one.addresses, [("the addresses", new)])
    assert serial == bytes(8)
    assert reader[:4] == bytes(range(1, 5))
    assert reader[4:] != bytes(range(5, 17))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=12), st.integers(0, 2**32), st.booleans())
def test_however_it_is_cut_it_becomes_the_same(at: list[int], seed: int, damaged: bool) -> None:
    rng = random.Random(seed)
    stream = bytearray()
    for words in rng.sample(PEOPLE, 2):
        stream += rng.randbytes(rng.randrange(8)) + frame(record_of(words))
        if damaged:
            stream[rng.randrange(len(stream))] ^= 1 << rng.randrange(8)
    whole = fed(same_dice(SdtSubstitute(IdCardSettings())), iter([bytes(stream)]))
    pieces = fed(same_dice(SdtSubstitute(IdCardSettings())), cut(bytes(stream), at))
    assert pieces == whole
    assert len(whole) == len(stream)
    assert not any(needle in whole for words in PEOPLE for needle in needles(words))


@pytest.mark.parametrize("size", range(0, 1400, 53))
def test_a_piece_of_a_record_shows_nothing(size: int) -> None:
    words = "resident seed=5 fingers=0"
    whole = frame(record_of(words))
    new = fed(SdtSubstitute(IdCardSettings()), iter([whole[:size]]))
    rest = fed(SdtSubstitute(IdCardSettings()), iter([whole[size:]]))
    assert (len(new), len(rest)) == (min(size, len(whole)), len(whole[size:]))
    if 0 < size < len(whole):
        assert not canaries.found(canaries.of_citizen(citizen(words)), [("a beginning", new), ("an end", rest)])


def test_a_reader_is_recorded_from_where_no_card_lies_there() -> None:
    substitute = SdtSubstitute(IdCardSettings())
    assert not substitute.starts(">", FIND.frame)
    assert not substitute.starts("<", frame(b"", 0x9F))
    assert not substitute.starts(">", READ.frame)
    assert not substitute.starts("$", b"")
    assert not substitute.starts(">", FIND.frame)
    assert not substitute.starts("<", frame(b"", 0x80)[:6])
    assert not substitute.starts("<", frame(b"", 0x80)[6:])
    assert substitute.starts("$", b"")
    assert substitute.starts(">", FIND.frame)


@settings(max_examples=30, deadline=None)
@given(
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=60),
    st.lists(st.integers(0, 1000), max_size=6),
    st.sampled_from(["utf-8", "gb18030", "auto"]),
)
def test_a_code_keeps_its_shape(text: str, at: list[int], encoding: Any) -> None:
    data = f"{text}\r\n{CODES}".encode("gb18030" if encoding == "gb18030" else "utf-8")
    made = [same_dice(CodeSubstitute(CodeSettings(encoding=encoding))) for _ in range(2)]
    whole, pieces = fed(made[0], iter([data])), fed(made[1], cut(data, at))
    assert whole == pieces
    assert len(whole) == len(data)
    assert [at for at, one in enumerate(whole) if one in b"\r\n"] == [
        at for at, one in enumerate(data) if one in b"\r\n"
    ]
    assert b"]Q1" in whole
    assert not canaries.found(["赵甲乙", "000000198001010017", "1234567890123"], [("the codes", whole)])


def test_a_number_of_a_person_in_a_code_stays_one() -> None:
    number = citizen("resident seed=6").number
    new = fed(CodeSubstitute(CodeSettings()), iter([f"<{number}>\r".encode()])).decode()
    assert new[1:7] == "000000"
    assert new[1:19] != number
    assert check_character(new[1:18]) == new[18]


def test_a_gun_without_terminator_is_cut_by_silence() -> None:
    substitute = CodeSubstitute(CodeSettings(terminator="none"))
    assert substitute.feed(b"ABC", 9.0) == b""
    assert substitute.feed(b"DEF", 0.01) == b""
    first = substitute.feed(b"ABCDEF", 0.5)
    assert (first, substitute.flush()) == (first, first)
    assert len(first) == 6
    assert first != b"ABCDEF"


@pytest.mark.parametrize("name", ["keys", "reports"])
def test_a_hid_pad_is_heard_and_another_keyboard_is_not(name: str) -> None:
    profile = {"keys": "hid_keys", "reports": "hid_reports"}[name]
    substitute = HidPadSubstitute(HidPadSettings(profile=profile))
    steps = read_recording(FOLDER / "pad_hid" / f"{name}.rec")
    said = b"".join(step.data for step in steps if step.sign == "<")
    new = fed(substitute, cut(said, [7, 30, 31]))
    assert len(new) == len(said)
    assert typed(profile, new) == typed(profile, said)
    typing = said.replace(b"\x06\0\x01\0\0\0", b"\x1e\0\x01\0\0\0") if name == "keys" else bytes(len(said))
    other = fed(HidPadSubstitute(HidPadSettings(profile=profile)), iter([typing]))
    assert b"\x1e\0\x01\0\0\0" not in other


def typed(profile: str, data: bytes) -> list[bytes]:
    """Return what a pad's carrier makes of *data*."""
    from drivers._pad_carrier import carrier
    from drivers._pad_compile import load

    return carrier(load(profile, HidPadSettings.ways).profile).unpack(data)


def test_settings_can_be_written_into_a_recording() -> None:
    for made in (IdCardSettings(), CodeSettings(), HidPadSettings(profile="hid_keys")):
        assert msgspec.json.encode(msgspec.to_builtins(made))


def test_every_driver_of_a_byte_stream_can_be_recorded() -> None:
    drivers = [Registry().load(name) for name in Registry().names()]
    streams = [driver for driver in drivers if any(form.scheme == "replay" for form in driver.addresses)]
    assert len(streams) >= 4
    assert all(driver.substitute or driver.public_traffic for driver in streams)
