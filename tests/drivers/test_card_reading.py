"""What is read of a card and what is not, from the card models alone: ways, padding, GBK, warnings, refusals."""

from __future__ import annotations

from typing import get_args

import pytest

from drivers._card_apdu import Talk
from drivers._card_atr import parse_atr
from drivers._card_person import digits, text
from drivers._card_reading import Reading
from drivers._card_settings import Want
from drivers._card_social import ITEMS, WAYS
from edge.events import CardRead, CardRejected, Coded, SmartCardField, SmartCardRejection, revealed
from simulators.card_files import SSSE
from simulators.people import citizen
from tests.drivers.card_desk import FULL, PRESENCE, TODAY, TYPE_B, Reader, digest, fields, person, read, refused

FREE: frozenset[SmartCardField] = frozenset(("identification", "valid_until"))

ways = pytest.mark.parametrize(
    "how",
    [
        f"{protocol} by={by} {more}".strip()
        for protocol in ("protocol=t1", "protocol=t0", "interface=contactless")
        for by in ("all", "record", "tag", "sfi")
        for more in ("", "chain=1", "le=exact", "chain=1 le=exact")
    ],
)


@ways
def test_a_card_is_read_whatever_way_it_wants_to_be_asked(how: str) -> None:
    event = read(f"social-security seed=7 {how}")
    who = citizen("resident seed=7 rare=0 long=0")
    card = person(event)
    assert (card.name, card.number) == (who.name, who.number)
    assert card.birth_date == f"{who.birth[:4]}-{who.birth[4:6]}-{who.birth[6:]}"
    assert card.sex == Coded(who.sex, {"1": "男", "2": "女"}[who.sex])
    assert card.nation is not None
    assert card.nation.code == who.nation
    assert (card.card_class, card.version, card.card_number) == ("3", "2.00", "S00000007")
    assert card.identification == "000000D15600000500000007"
    assert card.organisation == "91560000000000000000"
    assert card.birthplace == "000000"
    assert (card.issue_date is not None, card.valid_until is not None) == (True, True)
    assert (event.card, event.mode, event.purpose, event.warnings) == ("social-security", "full", "test", ())
    assert (card.uid is not None) == (event.interface == "contactless")


def test_the_first_command_is_the_published_one() -> None:
    reader = Reader("social-security")
    reader.read(PRESENCE)
    assert reader.sent[0].hex().upper() == "00A404000F7378312E73682EC9E7BBE1B1A3D5CF00"
    assert "sx1.sh.社会保障".encode("gb18030") == SSSE


def test_the_published_answer_is_understood() -> None:
    """EF05, item 01, from the field: region 330300, filled with F."""
    value = bytes.fromhex("330300D156000005991101 45FFFFFFFF")
    assert digits(value, 16) == "330300D15600000599110145"


# --- only what is wanted


def asked_items(reader: Reader) -> set[int]:
    """Return the items that were asked for by number or tag, as (P1, P2)."""
    return {apdu[2] for apdu in reader.sent if apdu[1] == 0xB2}


def test_presence_reads_nothing_of_the_holder() -> None:
    reader = Reader("social-security seed=7")
    event = reader.read(PRESENCE)
    assert isinstance(event, CardRead)
    assert (event.mode, event.card, event.person) == ("presence", "social-security", None)
    assert [apdu[4:].hex() for apdu in reader.sent if apdu[1] == 0xA4][1:] == ["02ef05"]
    assert asked_items(reader) == {1}


@pytest.mark.parametrize("field", [name for name in get_args(SmartCardField) if name not in ("uid", "atr")])
def test_a_field_is_all_that_is_asked_for(field: SmartCardField) -> None:
    reader = Reader("social-security seed=7 by=tag")
    event = reader.read(fields(field))
    assert isinstance(event, CardRead)
    assert set(revealed(person(event))) == {field}
    allowed = [ITEMS[name] for name in FREE | {field}]
    assert asked_items(reader) <= {number for item in allowed for number in (item.tag, item.record)}
    if ITEMS[field].file == 5:
        assert all(apdu[-2:] != b"\xef\x06" for apdu in reader.sent)


def test_the_mark_of_a_card_is_the_same_by_both_interfaces_and_says_nothing() -> None:
    contact, contactless = (read(f"social-security seed=7 interface={how}") for how in ("contact", "contactless"))
    assert contact.chip == contactless.chip
    assert contact.chip != read("social-security seed=8").chip
    assert contact.chip == digest("000000d15600000500000007ffffffff")


def test_atr_and_uid_are_fields() -> None:
    event = read("social-security seed=7 interface=contactless", fields("uid", "atr"))
    assert revealed(person(event)).keys() == {"uid", "atr"}
    assert person(event).uid == "08000007"


@pytest.mark.parametrize(("words", "kind"), [("storage seed=9", "storage"), ("cpu seed=9", "cpu")])
def test_other_cards_tell_their_uid_when_that_is_all_that_is_asked(words: str, kind: str) -> None:
    event = read(words, fields("uid"))
    assert (event.card, event.warnings) == (kind, ())
    assert person(event).uid == Reader(words).card.uid.hex()
    assert read(words, PRESENCE).person is None
    assert refused(words, fields("uid", "name")).reason == "not-supported"


def test_in_full_mode_a_storage_card_is_read_and_a_bank_card_is_not() -> None:
    assert person(read("storage seed=9")).uid is not None
    assert refused("cpu").reason == "not-supported"


def test_a_uid_that_there_is_not_is_missing() -> None:
    event = read("script answers=6d00 atr=3B00", fields("uid", "atr"))
    assert (person(event).uid, person(event).atr) == (None, "3b00")
    assert event.warnings == ("incomplete",)


