"""Pages of eSCL jobs, over real HTTP: as they arrive, and as they were asked for as far as the scanner can."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from drivers._scan_pages import check_page
from edge.errors import Unsupported
from edge.events import Page, Payload, ScanStarted
from edge.jobs import DeviceJob
from simulators.escl_pages import Press, Print
from tests.drivers.escl_rig import Made, Rig, rigs, scanner


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Made]:
    with rigs(tmp_path) as made:
        yield made


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


# --- other ways to say the same ---


@pytest.mark.parametrize(
    "options", [{"chunked": 1}, {"keep": 0}, {"chunked": 1, "keep": 0}, {"prefixes": "s+"}, {"prefixes": "+wsd"}]
)
def test_other_ways_to_say_the_same(make: Made, options: dict[str, object]) -> None:
    assert make(sheets=3, **options).scan(duplex=True).completed == 6


@pytest.mark.parametrize("location", ["absolute", "path", "relative", "wrong-host", "broken-ipv6"])
@pytest.mark.parametrize("root", ["eSCL", "scan"])
def test_only_the_path_of_a_new_job_is_believed(make: Made, location: str, root: str) -> None:
    assert make(sheets=2, location=location, root=root).scan().completed == 2


def test_public_pages_are_not_sealed(tmp_path: Path) -> None:
    with scanner(tmp_path, sheets=1) as simulator:
        one = Rig(simulator, content="public")
        one.driver.open()
        (page,) = one.scan().sides
        assert (page.content, page.sensitivity(), page.hidden()) == ("public", 1, frozenset())
        assert not one.driver.settings.needs_sealing()
        one.driver.close()
