"""The four text records, and what is strange about them."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import _sdt_record as records
from drivers._sdt_record import Sections, UnreadableError
from drivers._sdt_tables import NATIONS, nation, sex
from edge.events import CardHolder, Coded, DocumentType
from simulators.people import citizen
from simulators.records import Citizen, text_record

relaxed = settings(deadline=None, database=None)  # a busy machine is no finding
TODAY = dt.date(2026, 11, 22)
PHOTO = bytes(range(256)) * 4


def parsed(text: bytes, photo: bytes = PHOTO, prints: bytes | None = None) -> records.Record:
    return records.parse(Sections(text, photo, prints), TODAY)


def of(words: str) -> tuple[Citizen, records.Record]:
    person = citizen(words)
    return person, parsed(text_record(person), person.photo)


def iso(day: str) -> str:
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"


@pytest.mark.parametrize("seed", range(12))
def test_resident(seed: int) -> None:
    person, record = of(f"resident seed={seed} long=1" if seed % 2 else f"resident seed={seed}")
    endless = person.valid_until == "长期"
    assert (record.document, record.number, record.warnings) == ("prc-resident", person.number, ())
    assert record.holder == CardHolder(
        name=person.name,
        sex=Coded(person.sex, "男" if person.sex == "1" else "女"),
        nation=Coded(person.nation, NATIONS[person.nation]),
        birth_date=iso(person.birth),
        address=person.address,
        number=person.number,
        issuer=person.issuer,
        valid_from=iso(person.valid_from),
        valid_until=None if endless else iso(person.valid_until),
        long_term=True if endless else None,
        photo_wlt=person.photo,
    )


@pytest.mark.parametrize("seed", range(6))
def test_residence_permit_of_hong_kong_macau_and_taiwan(seed: int) -> None:
    person, record = of(f"J seed={seed}")
    assert (record.document, record.number, record.warnings) == ("hmt-residence", person.number, ())
    assert record.holder.nation is None
    assert (record.holder.permit_number, record.holder.issue_count) == (person.travel_permit, person.issues)
    assert (record.holder.name, record.holder.address) == (person.name, person.address)


@pytest.mark.parametrize("seed", range(6))
def test_foreigner_2017(seed: int) -> None:
    person, record = of(f"I seed={seed}")
    assert (record.document, record.number, record.warnings) == ("foreigner-2017", person.number, ())
    assert record.holder == CardHolder(
        name=person.english_name,
        name_zh=person.name,
        sex=sex(person.sex),
        nationality="UTO",
        birth_date=iso(person.birth),
        number=person.number,
        valid_from=iso(person.valid_from),
        valid_until=iso(person.valid_until),
        photo_wlt=person.photo,
    )


@pytest.mark.parametrize("seed", range(12))
def test_foreigner_2023(seed: int) -> None:
    person, record = of(f"Y seed={seed}")
    assert (record.document, record.number, record.warnings) == ("foreigner-2023", person.number, ())
    assert (record.holder.name, record.holder.name_zh) == (person.english_name, person.name)
    assert (record.holder.issue_count, record.holder.nationality) == (person.issues, "UTO")
    assert record.holder.related_number == (person.former_card or None)
    assert record.holder.address is record.holder.issuer is None


@pytest.mark.parametrize("mark", ["Q", "j", "0", "\u3000", "\ufffd", "\ud842\udfb7"])
def test_any_other_type_is_not_parsed(mark: str) -> None:
    unit = mark.encode("utf-16-le", "surrogatepass")[:2]
    text = bytearray(text_record(citizen("resident seed=1")))
    text[248:250] = unit
    with pytest.raises(UnreadableError) as caught:
        parsed(bytes(text))
    assert caught.value.reason == "unknown-type"


def test_a_resident_card_may_be_padded_with_nul() -> None:
    text = text_record(citizen("resident seed=1")).replace(b" \0", b"\0\0")
    assert parsed(text).document == "prc-resident"
    assert parsed(text).holder == parsed(text_record(citizen("resident seed=1"))).holder


def test_a_record_without_a_number_is_unreadable() -> None:
    with pytest.raises(UnreadableError) as caught:
        parsed(b" \0" * 128)
    assert caught.value.reason == "unreadable-record"


@pytest.mark.parametrize(
    ("words", "warnings"),
    [
        ("resident seed=3 bad-check=1", ("check-digit",)),
        ("resident seed=3 sex-mismatch=1", ("sex-mismatch",)),
        ("resident seed=3 birth-mismatch=1", ("birth-mismatch",)),
        ("resident seed=3 expired=1", ("expired",)),
        ("resident seed=3 nation=57", ("unknown-nation",)),
        ("resident seed=3 nation=97", ()),
        ("resident seed=3 nation=98", ()),
        (
            "J seed=3 bad-check=1 sex-mismatch=1 birth-mismatch=1",
            ("check-digit", "birth-mismatch", "sex-mismatch"),
        ),
        ("Y seed=3 bad-check=1 birth-mismatch=1", ("check-digit", "birth-mismatch")),
        ("I seed=3 expired=1", ("expired",)),
    ],
)
def test_warnings(words: str, warnings: tuple[str, ...]) -> None:
    assert of(words)[1].warnings == warnings


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        ("2026-11-22", "2026-11-22", []),
        ("2026-11-23", "2036-11-23", ["not-yet-valid"]),
        ("2016-11-22", "2026-11-21", ["expired"]),
        ("2016-11-22", None, []),
        (None, None, []),
    ],
)
def test_validity(start: str | None, end: str | None, found: list[str]) -> None:
    assert records.validity_warnings(start, end, TODAY) == found


@pytest.mark.parametrize("code", ["0", "9", ""])
def test_no_sex_check_for_unknown_sexes(code: str) -> None:
    assert records.number_warnings("prc-resident", "11010519491231002X", "19491231", code) == []


@pytest.mark.parametrize(
    ("document", "number", "found"),
    [
        ("prc-resident", "11010519491231002X", []),
        ("prc-resident", "11010519491231002x", []),
        ("prc-resident", "110105194912310021", ["check-digit"]),
        ("prc-resident", "110105491231002", ["check-digit", "birth-mismatch"]),
        ("prc-resident", "1101051949123100²X", ["check-digit"]),
        ("prc-resident", "11010519491231002XX", ["check-digit"]),
        ("foreigner-2023", "11010519491231002X", ["check-digit"]),
    ],
)
def test_numbers(document: DocumentType, number: str, found: list[str]) -> None:
    assert records.number_warnings(document, number, "19491231", "2") == found


@pytest.mark.parametrize(
    ("digits", "check"),
    [
        ("11010519491231002", "X"),
        ("44052418800101001", "4"),
        ("11010119900307001", "1"),
        ("81000019900101001", "9"),
        ("83000019850615012", "0"),
        ("91184019800101001", "3"),
    ],
)
def test_check_character(digits: str, check: str) -> None:
    assert records.check_character(digits) == check


@pytest.mark.parametrize("day", ["", "长期", "20260230", "2026022", "202602280", "2026-2-2", "０0260228", "00000101"])
def test_what_is_no_day(day: str) -> None:
    assert records.iso_date(day) is None


def test_a_birth_date_that_is_no_day_is_a_warning_and_absent() -> None:
    text = bytearray(text_record(citizen("resident seed=1")))
    text[36:52] = "19901301".encode("utf-16-le")
    record = parsed(bytes(text))
    assert (record.holder.birth_date, record.warnings) == (None, ("birth-mismatch",))


def test_rare_characters_pass_and_nothing_is_stripped_inside() -> None:
    text = bytearray(text_record(citizen("resident seed=1")))
    text[0:30] = "\U00020bb7\ue863 · 艾 \0".ljust(14).encode("utf-16-le")
    assert parsed(bytes(text)).holder.name == "\U00020bb7\ue863 · 艾"
    text[0:30] = b"\x42\xd8" + " ".encode("utf-16-le") * 14  # half a pair
    assert parsed(bytes(text)).holder.name == "\ufffd"


def test_unusual_lengths_warn() -> None:
    text = text_record(citizen("resident seed=1"))
    assert parsed(text, b"").warnings == ("unusual-length",)
    assert parsed(text, b"").holder.photo_wlt is None
    assert parsed(text + bytes(4)).warnings == ("unusual-length",)
    assert parsed(text, prints=bytes(700)).warnings == ("unusual-length",)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fingerprints_are_cut_into_templates(count: int) -> None:
    block = b"".join(bytes((n,)) * 512 for n in range(count))
    record = parsed(text_record(citizen("resident seed=1")), prints=block)
    assert record.warnings == ()
    assert record.holder.fingerprints == tuple(bytes((n,)) * 512 for n in range(count))


@relaxed
@given(st.integers(256, 400), st.integers(0, 1500), st.integers(0, 1100), st.booleans())
def test_sections_follow_their_declared_lengths(text: int, photo: int, prints: int, with_prints: bool) -> None:
    parts = [b"t" * text, b"p" * photo, *([b"f" * prints] if with_prints else [])]
    data = b"".join(len(part).to_bytes(2, "big") for part in parts) + b"".join(parts)
    sections = records.split(data, with_fingerprints=with_prints)
    assert [sections.text, sections.photo] == parts[:2]
    assert sections.fingerprints == (parts[2] if with_prints else None)


@relaxed
@given(st.binary(max_size=1400), st.booleans())
def test_sections_that_do_not_fit_are_unreadable(data: bytes, with_prints: bool) -> None:
    sizes = [int.from_bytes(data[at : at + 2], "big") for at in (0, 2, 4)[: 2 + with_prints]]
    if sum(sizes) + 2 * len(sizes) != len(data) or sizes[0] < 256:
        with pytest.raises(UnreadableError):
            records.split(data, with_fingerprints=with_prints)


@relaxed
@given(st.binary(min_size=256, max_size=256), st.sampled_from(" \0JIY"))
def test_any_text_is_parsed_or_unreadable(noise: bytes, mark: str) -> None:
    text = noise[:248] + mark.encode("utf-16-le") + noise[250:]
    try:
        record = parsed(text)
    except UnreadableError as error:
        assert error.reason == "unreadable-record"  # noqa: PT017 - both ends are right
    else:
        assert record.number == record.holder.number
        assert all(word is None or word == word.rstrip(" \0") for word in (record.holder.name, record.holder.address))


def test_pick_keeps_only_what_was_asked_for() -> None:
    holder = of("resident seed=1 long=1")[1].holder
    assert records.pick(holder, ["name"]) == CardHolder(name=holder.name)
    assert records.pick(holder, ["valid_until"]) == CardHolder(long_term=True)


def test_additional_addresses_are_in_order_without_blanks() -> None:
    entries = [entry.ljust(35).encode("utf-16-le") for entry in ("甲 1", "", "乙")]
    assert records.addresses(b"".join(entries)) == ("甲 1", "乙")


def test_numbers_are_compared_as_people_type_them() -> None:
    assert records.same_number("11010519491231002X", " 110105 19491231 002ｘ ")
    assert not records.same_number("11010519491231002X", "11010519491231003X")
    assert not records.same_number("11010519491231002X", "1")
    assert not records.same_number("11010519491231002X", "\ud842")


def test_sam_id() -> None:
    data = bytes.fromhex("05 00 03 00 5C 50 33 01 87 D6 12 00 4E 61 BC 00")
    assert records.sam_id(data) == "05.03-20140124-0001234567-0012345678"


def test_tables() -> None:
    assert len(NATIONS) == 58
    assert [NATIONS[code] for code in ("01", "20", "34", "56", "97")] == [
        "汉",
        "傈僳",
        "布朗",
        "基诺",
        "其他",
    ]
    assert nation("57") == Coded("57", "其他(57)")
    assert nation("") is sex("") is None
    assert [coded.name for code in "0129x" if (coded := sex(code))] == ["未知", "男", "女", "未说明", "未知"]


def test_nothing_personal_in_a_repr() -> None:
    person, record = of("resident seed=1")
    sections = Sections(text_record(person), person.photo, None)
    shown = repr([record, sections, record.holder, UnreadableError("unknown-type")])
    assert person.number not in shown
    assert person.name not in shown
