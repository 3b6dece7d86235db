"""Make up citizens: the same words and seed give the same person, whose area code is nobody's.

The words are those of the scenario line ``insert``: ``citizen("resident seed=7 rare=1")``. Resident numbers
begin with 000000; J numbers need 81/82/830000; foreigners come from UTO, the specimen country of ICAO 9303.
No date depends on today: cards run out in the 2040s, expired ones ran out before 2015.
"""

import random
import shlex
from dataclasses import dataclass
from datetime import date, timedelta

from simulators.photo import fingerprints, portrait
from simulators.records import LONG_TERM, Citizen, Kind, check_digit, text_record
from simulators.words import ScenarioError, Words, unknown

__all__ = ["INSERT_HELP", "VECTOR", "Citizen", "Wishes", "citizen", "make", "read_wishes", "text_record"]

SURNAMES = "赵钱孙李周吴郑王冯陈褚卫"
GIVEN = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥"
PAIR = "\U00020bb7"
PRIVATE_USE = "\ue863"
RARE = {"0": "", "1": PAIR + PRIVATE_USE, "pair": PAIR, "private": PRIVATE_USE}
NATIONS = tuple(f"{code:02}" for code in range(1, 57))
PERMIT_LETTERS = {"810000": "H", "820000": "M", "830000": ""}
KINDS: tuple[Kind, ...] = ("resident", "J", "I", "Y")
VECTOR = "vector"
NAME_UNITS = 15

INSERT_HELP = (
    "TYPE: resident J I Y vector; seed=N name=TEXT rare=0|1|pair|private long=0|1 expired=1 bad-check=1 "
    "sex-mismatch=1 birth-mismatch=1 nation=NN unknown-type=1 fingers=0|1|2 addresses=0..4 photo-preamble=1"
)


@dataclass(frozen=True, slots=True, repr=False)
class Wishes:
    """Hold what is asked of a person; None or an empty text leaves it to the seed."""

    kind: str
    seed: int | None
    name: str
    rare: str
    long: str
    expired: bool
    bad_check: bool
    sex_mismatch: bool
    birth_mismatch: bool
    nation: str
    unknown_type: bool
    fingers: int
    addresses: int
    photo_preamble: bool


def read_wishes(words: Words) -> Wishes:
    """Check the words ``TYPE key=value…``."""
    kind = words.required("TYPE")
    if kind not in (*KINDS, VECTOR):
        raise unknown("type of card", kind, (*KINDS, VECTOR))
    wishes = Wishes(
        kind=kind,
        seed=words.number("seed", 0, 0, 2**31) if words.given("seed") else None,
        name=words.text("name", ""),
        rare=words.choice("rare", tuple(RARE), ""),
        long=words.choice("long", ("0", "1"), ""),
        expired=words.flag("expired"),
        bad_check=words.flag("bad-check"),
        sex_mismatch=words.flag("sex-mismatch"),
        birth_mismatch=words.flag("birth-mismatch"),
        nation=f"{words.number('nation', 0, 0, 99):02}" if words.given("nation") else "",
        unknown_type=words.flag("unknown-type"),
        fingers=words.number("fingers", -1, 0, 2),
        addresses=words.number("addresses", -1, 0, 4),
        photo_preamble=words.flag("photo-preamble"),
    )
    words.done()
    _refuse_impossible(wishes)
    return wishes


def citizen(words: str, seed: int = 0) -> Citizen:
    """Make the person that a scenario line ``insert WORDS`` makes; ``seed`` unless the words have one."""
    return make(read_wishes(Words(shlex.split(words))), seed)


def make(wishes: Wishes, seed: int) -> Citizen:
    """Make the person who was wished for."""
    if wishes.kind == VECTOR:
        return _vector(wishes)
    seed = seed if wishes.seed is None else wishes.seed
    return _Maker(wishes, seed).make()


