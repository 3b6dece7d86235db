"""Every row of the quirk table: the simulator plays that scanner, and only the quirk makes it work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from drivers import _escl_quirks
from drivers._escl_quirks import Quirks, quirks_of, rows
from drivers._scan_pages import check_page
from drivers.scanner_escl import EsclScanner
from tests.drivers.escl_rig import Outcome, Rig, rig, scanner


@dataclass(frozen=True)
class Part:
    """One scanner that is played: its options, what is done to it, and what a job of two sheets comes to."""

    model: str
    options: Mapping[str, object]
    quirk: Mapping[str, object]
    lines: tuple[str, ...] = ()
    sheets: int = 2
    paper_sensor: str = "auto"
    pages: int | None = 2
    """``None``: the feeder is empty, and that is said."""
    without: tuple[str, ...] = field(default=("device-error",))
    """How the job ends without the quirk."""


PROCESSING = {"empty-state": "ScannerAdfProcessing"}
PROCESSING_MEANS_EMPTY: Mapping[str, object] = {"empty_states": ("ScannerAdfProcessing",)}


def _says_processing(model: str, **options: object) -> Part:
    options = {**PROCESSING, **options}
    return Part(model, options, PROCESSING_MEANS_EMPTY, sheets=0, pages=None, without=("unsupported",))


def _never_ends(model: str) -> Part:
    quirk = {"check_feeder_first": True}
    return Part(model, {"takes-empty": 1}, quirk, sheets=0, paper_sensor="ignore", pages=None)


def _later(model: str, code: int) -> Part:
    without = ("feeder-empty", "completed")
    return Part(model, {"later": code}, {"retry_on_404": True}, ("not-ready 2",), without=without)


PARTS = (
    Part("HP LaserJet MFP M630", {"host": "localhost"}, {"host": "localhost"}),
    Part("EPSON DS-790WN", {"port-in-host": 1}, {"port_in_host": True}),
    _later("Xerox B205", 404),
    _later("Fuji Xerox B215", 410),
    Part("Brother ADS-4700W", {"hurry": 0.15, "pace": 0.2}, {"page_delay": 1.0}),
    _never_ends("Canon MF410 Series"),
    _never_ends("Xerox WorkCentre 3345"),
    _says_processing("Canon TR4500 series"),
    _says_processing("EPSON XP-7100 Series"),
    _says_processing("Kyocera ECOSYS M6526cdn", **{"drops-reply": 1}),
    Part("HP ScanJet Pro", {"testing-breaks": 1}, {"busy_when_testing": True}, ("state Testing",)),
)


def play(folder: Path, part: Part, settings: Mapping[str, Any]) -> Outcome:
    with scanner(folder, model=part.model, sheets=part.sheets, **part.options) as simulator:
        one = Rig(simulator, paper_sensor=part.paper_sensor, **settings)
        one.driver.open()
        for line in part.lines:
            one.do(line)
        if "state Testing" in part.lines:
            one.port.on_idle = lambda: one.do("clear") if one.port.skipped_s > 5 else None
        one.port.sleeps = "hurry" in part.options
        outcome = one.scan()
        one.driver.close()
    return outcome


@pytest.fixture
def no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_escl_quirks, "rows", lambda: ())


@pytest.mark.parametrize(
    "part", [part for part in PARTS if part.model != "HP LaserJet MFP M630"], ids=lambda part: part.model
)
def test_a_scanner_with_a_row_works(tmp_path: Path, part: Part) -> None:
    outcome = play(tmp_path, part, {})
    if part.pages is None:
        assert outcome.stopped == ("feeder-empty", 0)
        assert outcome.error is None
    else:
        assert outcome.completed == part.pages


@pytest.mark.usefixtures("no_table")
@pytest.mark.parametrize("part", [PARTS[0], *PARTS[2:]], ids=lambda part: part.model)
def test_without_its_row_it_does_not(tmp_path: Path, part: Part) -> None:
    outcome = play(tmp_path, part, {})
    reason = getattr(outcome.events[-1], "reason", "completed") if outcome.events else "unsupported"
    assert reason in part.without, outcome.error
    assert part.pages is None or len(outcome.pages) < part.pages


@pytest.mark.usefixtures("no_table")
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.model)
def test_a_window_can_say_the_same_itself(tmp_path: Path, part: Part) -> None:
    outcome = play(tmp_path, part, {"quirks": dict(part.quirk)})
    assert (outcome.stopped[0] if part.pages is None else outcome.completed) == (part.pages or "feeder-empty")


def test_every_row_is_played_here() -> None:
    for row in rows():
        model = next((part.model for part in PARTS if row.model != "*" and row.fits(part.model, "", "")), None)
        assert model or row.server == "*HP_Compact_Server*", row.model
        said = {name for name in Quirks.__struct_fields__ if getattr(row, name) is not None}
        assert said
        assert row.why


def test_rows_add_up_and_the_window_has_the_last_word() -> None:
    found = quirks_of(
        "HP LaserJet 500", "HP", "HP HTTP; HP_Compact_Server 1.0", Quirks(busy_when_testing=False, page_delay=2.0)
    )
    assert (found.host, found.busy_when_testing, found.page_delay) == ("localhost", False, 2.0)
    assert quirks_of("hall-edge simulated scanner", "hall-edge", "", Quirks()) == Quirks()
    assert quirks_of("epson ds-1", "", "", Quirks()).port_in_host


def test_the_server_header_tells_of_a_quirk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.escl_server._Handler.server_version", "HP_Compact_Server/1")
    with rig(tmp_path, host="localhost", sheets=1) as one:
        assert one.scan().completed == 1


def test_a_port_always_stands_in_the_host_header_where_it_must() -> None:
    from drivers._escl_http import Http, Place

    http = Http(Place("192.0.2.1", 80), lambda: 0.0, lambda: None)
    assert http.host == "192.0.2.1"
    http.name_host(port_always=True)
    assert http.host == "192.0.2.1:80"
    http.name_host(port_always=False, host="localhost")
    assert http.host == "localhost"
    assert Http(Place("2001:db8::1", 8080), lambda: 0.0, lambda: None).host == "[2001:db8::1]:8080"


def test_a_reply_that_breaks_off_behind_its_headers_is_enough(tmp_path: Path) -> None:
    with rig(tmp_path, drops_reply=1, sheets=2) as one:
        assert one.scan().completed == 2


@pytest.mark.parametrize("form", ["jpeg", "png", "pdf"])
def test_back_sides_can_be_marked_upside_down(tmp_path: Path, form: str) -> None:
    import cv2
    import numpy as np

    settings = {"format": form, "quirks": {"back_rotated": True}}
    with rig(tmp_path, settings, sheets=1) as one:
        outcome = one.scan(duplex=True)
    assert outcome.completed == 2
    for page, data in zip(outcome.sides, outcome.pages, strict=True):
        facts = check_page(data, page.blob.media_type)
        assert (facts.width, facts.height, facts.complete, facts.dpi) == (437, 620, True, 75)
    if form != "pdf":
        front, back = (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) for data in outcome.pages)
        assert front is not None
        assert back is not None
        assert front[:32].min() < 150 < front[-32:].min()  # its head line stands above, the other's below
        assert back[-32:].min() < 150 < back[:32].min()


@pytest.mark.parametrize("chunked", [0, 1])
def test_a_page_that_broke_comes_again_where_the_scanner_sends_it_again(tmp_path: Path, chunked: int) -> None:
    with rig(tmp_path, {"quirks": {"resends_pages": True}}, resends=1, sheets=3, chunked=chunked) as one:
        one.do("cut 2 bytes=2000")
        outcome = one.scan()
        assert outcome.completed == 3
        assert len(set(outcome.pages)) == 3


def test_a_page_that_breaks_again_ends_the_job(tmp_path: Path) -> None:
    with rig(tmp_path, {"quirks": {"resends_pages": True}}, resends=1, sheets=3) as one:
        one.do("cut 2 bytes=2000 times=2")
        outcome = one.scan()
        assert outcome.code == "ESC-141"
        assert outcome.stopped == ("device-error", 1)


def test_the_table_is_packaged_with_the_driver() -> None:
    assert EsclScanner.__module__ == "drivers.scanner_escl"
    assert len(rows()) >= 10