# --- ID cards


def test_an_id_card_belongs_elsewhere_and_is_asked_nothing() -> None:
    reader = Reader("id-card")
    event = reader.read(FULL)
    assert isinstance(event, CardRejected)
    assert (event.reason, event.status) == ("use-id-card-reader", None)
    assert not reader.sent


def test_an_id_card_that_its_reader_shows_otherwise_is_known_by_its_chip_number() -> None:
    reader = Reader("id-card")
    reader.card.atr = TYPE_B
    event = reader.read(PRESENCE)
    assert isinstance(event, CardRejected)
    assert event.reason == "use-id-card-reader"
    assert [apdu.hex() for apdu in reader.sent][1:] == ["0036000008"]


# --- refusals


@pytest.mark.parametrize(("psam", "status"), [("read", "6982"), ("select", "6a82")])
@pytest.mark.parametrize("how", ["", "protocol=t0", "by=tag", "by=sfi"])
def test_a_card_that_wants_keys_needs_a_psam(psam: str, status: str, how: str) -> None:
    event = refused(f"social-security psam={psam} {how}")
    assert (event.reason, event.advice, event.status) == ("needs-psam", "use-other-document", status)
    assert refused(f"social-security psam={psam} {how}", fields("name")).reason == "needs-psam"


def test_what_needs_no_psam_is_read_all_the_same() -> None:
    assert read("social-security psam=read", PRESENCE).card == "social-security"
    assert person(read("social-security psam=select", fields("card_number"))).card_number == "S00000001"


def test_a_refused_item_is_not_asked_for_again() -> None:
    reader = Reader("social-security psam=read by=record")
    reader.read(fields("name"))
    assert len([apdu for apdu in reader.sent if apdu[1] == 0xB2 and apdu[2] == 2]) == 1


class Without:
    """A card of which some items are refused."""

    def __init__(self, words: str, *tags: int, status: str = "6982") -> None:
        self.reader = Reader(words)
        self.tags, self.status = tags, bytes.fromhex(status)

    def transmit(self, apdu: bytes) -> bytes:
        if apdu[1] == 0xB2 and apdu[2] in self.tags:
            return self.status
        return self.reader.transmit(apdu)

    def read(self, want: Want) -> CardRead | CardRejected:
        return self.reader.read(want, self.transmit)


@pytest.mark.parametrize("status", ["6982", "6a83", "6a88"])
def test_an_item_less_is_a_warning(status: str) -> None:
    event = Without("social-security by=tag", 0x0C, status=status).read(FULL)
    assert isinstance(event, CardRead)
    assert (event.warnings, person(event).birthplace) == (("incomplete",), None)
    assert person(event).name


@pytest.mark.parametrize("tag", [0x08, 0x09])
@pytest.mark.parametrize(("status", "reason"), [("6982", "needs-psam"), ("6a83", "unreadable-record")])
def test_without_name_or_number_it_is_no_reading(tag: int, status: str, reason: SmartCardRejection) -> None:
    event = Without("social-security by=tag", tag, status=status).read(FULL)
    assert isinstance(event, CardRejected)
    assert (event.reason, event.status) == (reason, status)


# --- oddities


@pytest.mark.parametrize(
    ("wish", "warning"),
    [
        ("bad-check=1", "check-digit"),
        ("expired=1", "expired"),
        ("nation=77", "unknown-nation"),
        ("bad-gbk=1", "incomplete"),
        ("name=虚虚虚虚虚虚虚虚虚虚虚虚虚虚虚", "incomplete"),
    ],
)
def test_what_is_odd_is_a_warning(wish: str, warning: str) -> None:
    assert read(f"social-security seed=7 {wish}").warnings == (warning,)


def test_short_items_and_missing_ones() -> None:
    event = read("social-security seed=7 short=1")
    assert event.warnings == ("unusual-length", "incomplete")


def test_warnings_tell_nothing_of_what_was_not_asked_for() -> None:
    assert read("social-security bad-check=1 nation=77 bad-gbk=1", fields("sex")).warnings == ()
    assert read("social-security expired=1", fields("sex")).warnings == ("expired",)


def test_a_damaged_name_shows_what_can_be_read() -> None:
    name = person(read("social-security seed=7 bad-gbk=1")).name
    assert name is not None
    assert "\ufffd" in name


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("d6a3ceece7ee0000", "郑戊珙"),
        ("41422020", "AB"),
        ("4142ffff", "AB"),
        ("41420043", "AB"),
        ("", ""),
        ("0000", ""),
        ("a1a1", ""),
        ("95329031", "\U00020087"),
        ("d6", "\ufffd"),
    ],
)
def test_text(raw: str, shown: str) -> None:
    assert text(bytes.fromhex(raw)) == shown


@pytest.mark.parametrize(
    ("raw", "size", "shown"),
    [
        ("19900921", 4, "19900921"),
        ("330fff", 3, "330"),
        ("ffffff", 3, ""),
        ("3139393030393231", 4, "19900921"),
        ("", 4, ""),
    ],
)
def test_digits(raw: str, size: int, shown: str) -> None:
    assert digits(bytes.fromhex(raw), size) == shown


def test_nothing_shows_what_was_read() -> None:
    reader = Reader("social-security seed=7")
    reading = Reading(Talk(reader.transmit), b"", parse_atr(b""), FULL, digest, TODAY)
    name = citizen("resident seed=7 rare=0 long=0").name
    assert name not in repr(reading) + repr(read("social-security seed=7"))


def test_ways_are_all_different() -> None:
    assert len({way.command(ITEMS["name"]) for way in WAYS}) == len(WAYS)
