"""The people: four layouts of 256 bytes, numbers that hold, and every wish."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest

from simulators.people import citizen
from simulators.photo import PREAMBLE
from simulators.records import Citizen, check_digit, field, text_record
from simulators.words import ScenarioError

KINDS = ("resident", "J", "I", "Y")
SEEDS = range(60)


def at(person: Citizen, offset: int, size: int) -> str:
    return text_record(person)[offset : offset + size].decode("utf-16-le").rstrip(" ")


@pytest.mark.parametrize(
    ("first17", "last"),
    [
        ("11010519491231002", "X"),
        ("44052418800101001", "4"),
        ("11010119900307001", "1"),
        ("81000019900101001", "9"),
        ("83000019850615012", "0"),
        ("91184019800101001", "3"),
    ],
)
def test_check_digit_of_published_numbers(first17: str, last: str) -> None:
    assert check_digit(first17) == last


def test_the_published_person() -> None:
    person = citizen("vector")
    text = text_record(person)
    assert hashlib.sha256(text).hexdigest().startswith("04bc8cb913ae6404")
    assert person.photo == bytes(1024)
    assert citizen("vector fingers=1").fingerprints == bytes(512)


@pytest.mark.parametrize("kind", KINDS)
def test_every_person_fills_a_record_and_is_the_same_again(kind: str) -> None:
    for seed in SEEDS:
        check_record(kind, seed)


def check_record(kind: str, seed: int) -> None:
    person = citizen(kind, seed)
    assert len(text_record(person)) == 256
    assert person == citizen(f"{kind} seed={seed}")
    assert at(person, 248, 2) == ("" if kind == "resident" else kind)
    assert len(person.photo) == 1024
    assert PREAMBLE not in person.photo
    assert len(person.fingerprints) in (0, 512, 1024)
    assert person.name not in repr(person)
    assert person.number not in repr(person)


def test_a_resident_is_consistent() -> None:
    for seed in SEEDS:
        check_resident(seed)


def check_resident(seed: int) -> None:
    person = citizen("resident", seed)
    number, birth = at(person, 122, 36), at(person, 36, 16)
    assert number[:6] == "000000"
    assert check_digit(number[:17]) == number[17]
    assert number[6:14] == birth
    date(int(birth[:4]), int(birth[4:6]), int(birth[6:]))
    assert "21"[int(number[16]) % 2] == at(person, 30, 2)
    assert 1 <= int(at(person, 32, 4)) <= 56
    assert at(person, 188, 16) >= "2023"
    assert at(person, 204, 16) >= "2043"  # 长期 sorts behind every digit
    assert at(person, 220, 36) == ""


def test_a_permit_holder_is_consistent() -> None:
    for seed in SEEDS:
        check_permit_holder(seed)


def check_permit_holder(seed: int) -> None:
    person = citizen("J", seed)
    number = at(person, 122, 36)
    assert number[:6] in ("810000", "820000", "830000")
    assert check_digit(number[:17]) == number[17]
    assert at(person, 32, 4) == ""
    letters = {"81": "H", "82": "M", "83": "0"}
    assert at(person, 220, 18)[0] == letters[number[:2]]
    assert 8 <= len(at(person, 220, 18)) <= 9
    assert at(person, 238, 4).isdigit()


def test_a_foreigner_of_2017_is_consistent() -> None:
    for seed in SEEDS:
        check_foreigner_of_2017(seed)


def check_foreigner_of_2017(seed: int) -> None:
    person = citizen("I", seed)
    assert at(person, 0, 120).startswith("SPECIMEN ")
    assert at(person, 120, 2) in "12"
    assert at(person, 122, 30)[:3] == "UTO"
    assert at(person, 122, 30)[3:].isdigit()
    assert len(at(person, 122, 30)) == 15
    assert at(person, 152, 6) == "UTO"
    assert at(person, 158, 30) == person.name
    assert len(at(person, 220, 16)) == 8
    assert at(person, 236, 4) == "01"
    assert at(person, 240, 8) == "0000"


def test_a_foreigner_of_2023_is_consistent() -> None:
    for seed in SEEDS:
        check_foreigner_of_2023(seed)


def check_foreigner_of_2023(seed: int) -> None:
    person = citizen("Y", seed)
    number = at(person, 122, 36)
    assert number[0] == "9"
    assert check_digit(number[:17]) == number[17]
    assert number[6:14] == at(person, 36, 16)
    assert at(person, 52, 70) + at(person, 220, 22) == person.english_name
    assert at(person, 242, 6) == "UTO"


def test_what_is_sometimes_there_is_sometimes_there() -> None:
    people = [citizen("resident", seed) for seed in range(200)]
    for char in ("\U00020bb7", "\ue863"):
        assert 0 < sum(char in person.name for person in people) < 100
    assert 0 < sum(person.valid_until == "长期" for person in people) < 100
    assert {len(person.fingerprints) for person in people} == {0, 512, 1024}
    assert any(len(citizen("Y", seed).english_name) > 35 for seed in range(40))


def test_every_wish_comes_true() -> None:
    assert citizen("resident name=赵示例").name == "赵示例"
    rare = citizen("resident rare=1").name
    assert "\U00020bb7" in rare
    assert "\ue863" in rare
    assert citizen("resident rare=pair").name.endswith("\U00020bb7")
    assert not any(c >= "\ue000" for seed in SEEDS for c in citizen("resident rare=0", seed).name)
    assert citizen("resident long=1").valid_until == "长期"
    assert all(citizen("resident long=0", seed).valid_until != "长期" for seed in SEEDS)
    assert citizen("J expired=1 long=1").valid_until < "2015"
    wrong = citizen("Y bad-check=1").number
    assert check_digit(wrong[:17]) != wrong[17]
    odd = citizen("resident sex-mismatch=1")
    assert "21"[int(odd.number[16]) % 2] != odd.sex
    odd = citizen("J birth-mismatch=1")
    assert odd.number[6:14] != odd.birth
    assert citizen("resident nation=97").nation == "97"
    assert at(citizen("resident unknown-type=1"), 248, 2) == "Q"
    assert PREAMBLE in citizen("I photo-preamble=1").photo
    for count in (0, 1, 2):
        assert len(citizen(f"Y fingers={count}").fingerprints) == 512 * count
    for count in range(5):
        assert len(set(citizen(f"resident addresses={count}").addresses)) == count


def test_a_fingerprint_has_the_head_that_is_known() -> None:
    first, second = (
        citizen("resident fingers=2").fingerprints[:6],
        citizen("Y fingers=2").fingerprints[512:518],
    )
    assert (first[0], first[4], first[5]) == (ord("C"), 1, 12)
    assert (second[0], second[4], second[5]) == (ord("C"), 1, 17)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("residnt", "did you mean 'resident'"),
        ("", "TYPE is missing"),
        ("resident nam=x", "did you mean 'name'"),
        ("resident seed=x", "seed must be a whole number"),
        ("resident addresses=5", "addresses must be a whole number from 0 to 4"),
        ("resident seed=1 seed=2", "twice"),
        ("resident 7", "one word too many"),
        ("I bad-check=1", "cannot have bad-check"),
        ("Y sex-mismatch=1", "cannot have sex-mismatch"),
        ("J nation=01", "cannot have nation"),
        ("vector rare=1", "cannot have rare"),
        (f"resident name={'长' * 16}", "more than 15"),
        ("resident name=x rare=1", "together"),
        ("resident long=maybe", "unknown value of long"),
    ],
)
def test_impossible_wishes_are_refused(words: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        citizen(words)


def test_a_text_too_long_for_its_field_is_a_bug_here() -> None:
    with pytest.raises(ValueError, match="field"):
        field("长" * 16, 30)
