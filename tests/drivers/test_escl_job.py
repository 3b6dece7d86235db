"""One eSCL job after another, over real HTTP: pages as they arrive, and every way in which a job can end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from drivers._scan_pages import check_page
from edge.errors import DeviceAttention, DeviceBusy, DeviceLost, DeviceProtocol, JobCancelled, Unsupported
from edge.events import Page, Payload, ScanStarted
from edge.jobs import DeviceJob
from simulators.escl_pages import Press, Print
from tests.drivers.escl_rig import Rig, rig, scanner

Made = Callable[..., Rig]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Made]:
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda settings=None, **options: stack.enter_context(rig(tmp_path, settings, **options))


# --- pages ---


def test_a_feeder_gives_page_after_page(make: Made) -> None:
    one = make(sheets=3)
    outcome = one.scan()
    assert outcome.types == ["scan-started", "page", "page", "page", "scan-completed"]
    assert outcome.completed == 3
    assert [(page.number, page.sheet, page.side) for page in outcome.sides] == [(n, n, "front") for n in (1, 2, 3)]
    assert len(set(outcome.pages)) == 3
    for page, data in zip(outcome.sides, outcome.pages, strict=True):
        facts = check_page(data, page.blob.media_type)
        assert (facts.width, facts.height, facts.dpi) == (page.width, page.height, 75)
        assert (page.dpi, page.color, page.blank, page.content) == (75, "gray", False, "personal")


def test_a_page_is_published_as_the_scanner_sent_it(make: Made) -> None:
    one = make(sheets=1)
    (page,) = one.scan().pages
    assert page == Press(1).page(1, Print(437, 620, 75, gray=True))


def test_the_next_page_is_fetched_when_the_last_one_is_durable(make: Made) -> None:
    one = make(sheets=3)

    def look(event: Payload, _job: DeviceJob) -> None:
        if isinstance(event, Page):
            assert one.simulator.counters["pages"] == event.number

    assert one.scan(look).completed == 3


def test_both_sides_come_in_order(make: Made) -> None:
    outcome = make(sheets=2).scan(duplex=True)
    assert outcome.completed == 4
    assert [(page.sheet, page.side) for page in outcome.sides] == [(1, "front"), (1, "back"), (2, "front"), (2, "back")]


def test_blank_sides_are_flagged(make: Made) -> None:
    one = make()
    one.do("load 2 blank=1b+2b")
    assert [page.blank for page in one.scan(duplex=True).sides] == [False, True, False, True]


def test_blank_sides_are_dropped_when_asked(make: Made) -> None:
    one = make()
    one.do("load 3 blank=1b+2+2b+3b")
    outcome = one.scan(duplex=True, drop_blank=True)
    assert [(page.number, page.sheet, page.side) for page in outcome.sides] == [(1, 1, "front"), (2, 3, "front")]
    assert outcome.completed == 2
    assert getattr(outcome.events[-1], "dropped") == 4  # noqa: B009
    assert outcome.reports.count("blank-page-dropped") == 4


def test_the_glass_gives_one_page(make: Made) -> None:
    outcome = make(sheets=3).scan(source="platen", duplex=True)
    assert outcome.completed == 1
    started = outcome.events[0]
    assert isinstance(started, ScanStarted)
    assert (started.source, started.duplex) == ("platen", False)


@pytest.mark.parametrize(("sheets", "source", "pages"), [(0, "platen", 1), (2, "feeder", 2)])
def test_paper_in_the_feeder_decides_where_to_scan(make: Made, sheets: int, source: str, pages: int) -> None:
    outcome = make(sheets=sheets).scan(source="auto")
    assert getattr(outcome.events[0], "source") == source  # noqa: B009
    assert outcome.completed == pages


def test_more_pages_than_wanted_are_not_scanned(make: Made) -> None:
    one = make(sheets=5)
    assert one.scan(max_pages=2).completed == 2
    assert one.simulator.counters["deletes"] == 1
    assert len(one.simulator.device.sheets) == 3
    assert one.scan().completed == 3


# --- what is asked for and what the scanner can ---


@pytest.mark.parametrize(
    ("options", "wishes", "expected"),
    [
        ({}, {"dpi": 300}, 300),
        ({"dpi": "100+200"}, {"dpi": 150}, 200),
        ({"dpi": "100+200"}, {"dpi": 1200}, 200),
        ({"dpi": "75+300", "range": 1}, {"dpi": 111}, 111),
        ({"dpi": "100+300", "range": 1}, {"dpi": 75}, 100),
        ({"dpi": "75+240", "range": 1}, {"dpi": 300}, 240),
    ],
)
def test_a_resolution_is_cut_to_what_there_is(
    make: Made, options: dict[str, object], wishes: dict[str, Any], expected: int
) -> None:
    outcome = make(sheets=1, **options).scan(**wishes)
    assert outcome.completed == 1
    (page,) = outcome.sides
    assert page.dpi == expected
    assert page.width == 1748 * expected // 300


@pytest.mark.parametrize(
    ("colors", "wanted", "got"),
    [
        ("color+gray", "color", "color"),
        ("color+gray", "gray", "gray"),
        ("color+gray", "mono", "gray"),  # JPEG has no black and white
        ("gray", "color", "gray"),
        ("color", "gray", "color"),
    ],
)
def test_a_colour_is_cut_to_what_there_is(make: Made, colors: str, wanted: str, got: str) -> None:
    outcome = make(sheets=1, colors=colors).scan(color=wanted)
    assert outcome.completed == 1
    assert outcome.sides[0].color == got
    picture = cv2.imdecode(np.frombuffer(outcome.pages[0], np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.ndim == (3 if got == "color" else 2)


@pytest.mark.parametrize(
    ("size", "width", "height"),
    [("a4", 620, 877), ("a3", 637, 1050), ("letter", 637, 825), ("id-card", 252, 159), ("max", 637, 1050)],
)
def test_a_size_is_cut_to_what_there_is(make: Made, size: str, width: int, height: int) -> None:
    (page,) = make(sheets=1).scan(size=size).sides
    assert (page.width, page.height) == (width, height)


def test_a_feeder_for_one_side_scans_one_side(make: Made) -> None:
    outcome = make(sheets=2, duplex=0).scan(duplex=True)
    assert outcome.completed == 2
    assert getattr(outcome.events[0], "duplex") is False  # noqa: B009


@pytest.mark.parametrize(("options", "source"), [({"feeder": 0}, "feeder"), ({"platen": 0}, "platen")])
def test_what_it_has_not_it_does_not_scan_from(make: Made, options: dict[str, object], source: str) -> None:
    outcome = make(**options).scan(source=source)
    assert isinstance(outcome.error, Unsupported)
    assert outcome.code == "ESC-123"
    assert not outcome.events


@pytest.mark.parametrize("offered", ["jpeg", "png", "pdf", "jpeg+png+pdf"])
@pytest.mark.parametrize("form", ["jpeg", "png", "pdf"])
@pytest.mark.parametrize("source", ["feeder", "platen"])
def test_pages_come_in_the_wanted_format(make: Made, offered: str, form: str, source: str) -> None:
    one = make({"format": form}, sheets=1, formats=offered)
    outcome = one.scan(source=source)
    assert outcome.completed == 1
    (page,) = outcome.sides
    wanted = {"jpeg": "image/jpeg", "png": "image/png", "pdf": "application/pdf"}[form]
    assert page.blob.media_type == ("image/png" if (offered, form) == ("png", "jpeg") else wanted)
    facts = check_page(outcome.pages[0], page.blob.media_type)
    assert facts.complete
    assert (facts.width, facts.height, facts.dpi) == (page.width, page.height, 75)


def test_black_and_white_comes_as_png(make: Made) -> None:
    outcome = make(sheets=1, formats="jpeg+png", colors="color+gray+mono").scan(color="mono")
    assert outcome.completed == 1
    assert (outcome.sides[0].color, outcome.sides[0].blob.media_type) == ("mono", "image/png")


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


@pytest.mark.parametrize("answer", [503, 409, 404, 500])
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
def test_pages_before_a_jam_are_kept(make: Made, answer: int, what: str, code: str, reason: str) -> None:
    one = make(sheets=5, trouble=answer)
    one.do(f"stop {what} page=3")
    outcome = one.scan()
    assert isinstance(outcome.error, DeviceAttention)
    assert (outcome.code, outcome.stopped) == (code, (reason, 2))
    assert outcome.error.action
    assert one.simulator.counters["deletes"] == 1
    one.do("clear")
    assert one.scan().completed == 3


@pytest.mark.parametrize("what", ["jam", "hatch", "mispick", "double-feed"])
def test_a_jam_before_the_job_keeps_it_from_starting(make: Made, what: str) -> None:
    one = make(sheets=2)
    one.do(f"stop {what}")
    outcome = one.scan()
    assert isinstance(outcome.error, DeviceAttention)
    assert outcome.types == ["scan-stopped"]
    assert not one.simulator.counters["jobs"]


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
    import threading
    import time

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
    import time

    from edge.events import Scan
    from tests.drivers.escl_rig import REQUEST

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


@pytest.mark.parametrize(
    "options", [{"chunked": 1}, {"keep": 0}, {"chunked": 1, "keep": 0}, {"prefixes": "s+"}, {"prefixes": "+wsd"}]
)
def test_other_ways_to_say_the_same(make: Made, options: dict[str, object]) -> None:
    assert make(sheets=3, **options).scan(duplex=True).completed == 6


@pytest.mark.parametrize("location", ["absolute", "path", "relative", "wrong-host", "broken-ipv6"])
@pytest.mark.parametrize("root", ["eSCL", "scan"])
def test_only_the_path_of_a_new_job_is_believed(make: Made, location: str, root: str) -> None:
    assert make(sheets=2, location=location, root=root).scan().completed == 2


def test_a_page_that_is_far_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers._escl_scanner.MOST_PAGE_BYTES", 20_000)
    with rig(tmp_path, sheets=2) as one:
        outcome = one.scan(dpi=300, color="color")
        assert (outcome.code, outcome.stopped) == ("ESC-106", ("device-error", 0))


def test_public_pages_are_not_sealed(tmp_path: Path) -> None:
    with scanner(tmp_path, sheets=1) as simulator:
        one = Rig(simulator, content="public")
        one.driver.open()
        (page,) = one.scan().sides
        assert (page.content, page.sensitivity(), page.hidden()) == ("public", 1, frozenset())
        assert not one.driver.settings.needs_sealing()
        one.driver.close()
