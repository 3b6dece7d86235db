"""The read command: armed for one card until its deadline."""

from __future__ import annotations

import pytest

from drivers import _sdt_sam as sam
from edge.errors import DeviceTimeout, JobCancelled, Unsupported
from edge.events import Evaluate, Read, ReadCard
from simulators.people import citizen
from tests.drivers.idcard_rig import Job, Rig, driver, executed, polled, told

CARD = "resident seed=5"
NUMBER = citizen(CARD).number
OTHER = citizen("resident seed=6").number
FULL = {"read": "full", "purpose": "configured"}
FIELDS = {"read": "fields", "fields": ("name",)}


def read_of(events: list[object]) -> Read:
    (read,) = [event for event in events if isinstance(event, Read)]
    return read


@pytest.mark.parametrize("settings", [{}, FULL, FIELDS], ids=["verify", "full", "fields"])
@pytest.mark.parametrize(("number", "same"), [(NUMBER, True), (f" {NUMBER[:6]} {NUMBER[6:]}", True), (OTHER, False)])
def test_verify_says_yes_or_no_and_nothing_else(settings: dict[str, object], number: str, same: bool) -> None:
    rig = Rig()
    made = driver(rig, **settings)
    rig.do(f"insert {CARD} addresses=1")
    events = executed(made, Job(rig), number=number)
    read = read_of([*events])
    assert told(events) == ["presented", "read"]
    assert (read.mode, read.verified, read.document) == ("verify", same, "prc-resident")
    assert read.person is None
    assert read.sensitivity() == 1
    assert "3010" not in rig.sent


def test_verify_reads_the_same_card_once() -> None:
    rig = Rig()
    made = driver(rig, **FULL)
    rig.do(f"insert {CARD}")
    assert told(executed(made, Job(rig), number=NUMBER)) == ["presented", "read"]
    assert told(polled(made, 10)) == []


def test_foreigner_2017_by_the_permit_number() -> None:
    rig = Rig()
    made = driver(rig)
    rig.do("insert I seed=5")
    number = citizen("I seed=5").number
    read = read_of([*executed(made, Job(rig), number=number.lower())])
    assert (read.verified, read.holder) == (True, rig.digest(number))


def test_without_a_number_verify_tells_the_digest_only() -> None:
    rig = Rig()
    made = driver(rig)
    rig.do(f"insert {CARD}")
    read = read_of([*executed(made, Job(rig))])
    assert (read.mode, read.verified, read.person, read.holder) == ("verify", None, None, rig.digest(NUMBER))


def test_full_takes_the_purpose_of_the_command() -> None:
    for params, purpose in (({}, "configured"), ({"purpose": "asked"}, "asked")):
        rig = Rig()
        made = driver(rig, **FULL, auto=False)
        rig.do(f"insert {CARD}")
        assert told(polled(made, 3)) == ["presented"]
        read = read_of([*executed(made, Job(rig), **params)])
        assert (read.mode, read.purpose) == ("full", purpose)
        assert read.person is not None


@pytest.mark.parametrize("params", [{}, {"number": NUMBER}], ids=["read", "verify"])
def test_presence_reads_nothing_for_nobody(params: dict[str, str]) -> None:
    rig = Rig()
    made = driver(rig, read="presence")
    rig.do(f"insert {CARD}")
    with pytest.raises(Unsupported) as caught:
        list(made.execute(ReadCard(**params), Job(rig)))
    assert NUMBER not in str(caught.value)
    assert rig.sent == []


def test_another_command() -> None:
    rig = Rig()
    made = driver(rig)
    with pytest.raises(Unsupported):
        list(made.execute(Evaluate(), Job(rig)))


def test_a_card_that_lies_there_unread_counts() -> None:
    rig = Rig()
    made = driver(rig)
    rig.do(f"insert {CARD}")
    assert told(polled(made, 5)) == ["presented"]
    job = Job(rig)
    assert told(executed(made, job, number=NUMBER)) == ["read"]
    assert job.said == ["card-found", "reading"]


def test_a_card_that_comes_later() -> None:
    rig = Rig()
    made = driver(rig)
    job = Job(rig)
    rig.then("2001", "", "", f"insert {CARD}")
    assert told(executed(made, job, number=NUMBER)) == ["presented", "read"]
    assert job.said == ["lay-card", "card-found", "reading"]


@pytest.mark.parametrize("settings", [{}, FULL], ids=["verify", "full"])
def test_a_card_that_was_read_must_be_lifted(settings: dict[str, object]) -> None:
    rig = Rig()
    made = driver(rig, **settings)
    rig.do(f"insert {CARD}")
    if settings:
        assert told(polled(made)) == ["presented", "read"]
    else:
        assert told(executed(made, Job(rig), number=OTHER)) == ["presented", "read"]
    job = Job(rig, 5.0)
    assert told(executed(made, job, number=NUMBER)) == []
    assert job.said == ["lay-card"]
    job = Job(rig)
    rig.then("3003", "", "", "remove")
    rig.then("2001", "", f"insert {CARD}")
    assert told(executed(made, job, number=NUMBER)) == ["removed", "presented", "read"]


