"""SANE through the whole daemon: a job in a process of its own, pages at the back office, a jam, a crash."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from drivers._scan_pages import PageFacts, check_page
from tests.support.office import Office
from tests.support.saned import backend_test
from tests.support.wait import wait_until
from tests.support.window import HALL, WindowUnderTest

SUBSCRIBER = '[[subscriber]]\nname = "case-system"\n'


def configure(window: WindowUnderTest, folder: Path, options: str = "") -> None:
    window.extra = SUBSCRIBER
    address = f"sane:test:0?config={backend_test(folder / 'sane')}"
    window.foreign("scanner-1", "scanner_sane", address, f"options = {{ {options} }}")


def child_of(parent: int) -> int | None:
    """Return the driver's process."""
    for entry in Path("/proc").glob("[0-9]*/status"):
        try:
            text = entry.read_text()
        except OSError:
            continue  # it has just ended
        if f"PPid:\t{parent}\n" in text:
            return int(entry.parent.name)
    return None


@pytest.mark.slow
def test_ten_pages_arrive_whole(window: WindowUnderTest, tmp_path: Path) -> None:
    configure(window, tmp_path, 'test-picture = "Color pattern"')
    window.start()
    keys = [window.folder / "state" / "lab-key.jwk"]
    with Office(window.url, "case-system", HALL, keys, tmp_path) as office:
        completion = window.request("scanner-1", "scan", {"source": "feeder", "dpi": 100}).completion()
        assert completion["code"] == "ok"
        assert len(completion["events"]) == 12
        office.wait_seq(12)
        started, *pages, completed = office.events
        assert (started.data["source"], started.data["dpi"], completed.data["pages"]) == ("feeder", 100, 10)
        for number, event in enumerate(pages, 1):
            assert event.data["number"] == number
            assert event.blob is not None, event.blob_gone
            data = event.blob.path.read_bytes()
            window.planted.append(data)
            assert check_page(data, "image/jpeg") == PageFacts(826, 1169, 100, complete=True)
    assert {event["mode"] for event in window.tap.events()} == {"simulated"}


@pytest.mark.slow
def test_a_jam_is_told_and_the_scanner_is_ready_again(window: WindowUnderTest, tmp_path: Path) -> None:
    configure(window, tmp_path, 'read-return-value = "SANE_STATUS_JAMMED"')
    window.start()
    for _ in range(2):
        completion = window.request("scanner-1", "scan", {"dpi": 100}).completion()
        assert completion["code"] == "device-error"
        assert completion["error"]["code"] == "SAN-110"
        window.wait_ready()
    assert [event["data"]["reason"] for event in window.tap.wait_events("scan-stopped", 2)] == ["jam", "jam"]


@pytest.mark.slow
def test_a_crash_of_the_backend_ends_the_job_and_nothing_else(window: WindowUnderTest, tmp_path: Path) -> None:
    configure(window, tmp_path, "read-delay = true, read-delay-duration = 100000")
    window.start()
    asked = window.request("scanner-1", "scan", {"dpi": 300})
    window.tap.wait_events("scan-started")
    assert window.process is not None
    worker = wait_until(lambda: child_of(window.process.pid) if window.process else None, what="the driver's process")
    os.kill(worker, signal.SIGSEGV)
    completion = asked.completion()
    assert completion["code"] == "device-error"
    assert completion["error"]["code"] == "DRV-105"
    window.wait_ready()
    assert wait_until(lambda: child_of(window.process.pid) if window.process else None) != worker
