"""One scan job: settings, the new job, page after page, and how it ended (Mopria eSCL)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

from drivers import _escl_settings as settings
from drivers._escl_http import Answer
from drivers._escl_pages import check, reshaped
from drivers._escl_problems import device_error, error, reason_of
from drivers._escl_scanner import (
    CREATED,
    FORBIDDEN,
    GONE,
    NOT_FOUND,
    OK,
    UNAUTHORIZED,
    UNAVAILABLE,
    Device,
    Scanner,
)
from drivers._escl_settings import Wish
from drivers._escl_status import EMPTY, LOADED, Status
from drivers._scan_job import ScanJob, stop_reason
from edge.driver import Job, Port
from edge.errors import DeviceAbsent, DeviceError, DeviceLost, DeviceTimeout, JobCancelled
from edge.events import Page, Payload, Scan, Source

POST_TRIES, PAGE_TRIES, WARM_UP_TRIES = 10, 30, 60
AGAIN_S, LOOK_S = 1.0, 0.1
AFTER_PLATEN_S = 5.0
_LATER = (NOT_FOUND, GONE)
_OVER = ("Completed", "Aborted", "Canceled")


class _Ended(Exception):
    """The job is over before its time without a fault of the device: an empty feeder, a hand on its stop button."""

    def __init__(self, reason: Literal["feeder-empty", "cancelled"]) -> None:
        super().__init__(reason)
        self.reason = reason


class ScanRun:
    """Carries out one command; ``sensor``: whether the feeder's paper sensor is believed before a job."""

    def __init__(
        self, scanner: Scanner, device: Device, port: Port, job: Job, command: Scan, pages: ScanJob,
        *, form: Literal["jpeg", "png", "pdf"], sensor: bool,
    ) -> None:  # fmt: skip
        self._scanner, self._device, self._port, self._job = scanner, device, port, job
        self._command, self._pages, self._form, self._sensor = command, pages, form, sensor
        self._wish: Wish | None = None
        self._path: str | None = None
        """The job at the scanner, as long as it has not ended there."""
        self._took_s = 0.0
        self._resent = False

    def events(self) -> Iterator[Payload]:
        """Yield what happens; a job that the scanner has is deleted there when it does not end by itself."""
        try:
            yield from self._scan()
        except _Ended as ended:
            yield self._pages.stopped(ended.reason)
        except (JobCancelled, DeviceError) as failed:
            if isinstance(failed, DeviceTimeout | DeviceLost | DeviceAbsent):
                self._path = None  # it would not hear of it
            self._delete()  # before anything is written down: it may still pull in paper
            yield self._pages.stopped(reason_of(failed) or stop_reason(failed))
            raise
        finally:
            self._delete()

    def _scan(self) -> Iterator[Payload]:
        status = self._warmed_up()
        source = self._source(status)
        wish = settings.choose(self._device.capabilities, self._command, source, self._form)
        self._check_ready(source, status)
        wish, self._path = self._create(wish)
        self._wish = wish
        yield self._pages.started(source, wish.color, wish.dpi, duplex=wish.duplex)
        self._job.report("scanning")
        while not self._pages.enough:
            answer = self._fetch(wish, self._path)
            if answer is None:
                self._check_end(wish, self._path)
                break
            page = self._page(answer.body, wish)
            del answer  # one page at a time
            if page is not None:
                yield page
                self._job.report("page", step=page.number)
                del page
        self._delete()
        yield self._pages.completed()

    # --- before ---

    def _warmed_up(self) -> Status | None:
        """Return how the scanner is, once it has warmed up where that matters."""
        for _ in range(WARM_UP_TRIES if self._device.quirks.busy_when_testing else 1):
            status = self._scanner.status(self._job.check)
            if status is None or status.state != "Testing" or not self._device.quirks.busy_when_testing:
                return status
            self._job.report("warming-up")
            self._wait(AGAIN_S)
        raise device_error("ESC-121")

    def _source(self, status: Status | None) -> Source:
        capabilities, wanted = self._device.capabilities, self._command.source
        if wanted != "auto":
            return wanted
        if capabilities.feeder is None:
            return "platen"
        loaded = status is not None and status.feeder == LOADED
        return "feeder" if loaded or capabilities.platen is None else "platen"

    def _check_ready(self, source: Source, status: Status | None) -> None:
        """Raise what somebody must see to before the scanner is asked: some take a job and never end it."""
        if status is None:
            return
        if (code := status.hindrance(in_feeder=source == "feeder")) is not None:
            raise device_error(code)
        believed = self._sensor or bool(self._device.quirks.check_feeder_first)
        if source == "feeder" and believed and status.feeder == EMPTY:
            raise _Ended("feeder-empty")

    def _create(self, wish: Wish) -> tuple[Wish, str]:
        """Return the job that the scanner has taken, and the settings that it took it with."""
        tries, adjusted = 0, False
        while True:
            answer = self._scanner.post(settings.write(wish), self._job.check)
            if answer.status in (OK, CREATED) and answer.header("Location"):
                return wish, self._scanner.job_path(answer.header("Location"))
            if answer.status in (UNAUTHORIZED, FORBIDDEN):
                raise device_error("ESC-108")
            self._check_refusal(wish.source)
            if answer.status == UNAVAILABLE:
                tries += 1
                if tries >= POST_TRIES:
                    raise device_error("ESC-121")
                self._job.report("scanner-busy")
                self._wait(AGAIN_S)
                continue
            plain = None if adjusted else settings.plainer(self._device.capabilities, wish)
            if plain is None:
                raise error("ESC-122")
            wish, adjusted = plain, True

    def _check_refusal(self, source: Source) -> None:
        """Raise why a job was refused, where the status tells it."""
        status = self._scanner.status(self._job.check)
        if status is None:
            return
        if (code := status.trouble(in_feeder=source == "feeder")) is not None:
            raise device_error(code)
        if source == "feeder" and self._says_empty(status):
            raise _Ended("feeder-empty")

    def _says_empty(self, status: Status) -> bool:
        return status.feeder in (EMPTY, *(self._device.quirks.empty_states or ()))

    # --- page after page ---

    def _fetch(self, wish: Wish, path: str) -> Answer | None:
        """Return the answer that holds the next page; ``None``: there is no more."""
        last = wish.source == "platen" and self._pages.scanned > 0
        if not last and self._device.quirks.page_delay and self._took_s:
            self._wait(self._device.quirks.page_delay * self._took_s)
        for _ in range(PAGE_TRIES):
            self._job.check()  # a sheet that is pulled in for nobody is lost
            try:
                answer = self._scanner.next_page(path, self._job.check, AFTER_PLATEN_S if last else None)
            except DeviceError as failed:
                if last:
                    return None
                self._after_break(failed)
                continue
            if last:
                return None
            if answer.status == OK:
                self._took_s = answer.took_s
                self._resent = False
                return answer
            if self._is_over(answer.status, path, wish):
                return None
            self._job.report("waiting-for-page")
            self._wait(AGAIN_S)
        raise device_error("ESC-142")

    def _is_over(self, code: int, path: str, wish: Wish) -> bool:
        """Return whether no page comes any more; false: it is worth asking again."""
        if code in _LATER and not self._device.quirks.retry_on_404:
            return True
        if code not in (UNAVAILABLE, *_LATER):
            self._check_trouble(wish.source)
            raise device_error("ESC-143")
        status = self._check_trouble(wish.source)
        if status is None:
            return False
        state = status.job(path)
        if code == UNAVAILABLE:
            if state in ("Aborted", "Canceled"):
                return True
            # A sensor may say "empty" while sheets are on their way, so that counts only where nothing is.
            if wish.source == "feeder" and not self._pages.scanned and status.state == "Idle":
                return self._says_empty(status)
            return False
        return state in _OVER or (not state and status.state == "Idle")

    def _check_trouble(self, source: Source) -> Status | None:
        """Raise what the scanner says is wrong, else return how it is."""
        status = self._scanner.status(self._job.check)
        code = status.trouble(in_feeder=source == "feeder") if status is not None else None
        if code is not None:
            raise device_error(code)
        return status

    def _after_break(self, failed: DeviceError) -> None:
        """Return where a page may be asked for again after its transfer broke; the next one may come instead."""
        if not isinstance(failed, DeviceLost):
            raise failed
        try:
            self._check_trouble(self._wish.source if self._wish else "platen")
        except DeviceLost:
            raise failed from None  # not only the page: the scanner has gone
        if not self._device.quirks.resends_pages or self._resent:
            raise device_error("ESC-141") from failed
        self._resent = True

    def _page(self, body: bytes, wish: Wish) -> Page | None:
        """Return the event for one side; ``None`` for a blank one that is left out."""
        sheet = check(body, wish.dpi)
        back = wish.duplex and self._pages.scanned % 2 == 1
        upside_down = back and bool(self._device.quirks.back_rotated)
        sheet = reshaped(sheet, self._form, wish.dpi, upside_down=upside_down)
        return self._pages.page(sheet.data, sheet.media_type, sheet.width, sheet.height)

    # --- after ---

    def _check_end(self, wish: Wish, path: str) -> None:
        """Raise why there is no more, unless all sheets are through."""
        if wish.source == "platen":
            if not self._pages.scanned:
                self._check_trouble("platen")
                raise device_error("ESC-143")
            return
        status = self._check_trouble("feeder")
        state = status.job(path) if status is not None else ""
        if state == "Canceled":
            raise _Ended("cancelled")
        if state == "Aborted":
            raise device_error("ESC-143")
        self._path = None
        if not self._pages.scanned:
            raise _Ended("feeder-empty")

    def _delete(self) -> None:
        path, self._path = self._path, None
        if path is not None:
            with suppress(DeviceError):  # it was told; whether it heard is not ours to mend
                self._scanner.delete(path)

    def _wait(self, wait_s: float) -> None:
        end = self._port.monotonic() + wait_s
        while (left := end - self._port.monotonic()) > 0:
            self._job.check()
            self._port.idle(min(LOOK_S, left))