def test_the_deadline_ends_it() -> None:
    rig = Rig()
    made = driver(rig)
    before = rig.now
    with pytest.raises(JobCancelled):
        list(made.execute(ReadCard(number=NUMBER), Job(rig, 3.0)))
    assert rig.now - before == pytest.approx(3.0, abs=0.15)


@pytest.mark.parametrize("interval", [0.05, 0.3, 5.0])
def test_the_job_is_asked_every_100_ms(interval: float) -> None:
    rig = Rig()
    made = driver(rig, find_interval_s=interval)
    job = Job(rig, 11.0)
    executed(made, job)
    gaps = [later - earlier for earlier, later in zip(job.checks, job.checks[1:], strict=False)]
    assert max(gaps) < 0.11
    assert rig.sent.count("2001") == pytest.approx(11 / interval, rel=0.2, abs=1)


def test_cancelled_between_any_two_commands() -> None:
    """Nothing is torn: the card is read when it is asked for again, or it was read."""
    for number in range(1, 8):
        rig = Rig()
        made = driver(rig)
        rig.do(f"insert {CARD}")
        job = Job(rig)
        job.cancel_after = number
        first = executed(made, job, number=NUMBER)
        assert told(first) in ([], ["presented"], ["presented", "read"])
        if told(first)[-1:] != ["read"]:
            assert rig.sent[-1:] != ["3001"], "a card's answer is never thrown away half-way"
            again = executed(made, Job(rig), number=NUMBER)
            assert told([*first, *again]) == ["presented", "read"]


def test_a_card_lifted_too_early_may_be_laid_again() -> None:
    rig = Rig()
    made = driver(rig)
    rig.do(f"insert {CARD}")
    rig.then("2002", "remove")
    rig.then("2001", "", "", "", f"insert {CARD}")
    events = executed(made, Job(rig), number=NUMBER)
    assert told(events) == ["presented", "rejected:removed-too-early", "removed", "presented", "read"]


def test_a_rejected_card_ends_the_job() -> None:
    rig = Rig()
    made = driver(rig)
    rig.do(f"insert {CARD}")
    rig.do("status 40 answer=3001")
    job = Job(rig)
    assert told(executed(made, job, number=NUMBER)) == ["presented", "rejected:not-an-id-card"]
    assert job.remaining_s() > 9


def test_silence_is_not_waited_out() -> None:
    rig = Rig()
    made = driver(rig)
    rig.do("mute")
    with pytest.raises(DeviceTimeout):
        list(made.execute(ReadCard(number=NUMBER), Job(rig, 100.0)))


# --- readers that deny a card and read it all the same -------------------------------------------

LENIENT = {"read": "full", "purpose": "x", "lenient": True}


@pytest.mark.parametrize("probe", ["", "status 21 answer=3003 times=1000", "truncate 0 answer=3003 times=1000"])
def test_lenient(probe: str) -> None:
    rig = Rig(lenient=1)
    if probe:
        rig.do(probe)
    made = driver(rig, **LENIENT)
    assert told(polled(made, 3)) == []
    rig.do(f"insert {CARD}")
    assert told(polled(made, 10)) == ["presented", "read"]
    rig.do("insert resident seed=6")
    assert told(polled(made, 10)) == ["removed", "presented", "read"]
    rig.do("remove")
    assert told(polled(made, 10)) == ["removed"]


def test_lenient_by_command_only() -> None:
    rig = Rig(lenient=1)
    made = driver(rig, lenient=True)
    rig.do(f"insert {CARD}")
    assert told(polled(made, 3)) == []
    assert set(rig.sent) == {"2001"}, "nothing is read that was not asked for"
    job = Job(rig)
    assert told(executed(made, job, number=NUMBER)) == ["presented", "read"]


def test_without_lenient_such_a_reader_never_shows_a_card() -> None:
    rig = Rig(lenient=1)
    made = driver(rig, **FULL)
    rig.do(f"insert {CARD}")
    assert told(polled(made, 5)) == []


def test_lenient_on_a_reader_that_behaves() -> None:
    rig = Rig()
    made = driver(rig, **LENIENT)
    rig.do(f"insert {CARD}")
    assert told(polled(made, 10)) == ["presented", "read"]
    rig.do("remove")
    assert told(polled(made, 10)) == ["removed"]


@pytest.mark.parametrize("fault", ["wrong-checksum", "truncate 0"])
def test_lenient_without_a_card_reports_nothing_for_noise(fault: str) -> None:
    rig = Rig(lenient=1)
    made = driver(rig, **LENIENT)
    rig.do(f"{fault} answer=3001 times=4")
    assert told(polled(made, 10)) == []


def test_lenient_rejects_a_card_once() -> None:
    rig = Rig(lenient=1)
    made = driver(rig, **LENIENT)
    rig.do(f"insert {CARD}")
    rig.do("status 32 answer=3001 times=1000")
    assert told(polled(made, 20)) == ["presented", "rejected:card-not-genuine"]


def test_commands_have_the_limits_of_the_protocol() -> None:
    limits = [command.limit_s for command in (sam.STATUS, sam.SAM_ID, sam.FIND, sam.SELECT)]
    assert limits == [1.0] * 4
    assert (sam.READ.limit_s, sam.READ_WITH_FINGERPRINTS.limit_s, sam.ADDRESSES.limit_s) == (5.0, 6.0, 2.0)
