"""An eSCL scanner through the whole daemon: pages at the back office, a jam, a cover, a cable."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from drivers._scan_pages import PageFacts, check_page
from simulators.escl_pages import Press, Print
from tests.drivers.test_escl_speed import WANTED_A_MINUTE, scanner_process
from tests.support.office import Office
from tests.support.wait import wait_until
from tests.support.window import BASE, HALL, WindowUnderTest

SUBSCRIBER = '[[subscriber]]\nname = "case-system"\n'
SMALL = {"source": "feeder", "dpi": 75, "color": "gray", "size": "a5"}
FAST = "status_interval_s = 0.2"
MENDED_S = 4.0

PAGES = 500
MEBIBYTE = 1 << 20


@pytest.fixture
def office_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("office")


def scanner(window: WindowUnderTest, **options: Any) -> None:
    window.extra = SUBSCRIBER
    window.device("scanner-1", "scanner_escl", FAST, **options)


def state(window: WindowUnderTest) -> dict[str, Any]:
    told = window.tap.on("device/scanner-1/status")
    return told[-1] if told else {}


@pytest.mark.slow
def test_pages_arrive_as_the_scanner_sent_them(window: WindowUnderTest, office_folder: Path) -> None:
    scanner(window)
    window.start()
    window.do("scanner-1 load 2 blank=1b+2b")
    keys = [window.folder / "state" / "lab-key.jwk"]
    with Office(window.url, "case-system", HALL, keys, office_folder) as office:
        completion = window.request("scanner-1", "scan", {**SMALL, "duplex": True, "drop_blank": True}).completion()
        assert completion["code"] == "ok"
        office.wait_seq(4)
        started, *pages, completed = office.events
        assert started.data["duplex"] is True
        assert (completed.data["pages"], completed.data["dropped"]) == (2, 2)
        press = Press(0)
        for number, event in zip((1, 3), pages, strict=True):
            assert event.blob is not None, event.blob_gone
            data = event.blob.path.read_bytes()
            window.planted.append(data)
            assert data == press.page(number, Print(437, 620, 75, gray=True))
            assert check_page(data, "image/jpeg") == PageFacts(437, 620, 75, complete=True)
    assert {event["mode"] for event in window.tap.events()} == {"simulated"}


@pytest.mark.slow
def test_a_jam_needs_attention_until_it_is_cleared(window: WindowUnderTest) -> None:
    scanner(window, sheets=5)
    window.start()
    window.do("scanner-1 stop jam page=3")
    completion = window.request("scanner-1", "scan", SMALL).completion()
    assert (completion["code"], completion["error"]["code"]) == ("device-error", "ESC-131")
    (stopped,) = window.tap.wait_events("scan-stopped")
    assert (stopped["data"]["reason"], stopped["data"]["pages"]) == ("jam", 2)
    assert len(window.tap.events("page")) == 2
    told = wait_until(lambda: found if (found := state(window)).get("state") == "attention" else None)
    assert told["code"] == "ESC-131"
    # It is looked at again and again, and says the same all the time.
    before = window.bench.counters("scanner-1")["requests"]
    window.bench.wait_count("scanner-1", "requests", before + 8, 10.0)
    assert state(window)["state"] == "attention"
    window.do("scanner-1 clear")
    cleared = time.monotonic()
    wait_until(lambda: state(window).get("state") == "ready", what="ready again")
    assert time.monotonic() - cleared < MENDED_S
    assert window.request("scanner-1", "scan", SMALL).completion()["code"] == "ok"
    assert window.tap.wait_events("scan-completed")[0]["data"]["pages"] == 3


@pytest.mark.slow
def test_a_scanner_that_is_switched_off_in_a_job_is_lost_and_comes_back(window: WindowUnderTest) -> None:
    scanner(window, sheets=9, pace=0.3)
    window.start()
    asked = window.request("scanner-1", "scan", SMALL)
    window.tap.wait_events("page", 2)
    window.do("scanner-1 freeze")
    window.bench.wait_count("scanner-1", "held")  # in the middle of an answer, not between two
    window.do("scanner-1 unplug")
    window.do("scanner-1 thaw")
    completion = asked.completion()
    assert (completion["code"], completion["error"]["code"]) == ("device-error", "ESC-107")
    (stopped,) = window.tap.wait_events("scan-stopped")
    assert stopped["data"]["reason"] == "device-lost"
    assert stopped["data"]["pages"] == len(window.tap.events("page"))
    wait_until(lambda: state(window).get("state") == "absent", what="absent")
    window.do("scanner-1 plug")
    wait_until(lambda: state(window).get("state") == "ready", 20, what="ready again")


@pytest.mark.slow
def test_a_cancel_ends_the_job_at_the_scanner(window: WindowUnderTest) -> None:
    scanner(window, sheets=50, pace=0.3)
    window.start()
    asked = window.request("scanner-1", "scan", SMALL)
    window.tap.wait_events("page")
    window.request("scanner-1", "cancel", {"request_id": asked.request_id})
    assert asked.completion()["code"] == "cancelled"
    window.bench.wait_count("scanner-1", "deletes")
    (stopped,) = window.tap.wait_events("scan-stopped")
    assert stopped["data"]["reason"] == "cancelled"


class WithoutParts(list[tuple[str, bytes, bool]]):
    """What the wiretap keeps when it need not keep the pages."""

    def append(self, message: tuple[str, bytes, bool]) -> None:
        if f"{BASE}/blob/" not in message[0]:
            super().append(message)


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096


def processes(window: WindowUnderTest) -> list[int]:
    """Return the daemon and what it started."""
    assert window.process is not None
    tasks = Path(f"/proc/{window.process.pid}/task").glob("*/children")
    return [window.process.pid, *(int(pid) for task in tasks for pid in task.read_text(encoding="ascii").split())]


@pytest.mark.long
@pytest.mark.timeout(400)
def test_five_hundred_pages_at_full_speed(window: WindowUnderTest, tmp_path: Path, office_folder: Path) -> None:
    """A4 in colour at 300 dpi, from the scanner to files at the back office, and memory stays where it was."""
    window.tap.messages = WithoutParts()
    window.extra = SUBSCRIBER
    with scanner_process(tmp_path, PAGES) as address:
        window.foreign("scanner-1", "scanner_escl", address)
        window.start()
        keys = [window.folder / "state" / "lab-key.jwk"]
        with Office(window.url, "case-system", HALL, keys, office_folder) as office:
            began, arrived, most = time.monotonic(), 0, list[int]()
            asked = window.request("scanner-1", "scan", {"source": "feeder"}, deadline_s=300)
            while arrived < PAGES + 2:
                office.wait_seq(min(arrived + 50, PAGES + 2), 60)
                most.append(sum(map(resident, processes(window))))
                for event in office.events[arrived : (arrived := len(office.events))]:
                    if event.type == "page":
                        assert event.blob is not None, event.blob_gone
                        event.blob.path.unlink()
            took_s = time.monotonic() - began
            assert asked.completion()["code"] == "ok"
    assert 60 * PAGES / took_s > WANTED_A_MINUTE
    assert max(most) - most[0] < 64 * MEBIBYTE, most
