"""What goes wrong between find and report: every status, every fault of the cable, and silence."""

from __future__ import annotations

import pytest

from drivers import _sdt_status as status
from drivers.idcard_sdt import SdtIdCardDriver
from edge.errors import DeviceFault, DeviceLost, DeviceProtocol
from edge.events import Payload, Read, Rejected
from simulators.people import citizen
from tests.drivers.idcard_rig import Rig, driver, polled, told

FULL = {"read": "full", "purpose": "test"}
CARD = "resident seed=5 fingers=1 addresses=1"
SOON = ("2001", "2002", "3001", "3003")
READ_BYTES = 1295


def laid(rig: Rig, **settings: object) -> SdtIdCardDriver:
    """Return an open driver whose reader has the card."""
    made = driver(rig, **{**FULL, **settings})
    rig.do(f"insert {CARD}")
    return made


def rejected(events: list[Payload]) -> tuple[str, str, str | None]:
    (event,) = [event for event in events if isinstance(event, Rejected)]
    return event.reason, event.advice, event.status


def whole(events: list[Payload]) -> bool:
    """Return whether the card's own person was read; never anything else."""
    card = citizen(CARD)
    reads = [event for event in events if isinstance(event, Read)]
    for read in reads:
        assert read.person is not None
        assert (read.person.name, read.person.number, read.person.photo_wlt) == (card.name, card.number, card.photo)
    return len(reads) == 1


# --- what the reader says ------------------------------------------------------------------------

GIVEN_UP = sorted(set(status.STATUSES) - {0x90, 0x9F, 0x10, 0x11, 0x60, 0x66, 0x37, 0x91})


@pytest.mark.parametrize("code", [f"{code:02x}" for code in GIVEN_UP])
@pytest.mark.parametrize("command", ["2002", "3001"])
def test_a_status_that_stays(code: str, command: str) -> None:
    rig = Rig()
    made = laid(rig)
    rig.do(f"status {code} answer={command} times=1000")
    events = polled(made)
    row = status.STATUSES[int(code, 16)]
    assert told(events)[:2] == ["presented", f"rejected:{row.reason}"]
    assert rejected(events) == (row.reason, row.advice, code)
    tries = {status.Next.REJECT: 1, status.Next.RESTART_ONCE: 2}.get(row.next, 3)
    assert rig.sent.count(command) == rig.sent.count("2001") == tries
    if row.reason != "removed-too-early":
        assert told(polled(made, 10)) == [], "the same card is not rejected twice"
        rig.do("remove")
        assert told(polled(made, 3)) == ["removed"]


@pytest.mark.parametrize("code", ["21", "24", "31", "32", "41", "47", "81", "77"])
@pytest.mark.parametrize("command", ["2002", "3001"])
def test_a_status_that_passes(code: str, command: str) -> None:
    rig = Rig()
    made = laid(rig)
    rig.do(f"status {code} answer={command}")
    assert whole(polled(made))
    assert rig.sent.count("2001") == 2


def test_a_status_that_is_not_in_the_table() -> None:
    rig = Rig()
    made = laid(rig)
    rig.do("status 77 answer=3001 times=9")
    assert rejected(polled(made)) == ("unrecognised-error", "lay-card-again", "77")


def test_restarts_are_counted_together() -> None:
    rig = Rig()
    made = laid(rig)
    for code in ("41", "32", "81", "24"):
        rig.do(f"status {code} answer=3001")
    assert rejected(polled(made))[0] == "unrecognised-error"
    assert rig.sent.count("3001") == 4


def test_without_fingerprints_when_they_cannot_be_read() -> None:
    rig = Rig()
    made = laid(rig, fingerprints=True)
    rig.do("status 37 answer=3010")
    events = polled(made)
    assert whole(events)
    read = events[1]
    assert isinstance(read, Read)
    assert read.person is not None
    assert read.person.fingerprints is None
    assert rig.sent == ["2001", "2002", "3010", "2001", "2002", "3001", "3003"]


def test_fingerprints_that_fail_although_nobody_asks_for_them() -> None:
    rig = Rig()
    made = laid(rig)
    rig.do("status 37 answer=3001 times=9")
    assert rejected(polled(made)) == ("fingerprint-failed", "lay-card-again", "37")


@pytest.mark.parametrize("code", ["60", "66"])
@pytest.mark.parametrize("command", SOON)
def test_the_reader_says_that_it_is_broken(code: str, command: str) -> None:
    rig = Rig()
    made = laid(rig)
    rig.do(f"status {code} answer={command}")
    with pytest.raises(DeviceFault) as caught:
        polled(made)
    assert caught.value.code == f"IDC-1{code}"


@pytest.mark.parametrize("code", ["10", "11"])
@pytest.mark.parametrize("command", SOON)
def test_requests_that_arrive_damaged(code: str, command: str) -> None:
    rig = Rig()
    made = laid(rig)
    rig.do(f"status {code} answer={command} times=2")
    assert whole(polled(made))
    assert rig.sent.count(command) >= 3
    rig.do(f"insert {CARD}")
    rig.do(f"status {code} answer={command} times=3")
    with pytest.raises(DeviceProtocol) as caught:
        polled(made)
    assert caught.value.code == f"IDC-1{code}"