class _Maker:
    """Draw everything about one person, always in the same order."""

    def __init__(self, wishes: Wishes, seed: int) -> None:
        self.wishes = wishes
        self.seed = seed
        self.rng = random.Random(f"{wishes.kind} {seed}")
        self.rare = RARE[wishes.rare or self.rng.choice(("0", "0", "0", "0", "0", "0", "pair", "private"))]
        chance = self.rng.randrange(5) == 0
        self.long = wishes.long == "1" or (not wishes.long and wishes.kind == "resident" and chance)
        self.sex = self.rng.choice("12")
        year = self.rng.randint(1940, 1965) if self.long else self.rng.randint(1966, 2004)
        self.birth = date(year, 1, 1) + timedelta(days=self.rng.randrange(365))
        self.name = wishes.name or self._name()
        self.valid = self._validity()
        self.fingers = self.rng.randint(0, 2) if wishes.fingers < 0 else wishes.fingers

    def make(self) -> Citizen:
        """Fill in what the kind of card has."""
        if self.wishes.kind == "I":
            return self._foreigner_2017()
        return self._foreigner_2023() if self.wishes.kind == "Y" else self._like_resident()

    def _name(self) -> str:
        given = "".join(self.rng.choices(GIVEN, k=2))
        return self.rng.choice(SURNAMES) + (self.rare or given)

    def _validity(self) -> tuple[str, str]:
        start, years = (2003, 10) if self.wishes.expired else (2023, 20)
        day = date(start, 1, 1) + timedelta(days=self.rng.randrange(365))
        until = day.replace(year=day.year + years)
        return f"{day:%Y%m%d}", LONG_TERM if self.long and not self.wishes.expired else f"{until:%Y%m%d}"

    def _checked(self, first17: str) -> str:
        last = check_digit(first17)
        if self.wishes.bad_check:
            last = "0123456789X"[("0123456789X".index(last) + 1) % 11]
        return first17 + last

    def _printed_birth(self) -> str:
        birth = self.birth.replace(day=1 + self.birth.day % 28) if self.wishes.birth_mismatch else self.birth
        return f"{birth:%Y%m%d}"

    def _like_resident(self) -> Citizen:
        rng, is_resident = self.rng, self.wishes.kind == "resident"
        area = "000000" if is_resident else rng.choice(tuple(PERMIT_LETTERS))
        sequence = rng.randrange(0, 998, 2) + int(self.sex) % 2
        road = f"示例省虚构市样例区测试路{rng.randint(1, 999)}号"
        count = rng.randint(0, 2) if self.wishes.addresses < 0 else self.wishes.addresses
        permit = "" if is_resident else f"{PERMIT_LETTERS[area]}{rng.randrange(10**4):08}"
        sex = "21"[int(self.sex) - 1] if self.wishes.sex_mismatch else self.sex
        nation = self.wishes.nation or rng.choice(NATIONS)
        issues = rng.randint(1, 5)
        return Citizen(
            kind="resident" if is_resident else "J",
            seed=self.seed,
            name=self.name,
            sex=sex,
            birth=self._printed_birth(),
            number=self._checked(f"{area}{self.birth:%Y%m%d}{sequence:03}"),
            valid_from=self.valid[0],
            valid_until=self.valid[1],
            type_mark="Q" if self.wishes.unknown_type else "" if is_resident else "J",
            photo=portrait(self.seed, with_preamble=self.wishes.photo_preamble),
            fingerprints=fingerprints(self.fingers, self.seed),
            nation=nation if is_resident else "",
            address=road,
            issuer="虚构市公安局样例分局",
            travel_permit=permit,
            issues="" if is_resident else f"{issues:02}",
            addresses=tuple(f"{road}新{n}" for n in range(1, count + 1)),
        )

    def _english_name(self) -> str:
        names = ("ALPHA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "MAXIMILIANA BARTHOLOMEA ALEXANDRINA")
        return f"SPECIMEN {self.rng.choice(names)}"

    def _foreigner_2017(self) -> Citizen:
        return Citizen(
            kind="I",
            seed=self.seed,
            name=self.name,
            sex=self.sex,
            birth=self._printed_birth(),
            number=f"UTO{self.rng.randrange(10**12):012}",
            valid_from=self.valid[0],
            valid_until=self.valid[1],
            type_mark="Q" if self.wishes.unknown_type else "I",
            photo=portrait(self.seed, with_preamble=self.wishes.photo_preamble),
            fingerprints=fingerprints(self.fingers, self.seed),
            english_name=self._english_name(),
            nationality="UTO",
            issues="01",
            accepting_authority="0000",
        )

    def _foreigner_2023(self) -> Citizen:
        return Citizen(
            kind="Y",
            seed=self.seed,
            name=self.name,
            sex=self.sex,
            birth=self._printed_birth(),
            number=self._checked(f"900999{self.birth:%Y%m%d}{self.rng.randrange(1000):03}"),
            valid_from=self.valid[0],
            valid_until=self.valid[1],
            type_mark="Q" if self.wishes.unknown_type else "Y",
            photo=portrait(self.seed, with_preamble=self.wishes.photo_preamble),
            fingerprints=fingerprints(self.fingers, self.seed),
            english_name=self._english_name(),
            nationality="UTO",
            issues=f"{self.rng.randint(0, 3):02}",
            former_card=self.rng.choice(("", "001")),
        )


def _refuse_impossible(wishes: Wishes) -> None:
    """Refuse what a kind of card cannot show."""
    if len(wishes.name.encode("utf-16-le")) > 2 * NAME_UNITS:
        raise ScenarioError(f"name has more than {NAME_UNITS} UTF-16 units")
    if wishes.name and wishes.rare:
        raise ScenarioError("name= and rare= together: write the rare characters into the name")
    limits = {
        "bad-check": (wishes.bad_check, ("resident", "J", "Y")),
        "sex-mismatch": (wishes.sex_mismatch, ("resident", "J")),
        "birth-mismatch": (wishes.birth_mismatch, ("resident", "J", "Y")),
        "nation": (bool(wishes.nation), ("resident",)),
        "addresses": (wishes.addresses > 0, ("resident", "J", VECTOR)),
        "unknown-type": (wishes.unknown_type, KINDS),
        "expired": (wishes.expired, KINDS),
        "name": (bool(wishes.name), KINDS),
        "rare": (wishes.rare not in ("", "0"), KINDS),
        "long": (wishes.long == "0", KINDS),
        "photo-preamble": (wishes.photo_preamble, KINDS),
    }
    for option, (wished, kinds) in limits.items():
        if wished and wishes.kind not in kinds:
            raise ScenarioError(f"a card of type {wishes.kind} cannot have {option}")


def _vector(wishes: Wishes) -> Citizen:
    """Make the person of the published test vector: photo and fingerprints are zero."""
    fingers = 2 if wishes.fingers < 0 else wishes.fingers
    return Citizen(
        kind="resident",
        seed=0,
        name="张三",
        sex="1",
        birth="19491231",
        number="11010519491231002X",
        valid_from="20150101",
        valid_until=LONG_TERM,
        type_mark="",
        photo=bytes(1024),
        fingerprints=bytes(512 * fingers),
        nation="01",
        address="北京市朝阳区示例路1号",
        issuer="北京市公安局朝阳分局",
        addresses=tuple(f"北京市朝阳区示例路{n}号" for n in range(2, max(wishes.addresses, 0) + 2)),
    )
