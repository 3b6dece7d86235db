"""A camera that is open: watched all the time, and asked for pictures by ``capture``."""

from __future__ import annotations

from collections.abc import Iterator

from drivers._camera_change import PageTurn
from drivers._camera_selftest import judged
from drivers._camera_settings import CameraSettings
from drivers._camera_shot import MEDIA, Shot, develop
from drivers._camera_source import Frame, Source
from drivers._camera_sources import open_source
from drivers._camera_stream import Stream
from drivers._picture_jpeg import facts_of
from drivers._picture_pdf import PdfPage, write_pdf
from edge.driver import DeviceInfo, Finding, Job, Port
from edge.errors import DeviceError, JobCancelled
from edge.events import Capture, Captured, LostPicture, Payload, PictureFlaw

TRIES = 3
"""A bad picture is taken again twice."""
REPORT_S = 5.0
DEVELOPING_S = 10.0
"""So long may it take to find, straighten and read a page of 20 megapixels on a slow PC."""
LOOK_AGAIN_S = 0.02
_SIMULATED = b"simulated"
_DEADLINE = "CMD-107"


class CameraSession:
    """One camera head, from ``open`` to ``close``; used in one thread."""

    def __init__(self, port: Port, settings: CameraSettings) -> None:
        self._port = port
        self._settings = settings
        self._stream = Stream(open_source(port, settings))

    def settle(self) -> DeviceInfo:
        """Let light and focus settle, and return what the camera says about itself."""
        self._stream.settle(self._settings.settle_s)
        self._port.proved()
        return _about(self._stream.source, self._stream.newest)

    def watch(self, wait_s: float) -> None:
        """Take pictures for *wait_s*, or until a command comes. Raises ``DeviceLost`` or ``DeviceTimeout``."""
        end = self._port.monotonic() + wait_s
        while True:
            if self._stream.watch():
                self._port.proved()
            left = end - self._port.monotonic()
            if self._port.idle(max(0.0, min(left, self._stream.source.rest_s))) or left <= 0:
                return

    def tested(self, job: Job) -> list[Finding]:
        """Judge a picture exposed from now on that proves that the camera looks, and forget it."""
        self._stream.after(self._port.monotonic(), job.check)
        while self._stream.repeats:
            job.check()
            self._stream.watch()
        self._port.proved()
        frame = self._stream.newest
        with self._port.slow(DEVELOPING_S):
            return [] if frame is None else list(judged(frame.jpeg, job.check))

    def capture(self, command: Capture, job: Job) -> Iterator[Payload]:
        """Yield one event a picture, or one for all pictures of a PDF; one that is lost ends the series."""
        taking = _Taking(self._port, self._settings, self._stream, command, job)
        try:
            for number in range(1, command.shots + 1):
                event = taking.picture(number)
                if event is not None:
                    yield event
                if taking.lost:
                    break
        except JobCancelled as error:
            if error.code == _DEADLINE:  # what was taken in time is kept
                yield from taking.document()
            raise
        except DeviceError:
            yield from taking.document()
            yield LostPicture(session=job.request_id, flaw="no-picture")
            raise
        yield from taking.document()

    def close(self) -> None:
        """Let go of the camera. Never raises."""
        self._stream.close()


class _Taking:
    """The pictures of one command."""

    def __init__(self, port: Port, settings: CameraSettings, stream: Stream, command: Capture, job: Job) -> None:
        self._port, self._settings, self._stream = port, settings, stream
        self._command, self._job = command, job
        self._asked_at = port.monotonic()
        self._pages: list[Shot] = []
        self._after_ms = 0
        self.lost = False

    def picture(self, number: int) -> Payload | None:
        """Take picture *number*; return its event, ``None`` while it only belongs to a PDF."""
        self._job.check()
        if number > 1:
            self._next_page(number)
        found, frame = self._take()
        if not isinstance(found, Shot):
            self.lost = True
            return LostPicture(session=self._job.request_id, flaw=found)
        after_ms = max(0, round((self._stream.exposed_at(frame) - self._asked_at) * 1000))
        self._job.report("captured", number, self._command.shots)
        if self._command.format != "pdf":
            return self._event([found], after_ms, number)
        self._after_ms = self._after_ms if self._pages else after_ms
        self._pages.append(found)
        return None

    def document(self) -> Iterator[Payload]:
        """Yield the PDF of what was taken, if one was asked for; once."""
        pages, self._pages = self._pages, []
        if pages:
            yield self._event(pages, self._after_ms, 1)

    def _take(self) -> tuple[Shot | PictureFlaw, Frame]:
        """Return a picture exposed after the request that is worth keeping, or the flaw of the last one tried."""
        frame = self._stream.after(self._asked_at, self._job.check)
        found = self._developed(frame)
        for _ in range(TRIES - 1):
            if isinstance(found, Shot):
                break
            self._port.log("a picture was not worth keeping", flaw=found)
            frame = self._stream.after(frame.at, self._job.check)
            found = self._developed(frame)
        return found, frame

    def _developed(self, frame: Frame) -> Shot | PictureFlaw:
        if self._stream.repeats:
            return "frozen"
        with self._port.slow(DEVELOPING_S):
            return develop(frame.jpeg, self._command, self._settings, self._job.check)

    def _next_page(self, number: int) -> None:
        """Wait until the page was changed and lies still."""
        turn, said, said_at = PageTurn(self._stream.newest), "", 0.0
        while not turn.done(self._stream.next(steady=True)):
            self._job.check()
            text, now = "hold-still" if turn.moving else "change-page", self._port.monotonic()
            if text != said or now - said_at > REPORT_S:
                said, said_at = text, now
                self._job.report(text, number, self._command.shots)
            self._port.idle(LOOK_AGAIN_S)
        self._asked_at = self._port.monotonic()

    def _event(self, shots: list[Shot], after_ms: int, number: int) -> Captured:
        first = shots[0]
        data = first.data
        if self._command.format == "pdf":
            data = write_pdf([PdfPage(shot.data, shot.dpi) for shot in shots])
        codes = dict.fromkeys(code for shot in shots for code in shot.codes or ())
        return Captured(
            content=self._settings.content,
            blob=self._port.blob(data, MEDIA[self._command.format]),
            session=self._job.request_id,
            shots=len(shots),
            shot=number,
            width=first.width,
            height=first.height,
            dpi=first.dpi,
            corrected=first.corrected,
            corners=first.corners,
            sharpness=first.sharpness,
            after_ms=after_ms,
            warnings=tuple(dict.fromkeys(warning for shot in shots for warning in shot.warnings)),
            codes=tuple(codes)[:32] if self._command.codes else None,
        )


def _about(source: Source, frame: Frame | None) -> DeviceInfo:
    """Return what the camera says about itself; a simulator says in its pictures that it is one."""
    facts = facts_of(frame.jpeg) if frame is not None else None
    says = next((text for text in facts.comments if text.lower().startswith(_SIMULATED)), None) if facts else None
    model = source.model or (says.decode("ascii", "replace")[:60] if says else None)
    return DeviceInfo(model=model, serial=source.serial, simulated=source.simulated or says is not None)
