"""Several pictures in one command: each when the page was changed and lies still, as one PDF or one by one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from edge.errors import JobCancelled
from edge.events import Capture, Captured, LostPicture, Payload
from edge.jobs import DeviceJob
from tests.drivers.camera_rig import CameraRig, camera
from tests.drivers.pdf_reader import read_pdf
from tests.support.wait import wait_until

pytestmark = pytest.mark.slow


@contextmanager
def running(rig: CameraRig, job: DeviceJob) -> Iterator[list[Payload]]:
    """Run *job* in a thread of its own, as a lane does; yields its events as they come."""
    events: list[Payload] = []

    def run() -> None:
        found, error = rig.outcome(job)
        events.extend(found)
        rig.ended_by = error

    thread = threading.Thread(target=run, name="capture")
    thread.start()
    try:
        yield events
    finally:
        job.cancel()
        thread.join(20)


def told(rig: CameraRig, text: str, number: int) -> bool:
    return any(step[:2] == (text, number) for step in rig.steps)


def test_three_pages_become_one_pdf(tmp_path: Path) -> None:
    with camera(tmp_path, {"view_mm": 460}, width=1200, height=900, qr="P1") as rig:
        job = rig.job(Capture(format="pdf", shots=3, dpi=100))
        with running(rig, job) as events:
            for number in (2, 3):
                wait_until(partial(told, rig, "change-page", number), 10, "it asks for the next page")
                rig.do("hand on")
                wait_until(partial(told, rig, "hold-still", number), 10, "it sees the hand")
                rig.do("hand off")
                rig.do(f"place qr=P{number}")
            wait_until(lambda: events, 15, "the document comes")
        (event,) = events
        assert isinstance(event, Captured)
        assert (event.shots, event.shot, event.blob.media_type) == (3, 1, "application/pdf")
        pages = read_pdf(rig.data(event))
        assert [page.size_points for page in pages] == [pytest.approx((595.3, 841.9), abs=1)] * 3
        assert [step for step in rig.steps if step[0] == "captured"] == [("captured", n, 3) for n in (1, 2, 3)]
        assert [code.text for code in event.codes or ()] == ["P1", "P2", "P3"]


def test_pictures_come_one_by_one(tmp_path: Path) -> None:
    with camera(tmp_path, width=640, height=480) as rig:
        with running(rig, rig.job(Capture(shots=2, codes=False))) as events:
            wait_until(lambda: told(rig, "change-page", 2), 10, "it asks for the next page")
            rig.do("place page=7 turn=-9")
            wait_until(lambda: events, 15, "both pictures are taken")
        assert [event.shot for event in events if isinstance(event, Captured)] == [1, 2]


def test_a_hand_that_changes_nothing_is_no_page(tmp_path: Path) -> None:
    with camera(tmp_path, width=640, height=480) as rig:
        with running(rig, rig.job(Capture(shots=2, codes=False))):
            wait_until(lambda: told(rig, "change-page", 2), 10, "it asks for the next page")
            rig.do("hand on")
            wait_until(lambda: told(rig, "hold-still", 2), 10, "it sees the hand")
            rig.do("hand off")
            wait_until(lambda: [step[0] for step in rig.steps][-1] == "change-page", 10, "it asks again")
        assert not told(rig, "captured", 2)


@pytest.mark.parametrize("cancelled", [True, False])
def test_an_ended_series_keeps_what_was_taken_in_time(tmp_path: Path, cancelled: bool) -> None:
    """A deadline leaves the PDF of the pages so far; whoever cancels wants none."""
    with camera(tmp_path, width=640, height=480) as rig:
        job = rig.job(Capture(format="pdf", shots=5, codes=False), limit_s=60 if cancelled else 3)
        with running(rig, job) as events:
            wait_until(lambda: told(rig, "change-page", 2), 10, "it asks for the next page")
            if cancelled:
                job.cancel()
            wait_until(lambda: rig.ended_by, 10, "it ends")
        assert isinstance(rig.ended_by, JobCancelled)
        assert [event.shots for event in events if isinstance(event, Captured)] == ([] if cancelled else [1])


def test_a_lost_camera_leaves_the_pages_so_far(tmp_path: Path) -> None:
    with camera(tmp_path, width=640, height=480) as rig:
        with running(rig, rig.job(Capture(format="pdf", shots=2, codes=False))) as events:
            wait_until(lambda: told(rig, "change-page", 2), 10, "it asks for the next page")
            rig.do("unplug")
            wait_until(lambda: rig.ended_by, 10, "it ends")
        document, lost = events
        assert isinstance(document, Captured)
        assert len(read_pdf(rig.data(document))) == 1
        assert isinstance(lost, LostPicture)
        assert lost.flaw == "no-picture"
