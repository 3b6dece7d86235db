"""The SANE driver against the real libsane and its test backend, each scanner in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from drivers._scan_pages import PageFacts, check_page
from edge.errors import (
    DeviceAbsent,
    DeviceAccess,
    DeviceAttention,
    DeviceBusy,
    DeviceFault,
    DeviceProtocol,
    EdgeError,
    JobCancelled,
    Unsupported,
)
from edge.events import Page, Payload, ScanCompleted, ScanStarted
from edge.jobs import DeviceJob
from tests.drivers import sane_rig as rig
from tests.support.saned import backend_test

SLOW = {"read_delay": True, "read_delay_duration": 50_000}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return backend_test(tmp_path_factory.mktemp("sane"))


@pytest.fixture(scope="module")
def process(config: Path) -> Iterator[rig.Desk]:
    with rig.scanner(config, driver=rig.Told) as made:
        yield made


@pytest.fixture
def desk(process: rig.Desk, config: Path) -> rig.Desk:
    return process.told(config, test_picture="Color pattern")


def decoded(data: bytes) -> Any:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def test_a_feeder_of_ten_sheets_and_then_an_empty_one(desk: rig.Desk) -> None:
    assert desk.info.simulated
    result = desk.scan(source="feeder", dpi=100, size="a5")
    assert result.types == ["scan-started", *["page"] * 10, "scan-completed"]
    assert result.events[0] == ScanStarted(job=rig.JOB, source="feeder", color="color", dpi=100)
    assert result.last == ScanCompleted(job=rig.JOB, pages=10)
    for number, (page, data) in enumerate(result.pages, 1):
        assert (page.number, page.sheet, page.side, page.blank) == (number, number, "front", False)
        assert (page.width, page.height) == (582, 826)
        assert check_page(data, page.blob.media_type) == PageFacts(582, 826, 100, complete=True)
        assert page.content == "personal"
        assert page.hidden() == frozenset()  # the key is the core's to add
        assert page.sensitivity() == 3


def test_an_empty_feeder_is_told_and_the_glass_taken_instead(config: Path) -> None:
    with rig.scanner(config, settings={"hold": True}) as desk:
        assert len(desk.scan(source="feeder", size="id-card", max_pages=10).pages) == 10
        empty = desk.scan(source="feeder", size="id-card")
        assert empty.stopped == ("feeder-empty", 0)
        assert empty.types == ["scan-stopped"]
        assert empty.error is None
        assert len(desk.scan(source="feeder", size="id-card", max_pages=10).pages) == 10
        glass = desk.scan(source="auto", size="id-card")
    assert glass.types == ["scan-started", "page", "scan-completed"]
    assert isinstance(glass.events[0], ScanStarted)
    assert glass.events[0].source == "platen"


def test_no_more_pages_than_asked_for(desk: rig.Desk) -> None:
    result = desk.scan(source="feeder", size="id-card", max_pages=3)
    assert result.types == ["scan-started", *["page"] * 3, "scan-completed"]


@pytest.mark.parametrize(
    ("options", "color", "seen"),
    [
        ({}, "color", "color"),
        ({"depth": 16}, "color", "color"),
        ({"three_pass": True}, "color", "color"),
        ({"three_pass": True, "three_pass_order": "GBR"}, "color", "color"),
        ({"ppl_loss": 37}, "color", "color"),
        ({"read_limit": True, "read_limit_size": 997}, "color", "color"),
        ({"fuzzy_parameters": True}, "color", "color"),
        ({"non_blocking": True}, "color", "color"),
        ({}, "gray", "gray"),
        ({"depth": 16}, "gray", "gray"),
        ({}, "mono", "mono"),
        ({"depth": 1}, "color", "color"),
    ],
)
def test_every_form_of_frame_gives_the_picture(
    desk: rig.Desk, config: Path, options: dict[str, Any], color: str, seen: str
) -> None:
    desk.told(config, {"format": "png"}, test_picture="Grid", **options)
    result = desk.scan(source="platen", color=color, dpi=100, size="a5")
    page, data = result.pages[0]
    picture = decoded(data)
    assert page.color == seen
    assert picture.shape[:2] == (page.height, page.width)
    assert picture.ndim == (3 if seen == "color" else 2)
    # squares of 10 mm, black and white, from the corner on
    squares = [int(np.median(picture[y - 8 : y + 8, x - 8 : x + 8])) for y in (20, 59) for x in (20, 59, 98)]
    assert squares in ([0, 255, 0, 255, 0, 255], [255, 0, 255, 0, 255, 0])


def test_colours_stay_what_they_are(desk: rig.Desk, config: Path) -> None:
    pictures = []
    for options in ({}, {"three_pass": True, "three_pass_order": "BRG"}):
        desk.told(config, {"format": "png"}, test_picture="Color pattern", **options)
        pictures.append(decoded(desk.scan(source="platen", dpi=75, size="a5").pages[0][1]))
    assert len({tuple(pixel) for pixel in pictures[0][3::7, 3::7].reshape(-1, 3)}) > 20
    assert np.array_equal(*pictures)


def test_a_hand_scanner_that_does_not_know_its_length(desk: rig.Desk, config: Path) -> None:
    result = desk.told(config, hand_scanner=True).scan(source="platen", dpi=75, size="a5")
    page, data = result.pages[0]
    assert check_page(data, "image/jpeg") == PageFacts(page.width, page.height, 75, complete=True)
    assert page.width == pytest.approx(110 / 25.4 * 75, abs=2)
    assert page.height > 500


@pytest.mark.parametrize("form", ["jpeg", "png", "pdf"])
def test_every_format_is_one_document_a_page(desk: rig.Desk, config: Path, form: str) -> None:
    result = desk.told(config, {"format": form}).scan(source="feeder", dpi=75, size="id-card", max_pages=2)
    assert len(result.pages) == 2
    for page, data in result.pages:
        assert page.blob.media_type == {"pdf": "application/pdf"}.get(form, f"image/{form}")
        assert check_page(data, page.blob.media_type) == PageFacts(page.width, page.height, 75, complete=True)


@pytest.mark.parametrize(
    ("status", "reason", "kind", "code"),
    [
        ("UNSUPPORTED", "device-error", DeviceProtocol, "SAN-108"),
        ("CANCELLED", "cancelled", JobCancelled, "SAN-114"),
        ("DEVICE_BUSY", "device-error", DeviceBusy, "SAN-102"),
        ("INVAL", "device-error", DeviceProtocol, "SAN-108"),
        ("EOF", "device-error", DeviceProtocol, "SAN-109"),
        ("JAMMED", "jam", DeviceAttention, "SAN-110"),
        ("COVER_OPEN", "cover-open", DeviceAttention, "SAN-111"),
        ("IO_ERROR", "device-error", DeviceFault, "SAN-104"),
        ("NO_MEM", "device-error", DeviceFault, "SAN-107"),
        ("ACCESS_DENIED", "device-error", DeviceAccess, "SAN-103"),
    ],
)
def test_every_status_says_what_to_do(
    desk: rig.Desk, config: Path, status: str, reason: str, kind: type[Exception], code: str
) -> None:
    result = desk.told(config, read_return_value=f"SANE_STATUS_{status}").scan(source="feeder")
    assert result.stopped == (reason, 0)
    assert isinstance(result.error, kind)
    assert isinstance(result.error, EdgeError)
    assert result.error.code == code
    assert result.error.action
    assert len(desk.told(config).scan(source="platen", size="id-card").pages) == 1  # and it works again


def test_a_feeder_that_tells_only_at_the_first_read_that_it_is_empty(desk: rig.Desk, config: Path) -> None:
    result = desk.told(config, read_return_value="SANE_STATUS_NO_DOCS").scan(source="feeder")
    assert result.types == ["scan-started", "scan-stopped"]
    assert result.stopped == ("feeder-empty", 0)
    assert result.error is None


@pytest.mark.parametrize(
    ("driver", "reason", "code"),
    [(rig.JamsAtThree, "jam", "SAN-110"), (rig.BreaksAtThree, "device-error", "SAN-104")],
)
def test_the_pages_before_a_jam_are_kept(config: Path, driver: type, reason: str, code: str) -> None:
    with rig.scanner(config, driver=driver) as desk:
        result = desk.scan(source="feeder", size="id-card")
        assert result.types == ["scan-started", "page", "page", "scan-stopped"]
        assert result.stopped == (reason, 2)
        assert result.error is not None
        assert result.error.code == code
        assert all(check_page(data, "image/jpeg").complete for _, data in result.pages)


def test_a_feeder_that_tells_late_that_it_is_empty_ends_the_job_well(config: Path) -> None:
    with rig.scanner(config, driver=rig.EmptyAtThree) as desk:
        result = desk.scan(source="feeder", size="id-card")
    assert result.types == ["scan-started", "page", "page", "scan-completed"]
    assert result.error is None


def test_a_cancelled_job_keeps_its_pages_and_drops_the_rest(desk: rig.Desk, config: Path) -> None:
    cancelled_at = 0.0

    def cancel(job: DeviceJob, event: Payload) -> None:
        nonlocal cancelled_at
        if isinstance(event, Page):
            cancelled_at = time.monotonic()
            job.cancel()

    result = desk.told(config, **SLOW).scan(source="feeder", size="a5", color="gray", seen=cancel)
    assert time.monotonic() - cancelled_at < 1
    assert result.types == ["scan-started", "page", "scan-stopped"]
    assert result.stopped == ("cancelled", 1)
    assert isinstance(result.error, JobCancelled)
    assert len(desk.told(config).scan(source="platen", size="id-card").pages) == 1  # and it works again


def test_a_deadline_ends_a_job_in_the_middle_of_a_page(desk: rig.Desk, config: Path) -> None:
    began = time.monotonic()
    result = desk.told(config, **SLOW).scan(source="feeder", dpi=300, limit_s=1.0)
    assert time.monotonic() - began < 2
    assert result.types == ["scan-started", "scan-stopped"]
    assert result.stopped == ("timed-out", 0)


def test_blank_pages_are_flagged_and_left_out_when_asked(desk: rig.Desk, config: Path) -> None:
    desk.told(config, test_picture="Solid white")
    flagged = desk.scan(source="feeder", size="id-card")
    dropped = desk.scan(source="feeder", size="id-card", drop_blank=True)
    assert [page.blank for page, _ in flagged.pages] == [True] * 10
    assert dropped.types == ["scan-started", "scan-completed"]
    assert dropped.last == ScanCompleted(job=rig.JOB, pages=0, dropped=10)


def test_what_the_scanner_cannot_is_told_as_it_is(desk: rig.Desk) -> None:
    result = desk.scan(source="platen", duplex=True, dpi=1199, size="id-card", color="gray")
    started = result.events[0]
    assert isinstance(started, ScanStarted)
    assert (started.duplex, started.dpi, started.color) == (False, 1199, "gray")
    assert result.pages[0][0].width == pytest.approx(85.6 / 25.4 * 1199, abs=30)


def test_a_page_too_large_for_the_memory_is_refused_before_it_is_scanned(desk: rig.Desk) -> None:
    result = desk.scan(source="platen", dpi=1200, size="max")
    assert isinstance(result.error, Unsupported)
    assert result.error.code == "SAN-121"
    assert result.events == []


def test_a_scanner_that_is_not_there(config: Path) -> None:
    with pytest.raises(DeviceAbsent) as caught, rig.scanner(config, "test:7"):
        pass
    assert caught.value.code == "SAN-101"
    with pytest.raises(DeviceAbsent), rig.scanner(config, "no_such_backend:x"):
        pass


def test_the_first_scanner_of_a_backend(config: Path) -> None:
    with rig.scanner(config, "test:") as desk:
        assert len(desk.scan(source="platen", size="id-card").pages) == 1


def test_a_scanner_that_another_program_has(config: Path) -> None:
    with pytest.raises(DeviceBusy) as caught, rig.scanner(config, driver=rig.AskedTwice):
        pass
    assert caught.value.code == "SAN-102"


def test_an_option_that_the_scanner_does_not_have(config: Path) -> None:
    with pytest.raises(DeviceProtocol) as caught, rig.scanner(config, options={"no-such-option": 1}):
        pass
    assert caught.value.code == "SAN-122"
    assert "no-such-option" in caught.value.message


@pytest.mark.parametrize("value", ["yes", 7, 2.5])
def test_an_option_with_a_wrong_value(desk: rig.Desk, config: Path, value: object) -> None:
    result = desk.told(config, hand_scanner=value).scan(source="platen")
    assert isinstance(result.error, DeviceProtocol)
    assert result.error.code == "SAN-122"


def test_a_poll_sees_that_it_is_there_and_ends_in_time(config: Path) -> None:
    with rig.scanner(config, settings={"probe_s": 0.05}) as desk:
        opened_at = desk.port.last_proof
        began = time.monotonic()
        assert list(desk.driver.poll(0.2)) == []
        assert list(desk.driver.poll(0.2)) == []
        assert time.monotonic() - began < 1
        assert opened_at is not None
        assert desk.port.last_proof is not None
        assert desk.port.last_proof > opened_at
