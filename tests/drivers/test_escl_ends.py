"""Every way in which an eSCL job can end but well, over real HTTP: pages before it are kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import DeviceAttention, DeviceBusy, DeviceLost, DeviceProtocol, JobCancelled, Unsupported
from edge.events import Page, Payload, Scan
from edge.jobs import DeviceJob
from tests.drivers.escl_rig import REQUEST, Made, rig, rigs


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Made]:
    with rigs(tmp_path) as made:
        yield made


# --- answers that mean "later" ---


def test_a_scanner_that_is_busy_is_asked_again(make: Made) -> None:
    one = make(sheets=1)
    one.do("answer post 503 times=3")
    outcome = one.scan()
    assert outcome.completed == 1
    assert outcome.reports.count("scanner-busy") == 3
    assert one.port.skipped_s > 2.9


def test_a_scanner_that_stays_busy_is_held(make: Made) -> None:
    one = make(sheets=1)
    one.do("busy")
    outcome = one.scan()
    assert isinstance(outcome.error, DeviceBusy)
    assert (outcome.code, outcome.stopped) == ("ESC-121", ("device-error", 0))
    assert outcome.types == ["scan-stopped"]
    one.do("free")
    assert one.scan().completed == 1


def test_a_page_that_is_not_ready_is_asked_for_again(make: Made) -> None:
    one = make(sheets=2)
    one.do("not-ready 4")
    outcome = one.scan()
    assert outcome.completed == 2
    assert outcome.reports.count("waiting-for-page") == 8


def test_a_page_that_never_gets_ready_ends_the_job(make: Made) -> None:
    one = make(sheets=2)
    one.do("answer next 503 times=1000 page=2")
    outcome = one.scan()
    assert (outcome.code, outcome.stopped) == ("ESC-142", ("device-error", 1))
    assert 28 <= one.port.skipped_s <= 31


# --- answers that mean "no" ---


def test_rejected_settings_are_tried_plainer_once(make: Made) -> None:
    one = make(sheets=1)
    one.do("answer post 409")
    outcome = one.scan(dpi=150)
    assert outcome.completed == 1
    (page,) = outcome.sides
    assert (page.dpi, page.color, page.width) == (300, "color", 2550)


def test_settings_that_are_rejected_twice_are_unsupported(make: Made) -> None:
    one = make(sheets=1)
    one.do("answer post 409 times=9")
    outcome = one.scan()
    assert isinstance(outcome.error, Unsupported)
    assert outcome.code == "ESC-122"
    assert not outcome.events
    assert [line for line in one.requests if line.startswith("POST")] == ["POST /eSCL/ScanJobs 409"] * 2


@pytest.mark.parametrize("answer", [409, 503, 404])
def test_an_empty_feeder_is_no_fault(make: Made, answer: int) -> None:
    for paper_sensor in ("trust", "ignore"):
        one = make({"paper_sensor": paper_sensor}, empty_answer=answer)
        outcome = one.scan()
        assert outcome.error is None
        assert outcome.stopped == ("feeder-empty", 0)
        assert ("POST /eSCL/ScanJobs" in " ".join(one.requests)) == (paper_sensor == "ignore")
        one.simulator.unplug()


def test_a_feeder_that_gives_no_page_was_empty(make: Made) -> None:
    one = make(sheets=1)
    one.do("answer next 404")
    outcome = one.scan()
    assert outcome.error is None
    assert outcome.stopped == ("feeder-empty", 0)


def test_a_glass_that_gives_no_page_is_a_fault(make: Made) -> None:
    one = make()
    one.do("answer next 404")
    outcome = one.scan(source="platen")
    assert (outcome.code, outcome.stopped) == ("ESC-143", ("device-error", 0))


@pytest.mark.parametrize("over", [404, 410])
def test_either_answer_ends_a_job(make: Made, over: int) -> None:
    assert make(sheets=2, over=over).scan().completed == 2


@pytest.mark.parametrize("answer", [404, 409, 410, 500, 503])
def test_whatever_comes_behind_the_page_of_the_glass_is_its_end(make: Made, answer: int) -> None:
    one = make()
    one.do(f"answer next {answer} page=2 times=99")
    assert one.scan(source="platen").completed == 1
    assert one.requests[-1] == "DELETE /eSCL/ScanJobs/JOB 200"
    assert one.scan(source="platen").completed == 1


def test_an_answer_that_means_nothing_ends_the_job(make: Made) -> None:
    one = make(sheets=3)
    one.do("answer next 418 page=3")
    outcome = one.scan()
    assert (outcome.code, outcome.stopped) == ("ESC-143", ("device-error", 2))
    assert one.simulator.counters["deletes"] == 1


# --- paper ---


@pytest.mark.parametrize(
    ("what", "code", "reason"),
    [
        ("jam", "ESC-131", "jam"),
        ("hatch", "ESC-132", "cover-open"),
        ("door", "ESC-132", "cover-open"),
        ("mispick", "ESC-134", "jam"),
        ("double-feed", "ESC-135", "double-feed"),
        ("too-short", "ESC-136", "device-error"),
        ("tray", "ESC-137", "device-error"),
        ("overload", "ESC-138", "device-error"),
    ],
)
@pytest.mark.parametrize("answer", [503])
def test_pages_before_trouble_are_kept(make: Made, answer: int, what: str, code: str, reason: str) -> None:
    one = make(sheets=5, trouble=answer)
    one.do(f"stop {what} page=3")
    outcome = one.scan()
    assert isinstance(outcome.error, DeviceAttention)
    assert (outcome.code, outcome.stopped) == (code, (reason, 2))
    assert outcome.error.action
    assert one.simulator.counters["deletes"] == 1
    one.do("clear")
    assert one.scan().completed == 3


@pytest.mark.parametrize("answer", [409, 404, 500])
def test_a_jam_is_seen_whatever_is_answered(make: Made, answer: int) -> None:
    test_pages_before_trouble_are_kept(make, answer, "jam", "ESC-131", "jam")


@pytest.mark.parametrize("what", ["jam", "hatch", "mispick", "double-feed"])
def test_a_jam_before_the_job_keeps_it_from_starting(make: Made, what: str) -> None:
    one = make(sheets=2)
    one.do(f"stop {what}")
    outcome = one.scan()
    assert isinstance(outcome.error, DeviceAttention)
    assert outcome.types == ["scan-stopped"]
    assert not one.simulator.counters["jobs"]


@pytest.mark.parametrize("what", ["mispick", "double-feed", "too-long"])
def test_what_the_last_job_left_behind_does_not_hinder_the_next(make: Made, what: str) -> None:
    one = make(sheets=3, forgets=1)
    one.do(f"stop {what} page=2")
    assert one.scan().stopped[1] == 1
    assert one.scan().completed == 2


def test_a_jam_in_the_feeder_does_not_hinder_the_glass(make: Made) -> None:
    one = make(sheets=2)
    one.do("stop jam")
    assert one.scan(source="platen").completed == 1


def test_the_stop_button_of_the_scanner_cancels(make: Made) -> None:
    one = make(sheets=9)

    def press(event: Payload, _job: DeviceJob) -> None:
        if isinstance(event, Page) and event.number == 2:
            one.do("cancel")

    outcome = one.scan(press)
    assert outcome.error is None
    assert outcome.stopped == ("cancelled", 2)


# --- who does not want any more ---


@pytest.mark.parametrize("after", [0, 2])
def test_a_cancel_ends_the_job_at_the_scanner_too(make: Made, after: int) -> None:
    one = make(sheets=9)

    def cancel(event: Payload, job: DeviceJob) -> None:
        if getattr(event, "number", 0) == after:
            job.cancel()

    outcome = one.scan(cancel)
    assert isinstance(outcome.error, JobCancelled)
    assert outcome.stopped == ("cancelled", after)
    assert one.requests[-1] == "DELETE /eSCL/ScanJobs/JOB 200"
    assert one.scan().completed == 9 - after


def test_a_cancel_is_heard_while_a_page_is_on_its_way(make: Made) -> None:
    one = make(sheets=3)

    def give_up(job: DeviceJob) -> None:
        job.cancel()
        one.do("thaw")

    def freeze(event: Payload, job: DeviceJob) -> None:
        if isinstance(event, Page):
            one.do("freeze")
            threading.Timer(0.3, give_up, [job]).start()

    began = time.monotonic()
    outcome = one.scan(freeze)
    assert outcome.stopped == ("cancelled", 1)
    assert time.monotonic() - began < 5


def test_a_generator_that_is_dropped_ends_the_job_at_the_scanner(make: Made) -> None:
    one = make(sheets=5)
    command = Scan(source="feeder", dpi=75, color="gray")
    events = one.driver.execute(command, DeviceJob(REQUEST, command, time.monotonic() + 30))
    assert [next(iter(events)).type for _ in range(2)] == ["scan-started", "page"]
    events.close()  # type: ignore[attr-defined]
    assert one.simulator.counters["deletes"] == 1


# --- damage ---


@pytest.mark.parametrize("at", [0, 1, 300, 5000])
@pytest.mark.parametrize("chunked", [0, 1])
def test_a_page_whose_transfer_breaks_is_not_published(make: Made, at: int, chunked: int) -> None:
    one = make(sheets=4, chunked=chunked)
    one.do(f"cut 3 bytes={at}")
    outcome = one.scan()
    assert isinstance(outcome.error, DeviceProtocol)
    assert (outcome.code, outcome.stopped) == ("ESC-141", ("device-error", 2))


def test_a_page_without_its_end_is_not_published(make: Made) -> None:
    one = make(sheets=4)
    one.do("damage 2")
    outcome = one.scan()
    assert (outcome.code, outcome.stopped) == ("ESC-141", ("device-error", 1))
    assert one.simulator.counters["deletes"] == 1


def test_a_scanner_that_goes_away_in_the_middle_is_lost(make: Made) -> None:
    one = make(sheets=4)

    def pull(event: Payload, _job: DeviceJob) -> None:
        if isinstance(event, Page) and event.number == 2:
            one.simulator.unplug()

    outcome = one.scan(pull)
    assert isinstance(outcome.error, DeviceLost)
    assert outcome.stopped == ("device-lost", 2)


def test_a_page_that_is_far_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers._escl_scanner.MOST_PAGE_BYTES", 20_000)
    with rig(tmp_path, sheets=2) as one:
        outcome = one.scan(dpi=300, color="color")
        assert (outcome.code, outcome.stopped) == ("ESC-106", ("device-error", 0))