def test_a_reader_that_refuses_to_look() -> None:
    rig = Rig()
    made = driver(rig)
    rig.do("status 24 answer=2001 times=5")
    with pytest.raises(DeviceProtocol) as caught:
        polled(made, 5)
    assert caught.value.code == "IDC-121"
    made.open()
    rig.do("status 24 answer=2001 times=4")
    assert polled(made, 20) == []


# --- what the cable makes of it ------------------------------------------------------------------

HARMLESS = ["garbage 40", "garbage hex=AAAAAA9669", "garbage hex=AAAAAA96690FFF", "garbage hex=AAAAAA96690005050505"]
HARMLESS += ["chunk 1", "chunk 64 gap=0.01", "chunk 300 gap=0.4", "late 0.9"]


@pytest.mark.parametrize("fault", HARMLESS)
@pytest.mark.parametrize("command", SOON)
def test_faults_that_harm_nothing(fault: str, command: str) -> None:
    rig = Rig()
    made = laid(rig)
    rig.do(f"{fault} answer={command}")
    assert whole(polled(made))
    assert rig.sent.count(command) == 1


ONCE = ["wrong-checksum", "truncate 0", "truncate 1", "truncate 6", "truncate 9", "replace AAAAAA96690005050505"]
ONCE += ["late 1.5", "replace 00", "replace AAAAAA9669000400009094"]


@pytest.mark.parametrize("removal", [0, 1])
@pytest.mark.parametrize("fault", ONCE)
@pytest.mark.parametrize("command", ["2001", "2002", "3003"])
def test_faults_that_are_mended(fault: str, command: str, removal: int) -> None:
    rig = Rig(requires_removal=removal)
    made = laid(rig)
    rig.do(f"{fault} answer={command}")
    events = polled(made, 10)
    assert whole(events)
    assert told(events) == ["presented", "read"], "no late answer takes another command's place"


@pytest.mark.parametrize("fault", ["wrong-checksum", "truncate 0", "truncate 700", "late 5.5", "chunk 700 gap=0.6"])
def test_a_damaged_record_is_read_once_more(fault: str) -> None:
    rig = Rig(requires_removal=0)
    made = laid(rig)
    rig.do(f"{fault} answer=3001")
    assert whole(polled(made, 10))
    assert rig.sent.count("3001") == 2
    assert rig.sent.count("12ff") == 1, "the SAM id brings both back into step"


@pytest.mark.parametrize("fault", ["wrong-checksum", "truncate 0", "truncate 700"])
def test_a_damaged_record_that_the_reader_holds_for_read(fault: str) -> None:
    rig = Rig(requires_removal=1)
    made = laid(rig)
    rig.do(f"{fault} answer=3001")
    events = polled(made, 10)
    assert told(events) == ["presented", "rejected:read-failed"]
    assert rejected(events) == ("read-failed", "lay-card-again", None)
    rig.do("remove")
    assert told(polled(made, 3)) == ["removed"]
    rig.do(f"insert {CARD}")
    assert whole(polled(made, 3))


@pytest.mark.parametrize("fault", ["wrong-checksum", "truncate 700"])
def test_a_record_that_stays_damaged(fault: str) -> None:
    rig = Rig(requires_removal=0)
    made = laid(rig)
    rig.do(f"{fault} answer=3001 times=1000")
    assert told(polled(made, 20)) == ["presented", "rejected:read-failed"]
    assert rig.sent.count("3001") == 2


def test_an_answer_too_many_is_not_the_next_one() -> None:
    rig = Rig()
    made = driver(rig)
    rig.do("replace AAAAAA9669000400008084AAAAAA9669000800009F0000000097 answer=2001")
    rig.do("chunk 11 gap=0.01 answer=2001")
    assert polled(made, 5) == []


def test_half_a_record_is_noticed_by_its_gap() -> None:
    rig = Rig(requires_removal=0)
    made = laid(rig)
    rig.do("truncate 700 answer=3001")
    before = rig.now
    assert whole(polled(made))
    assert rig.now - before < 2.0


def test_a_card_that_takes_too_long_is_given_up() -> None:
    rig = Rig()
    made = laid(rig)
    rig.do("late 4 answer=3001 times=9")
    rig.do("status 41 answer=3001 times=9")
    assert rejected(polled(made)) == ("read-failed", "lay-card-again", "41")
    assert rig.sent.count("3001") == 2


def test_a_preamble_in_the_photo() -> None:
    for fault in ("", "chunk 1 answer=3001", "garbage 30 answer=3001"):
        rig = Rig()
        made = driver(rig, **FULL)
        rig.do("insert resident seed=5 photo-preamble=1")
        if fault:
            rig.do(fault)
        read = polled(made)[1]
        assert isinstance(read, Read)
        assert read.person is not None
        assert read.person.photo_wlt == citizen("resident seed=5 photo-preamble=1").photo


@pytest.mark.parametrize("command", SOON)
def test_every_offset_at_which_the_cable_is_pulled(command: str) -> None:
    sizes = {"2001": 15, "2002": 19, "3001": READ_BYTES, "3003": 81}
    for offset in range(0, sizes[command], 1 if sizes[command] < 100 else 7):
        rig = Rig()
        made = laid(rig)
        rig.do(f"unplug-after {offset} answer={command}")
        events: list[Payload] = []
        with pytest.raises(DeviceLost):
            events.extend(made.poll(0.3))
        assert told(events) in ([], ["presented"])
