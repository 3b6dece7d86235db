"""Pictures through the whole daemon: from a driver to a file at the back office, over kills, without room."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from edge.subscriber import Event
from tests.support import picture_driver
from tests.support.office import Office
from tests.support.picture_driver import APART, DRIVER, NAME, page_bytes
from tests.support.wait import wait_until
from tests.support.window import HALL, WindowUnderTest

KILLS = 30
SUBSCRIBER = '[[subscriber]]\nname = "case-system"\n'
SIZE = 200_000


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is not searched for personal data: the vendor's package, and the back office's files."""
    folder = tmp_path_factory.mktemp("outside")
    monkeypatch.setenv("PYTHONPATH", picture_driver.install(folder))
    return folder


def scanner(window: WindowUnderTest, lines: str = "", extra: str = SUBSCRIBER, driver: str = DRIVER) -> None:
    window.allow_drivers = f'["{picture_driver.PACKAGE}"]'
    window.extra = extra
    window.foreign("scan-1", driver, "serial:///dev/null", f"size = {SIZE}\n{lines}")


def started(window: WindowUnderTest) -> None:
    """Start the daemon, and wait until it hears requests."""
    window.start()
    window.wait_state("scan-1", "ready")


def stored(window: WindowUnderTest) -> list[str]:
    return [path.name for path in (window.folder / "state" / "blobs").iterdir()]


def check(event: Event, planted: str = "") -> None:
    """Check that the page is whole; then the file has served."""
    assert event.blob is not None, event.blob_gone
    assert event.blob.path.read_bytes() == page_bytes(event.data["number"], SIZE, planted)
    event.blob.path.unlink()


@pytest.mark.parametrize("driver", [DRIVER, APART])
def test_personal_pages_arrive_whole_and_nobody_else_can_read_them(
    window: WindowUnderTest, outside: Path, driver: str
) -> None:
    window.planted += [NAME, *(page_bytes(number, SIZE, NAME) for number in range(1, 6))]
    scanner(window, 'content = "personal"\nplanted = true', driver=driver)
    started(window)
    keys = [window.folder / "state" / "lab-key.jwk"]
    with Office(window.url, "case-system", HALL, keys, outside) as office:
        asked = window.request("scan-1", "scan", {"max_pages": 5})
        completion = asked.completion()
        assert completion["code"] == "ok"
        assert len(completion["events"]) == 6
        office.wait_seq(6)
        for event in office.events[:5]:
            check(event, NAME)
        wait_until(lambda: not stored(window), 10, "what was acknowledged is deleted")
        health = wait_until(lambda: (found := window.status()["health"]["blobs"])["count"] == 0 and found)
        assert health == {"count": 0, "bytes": 0, "waiting": 0, "quarantined": 0, "link": "up"}
    parts = [body for topic, body, _ in window.tap.messages if topic.split("/")[4] == "blob"]
    assert len(parts) == 5 * (1 + 4)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kill_at_random_moments_loses_no_picture(window: WindowUnderTest, outside: Path) -> None:
    moments = random.Random(20261123)
    scanner(window, 'content = "public"\nfeeds = 20.0')
    with Office(window.url, "case-system", HALL, folder=outside) as office:
        for _ in range(KILLS):
            before = len(window.tap.messages)
            window.start(ready=False)
            if moments.random() < 0.8:  # the others are killed while they start
                wait_until(lambda before=before: len(window.tap.messages) > before + 9, what="it sends")  # type: ignore[misc]
            threading.Event().wait(moments.uniform(0.0, 0.3))
            window.kill()
        window.start()
        accepted = int(wait_until(window.status)["health"]["head_seq"])
        assert accepted > KILLS  # it was under load
        office.wait_seq(accepted, 60)
    assert office.seqs[:accepted] == list(range(1, accepted + 1))
    for event in office.events:
        check(event)


@pytest.mark.slow
def test_without_room_a_scan_ends_and_goes_on_when_there_is_some(window: WindowUnderTest, outside: Path) -> None:
    scanner(window, 'content = "public"', SUBSCRIBER + "[blobs]\nmax_mb = 1\nreserve_mb = 0\n")
    window.device("gun-1", "code_serial", 'content = "public"')
    started(window)
    asked = window.request("scan-1", "scan", {"max_pages": 9})
    completion = asked.completion()
    assert (completion["code"], completion["error"]["code"]) == ("device-error", "STO-110")
    assert len(completion["events"]) == 5  # what was taken stays
    wait_until(lambda: "STO-110" in [status.get("code") for status in window.tap.on("device/scan-1/status")])
    window.bench.do("gun-1 scan A001")
    window.tap.wait_events("scanned")
    window.wait_state("scan-1", "ready")
    with Office(window.url, "case-system", HALL, folder=outside) as office:
        office.wait_seq(6)
        for event in office.events[:5]:
            check(event)
        wait_until(lambda: not stored(window), 10, "what was acknowledged is deleted")
        again = window.request("scan-1", "scan", {"max_pages": 4})
        assert again.completion()["code"] == "ok"
        office.wait_seq(11)


def test_what_waited_for_a_broker_is_sent_after_a_restart(window: WindowUnderTest, outside: Path) -> None:
    scanner(window, 'content = "public"')
    started(window)
    asked = window.request("scan-1", "scan", {"max_pages": 3})
    asked.wait("ack")
    wait_until(lambda: len(window.tap.events("page")) == 3)
    window.kill()
    window.broker.kill()
    window.start(ready=False)
    wait_until(lambda: (status := window.status()) and status["health"]["blobs"]["count"] == 3)
    window.broker.start()
    with Office(window.url, "case-system", HALL, folder=outside) as office:
        office.wait_seq(3)
        for event in office.events[:3]:
            check(event)
