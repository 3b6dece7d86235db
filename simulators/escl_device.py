"""Behave like an eSCL scanner, without any I/O: requests come in, replies go out (Mopria eSCL)."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from simulators import escl_xml as xml
from simulators.escl_pages import Press, Print
from simulators.escl_state import Faults, Job, Manners, Reply
from simulators.escl_xml import JobLine, Looks, Wanted

LATE_S = 60.0
"""A job that nobody fetches pages of for so long is aborted."""
MOST_PIXELS = 16_000
BY_HAND = ("ScannerAdfJam", "ScannerAdfHatchOpen", "ScannerAdfDoorOpen")


class EsclDevice:
    """Keeps sheets, jobs and states. Methods may be called from any thread."""

    def __init__(self, looks: Looks, manners: Manners, seed: int, *, root: str = "eSCL", pace_s: float = 0.0) -> None:
        self.looks, self.manners, self.root, self.pace_s = looks, manners, root, pace_s
        self.sheets: deque[tuple[bool, bool]] = deque()
        """Sheets in the feeder, top first: whether front and back are blank."""
        self.flat_blank = False
        self.faults = Faults()
        self.trouble: str | None = None
        """AdfState of a jam, an open cover, …"""
        self.state: str | None = None
        """A state that it stays in: Testing, Stopped, Down."""
        self.busy = False
        """Whether it scans for somebody else."""
        self.jobs: dict[str, Job] = {}
        self.base = ""
        self.lock = threading.RLock()
        self.count: Callable[[str], None] = lambda _: None
        self.sleep: Callable[[float], None] = time.sleep
        self._press = Press(seed)
        self._printed = 0
        self._not_ready_told = 0
        self._sent_at = float("-inf")

    # --- what a client asks ---

    def capabilities(self) -> Reply:
        return Reply(200, xml.capabilities(self.looks))

    def status(self) -> Reply:
        with self.lock:
            running = self.busy or any(job.state == "Processing" for job in self.jobs.values())
            state = self.state or ("Processing" if running else "Idle")
            lines = [self._line(job) for job in self.jobs.values()]
            if self.busy:
                lines.append(JobLine(f"/{self.root}/ScanJobs/other", "other", "Processing", "JobScanning"))
            return Reply(200, xml.status(self.looks, state, self._adf_state(), lines))

    def create(self, body: bytes, host: str) -> Reply:
        """Take a job, or say why not."""
        with self.lock:
            if (code := self._forced("post", 0)) is not None:
                return Reply(code)
            if self.manners.host is not None and host != self.manners.host:
                return Reply(403)
            try:
                wanted = xml.read_settings(body)
            except ValueError:
                return Reply(400)
            if self.manners.forgets and self.trouble not in BY_HAND:
                self.trouble = None
            if (refused := self._refusal(wanted)) is not None:
                return Reply(refused)
            job = Job(str(uuid.uuid4()), wanted)
            if self.state == "Testing":
                job.state, job.reason = "Aborted", "AbortedBySystem"
            self.jobs = {**dict(list(self.jobs.items())[-3:]), job.id: job}
            self.count("jobs")
            self._sent_at, self._not_ready_told = float("-inf"), 0
            return Reply(201, location=self._location(job), cut=0 if self.manners.drops_reply else None)

    def next_document(self, job_id: str) -> Reply:
        """Give the next page of a job."""
        with self.lock:
            job = self.jobs.get(job_id)
            if job is None:
                return Reply(404)
            job.asked_at = time.monotonic()
            if (answer := self._instead_of_page(job)) is not None:
                return answer
            if job.again is not None:
                again, job.again = job.again, None
                return self._sent(job, again)
            look, number = self._take(job)
        if self.pace_s:
            self.sleep(self.pace_s)
        page = self._press.page(number, look)
        return self._handed_out(job, page, look.media_type)

    def delete(self, job_id: str) -> Reply:
        with self.lock:
            job = self.jobs.pop(job_id, None)
            self.count("deletes")
            return Reply(200 if job else 404)

    def image_info(self, job_id: str) -> Reply:
        with self.lock:
            job = self.jobs.get(job_id)
            if job is None:
                return Reply(404)
            look = self._look(job.wanted, blank=False)
            return Reply(200, xml.image_info(self.looks, self._uri(job), job.id, look.width, look.height))

    # --- what a person does ---

    def cancel_jobs(self) -> None:
        """Press the scanner's own stop button."""
        with self.lock:
            for job in self.jobs.values():
                if job.state == "Processing":
                    job.state, job.reason = "Canceled", "JobCanceledByUser"

    # --- jobs ---

    def _refusal(self, wanted: Wanted) -> int | None:
        looks, feeder = self.looks, wanted.source == "Feeder"
        most = looks.feeder if feeder else looks.platen
        if most is None or wanted.source not in ("Feeder", "Platen"):
            return 409
        self._give_up_late()
        if self.busy or self.state in ("Stopped", "Down") or any(j.state == "Processing" for j in self.jobs.values()):
            return 503
        if self.state == "Testing" and not self.manners.testing_breaks:
            return 503
        if feeder and self.trouble:
            return self.manners.trouble_answer
        if feeder and not self.sheets and not self.manners.takes_empty:
            return self.manners.empty_answer
        dpi_fits = wanted.dpi in looks.resolutions
        if looks.ranged:
            dpi_fits = looks.resolutions[0] <= wanted.dpi <= looks.resolutions[-1]
        fits = wanted.x + wanted.width <= most[0] and wanted.y + wanted.height <= most[1]
        fits = fits and min(wanted.width, wanted.height) >= 16 and dpi_fits  # noqa: PLR2004
        return None if fits and wanted.color in looks.colors and wanted.media_type in looks.formats else 409

    def _instead_of_page(self, job: Job) -> Reply | None:
        """Return what is to be said when no page is given now."""
        page, feeder = job.done + 1, job.wanted.source == "Feeder"
        if (code := self._forced("next", page)) is not None:
            return Reply(code)
        if job.again is not None:
            return None
        if job.state != "Processing":
            return Reply(self._ended_answer(job))
        if feeder and self.faults.stop_page and page >= self.faults.stop_page:
            self.trouble, self.faults.stop_page = self.faults.stop_state, 0
        if feeder and self.trouble:
            job.state, job.reason = "Aborted", "AbortedBySystem"
            return Reply(self.manners.trouble_answer)
        return self._not_yet(job)

    def _not_yet(self, job: Job) -> Reply | None:
        """Return what is to be said when the next page must be waited for."""
        if self._is_over(job):  # an empty feeder that took the job all the same
            return Reply(503)
        if self._not_ready_told < self.faults.not_ready:
            self._not_ready_told += 1
            return Reply(self.manners.later)
        if time.monotonic() - self._sent_at < self.manners.hurry_s:
            job.state, job.reason = "Aborted", "AbortedBySystem"
            return Reply(500)
        return None

    def _ended_answer(self, job: Job) -> int:
        if job.state != "Aborted":
            return self.manners.over
        return 500 if self.trouble is None else self.manners.trouble_answer

    def _is_over(self, job: Job) -> bool:
        if job.wanted.source != "Feeder":
            return job.done > 0
        return not self.sheets and not job.back_next

    def _take(self, job: Job) -> tuple[Print, int]:
        """Take the next side from the feeder, or what lies on the glass."""
        if job.wanted.source == "Feeder":
            blank = self.sheets[0][job.back_next]
            if not job.wanted.duplex or job.back_next:
                self.sheets.popleft()
            job.back_next = job.wanted.duplex and not job.back_next
        else:
            blank = self.flat_blank
        job.done += 1
        self._printed += 1
        self._not_ready_told = 0
        return self._look(job.wanted, blank=blank), self._printed

    def _handed_out(self, job: Job, page: bytes, media_type: str) -> Reply:
        with self.lock:
            if job.id not in self.jobs:
                return Reply(404)
            if self._is_over(job) and job.state == "Processing":
                job.state, job.reason = "Completed", "JobCompletedSuccessfully"
            self._sent_at = time.monotonic()
            if job.done == self.faults.short_page:
                page = page[: len(page) * 2 // 3]
            return self._sent(job, Reply(200, page, media_type))

    def _sent(self, job: Job, whole: Reply) -> Reply:
        """Return *whole*, or as much of it as gets through."""
        faults = self.faults
        if job.done != faults.cut_page or not faults.cut_times:
            self.count("pages")
            return whole
        faults.cut_times -= 1
        job.again = whole if self.manners.resends else None
        return replace(whole, cut=faults.cut_bytes)

    def _look(self, wanted: Wanted, *, blank: bool) -> Print:
        width, height = (max(16, min(MOST_PIXELS, side * wanted.dpi // 300)) for side in (wanted.width, wanted.height))
        gray = wanted.color != "RGB24"
        return Print(width, height, wanted.dpi, gray=gray, blank=blank, media_type=wanted.media_type)

    def _forced(self, to: str, page: int) -> int | None:
        for one in self.faults.forced:
            if one.to == to and one.times and one.page in (0, page):
                one.times -= 1
                return one.code
        return None

    def _give_up_late(self) -> None:
        for job in self.jobs.values():
            if job.state == "Processing" and job.asked_at and time.monotonic() - job.asked_at > LATE_S:
                job.state, job.reason = "Aborted", "AbortedBySystem"

    # --- words ---

    def _adf_state(self) -> str:
        return self.trouble or (self.manners.loaded_state if self.sheets else self.manners.empty_state)

    def _uri(self, job: Job) -> str:
        return f"/{self.root}/ScanJobs/{job.id}"

    def _location(self, job: Job) -> str:
        uri = self._uri(job)
        return {
            "absolute": f"{self.base}{uri}",
            "path": uri,
            "relative": f"ScanJobs/{job.id}",
            "wrong-host": f"http://scanner-that-nobody-knows.invalid:9{uri}",
            "broken-ipv6": f"http://[fe80::1ff:fe23{uri}",
        }[self.manners.location]

    def _line(self, job: Job) -> JobLine:
        left = 1 if job.again is not None else 0
        return JobLine(self._uri(job), job.id, job.state, job.reason, job.done - left, left)
