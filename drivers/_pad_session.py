"""A session on an evaluation pad, whatever its bytes travel by: one question, one event.

A rating exists only inside a session, from the pad's own bytes, and the pad hears "taken" only when the event
is durable. What was pressed before the request never counts: it is acknowledged, so that the pad stops
repeating it, and the request waits until no repeat can be under way (1.5 intervals after an acknowledgement).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar

from msgspec import Meta

from drivers._pad_compile import ProfileError, load
from drivers._pad_line import PadLine
from drivers._pad_notation import Part
from drivers._pad_profile import Way
from drivers._pad_protocol import Signal
from drivers._pad_selftest import Trial
from edge.driver import DeviceInfo, Driver, Finding, Job, Named, Port, Settings
from edge.errors import DeviceError, DeviceLost, DeviceTimeout, JobCancelled, Unsupported
from edge.events import Declined, Evaluate, Interrupted, Params, Payload, Rated, RatingFlag, Reason, TimedOut
from edge.selftest.model import Level

CODES: dict[str, str] = {
    "PAD-101": "the pad did not accept the request in time",
    "PAD-102": "the pad was not told the end of the session",
    "PAD-103": "key outside a session",
    "PAD-104": "key with a value that the profile does not map",
    "PAD-105": "reasons dropped",
    "PAD-106": "the request does not fit the profile",
    "PAD-107": "frame that the profile does not know",
    "PAD-000": "the pad takes requests",
    "PAD-201": "press a key of the evaluation pad",
    "PAD-203": "the pad's keys work",
    "PAD-204": "the pad's profile does not know the key",
    "PAD-205": "no key of the pad was pressed",
    "PAD-206": "the pad does not accept a request",
}
REPLUG = "unplug the pad and plug it in again"
SMALLER = "send a smaller staff number or time limit"
SILENT = Named("PAD-108", "see that the pad's power light is on")

Seconds = Annotated[float, Meta(ge=0, le=3600)]
SLICE_S = 0.1
LOG_EVERY_S = 10.0
REPEAT_MARGIN = 1.5
LEVELS_WITH_REASONS = (1, 2)


class SessionSettings(Settings, frozen=True, kw_only=True):
    """Keys of the ``[[device]]`` table that every pad has."""

    ways: ClassVar[tuple[Way, ...]] = ("serial",)
    """By what a pad of this driver may be connected."""

    profile: str
    too_fast_s: Seconds = 1.0
    burst_count: Annotated[int, Meta(ge=1)] = 3
    burst_window_s: Seconds = 10.0
    answer_s: Annotated[float, Meta(gt=0, le=60)] = 2.0

    @property
    def own_address(self) -> int:
        """The pad's number on its line, where it has one."""
        return 0

    def problems(self) -> dict[str, str]:
        """Return what is wrong with the profile."""
        try:
            protocol = load(self.profile, self.ways)
        except ProfileError as error:
            return {"profile": str(error)}
        values = {"address": self.own_address, "staff": 0, "timeout": 0}
        try:
            for body in (protocol.request, protocol.cancel, protocol.key_taken):
                protocol.frame(body, values)
        except OverflowError as error:
            return {"pad_address": f"does not fit the profile: {error}"}
        return {}


class EvaluationPad(Driver):
    """An evaluation pad, as its profile describes it."""

    kind = "evaluation-pad"
    commands = (Evaluate,)
    silent = SILENT

    def __init__(self, settings: SessionSettings, port: Port) -> None:
        super().__init__(settings, port)
        self.settings: SessionSettings = settings
        self._protocol = load(settings.profile, settings.ways)
        heartbeat = self._protocol.profile.heartbeat
        self.proof_s = 3 * heartbeat.every_s if heartbeat else None
        self.counts: Counter[str] = Counter()
        self._line = PadLine(self._protocol, settings.own_address, port)
        self._acknowledged: tuple[bytes, float] | None = None  # the last key and when
        self._logged: dict[str, tuple[float, int]] = {}
        self._rated_at: deque[float] = deque()

    def open(self) -> DeviceInfo:
        """Open the line and write the profile's init bytes; a pad tells nothing about itself."""
        self._line.open()
        return DeviceInfo()

    def poll(self, wait_s: float) -> Iterable[Payload]:
        """Listen; no session is under way, so there is never an event."""
        self._line.listen(0 if self._line.inbox else wait_s)
        while self._line.inbox:
            self._outside(self._line.inbox.popleft())
        return ()

    def close(self) -> None:
        """Let go of the line."""
        self._line.close()

    def execute(self, command: Params, job: Job) -> Iterator[Payload]:
        """Ask the citizen; yields the one event that the session ends with."""
        if not isinstance(command, Evaluate):
            raise Unsupported(f"a pad cannot do {command.command}")
        try:
            request = self._line.frame(self._protocol.request, int(command.staff or 0), command.timeout_s)
        except OverflowError as error:
            raise Unsupported(f"{CODES['PAD-106']}: {error}", code="PAD-106", action=SMALLER) from error
        asked_at: float | None = None
        try:
            self._settle(job)
            self._line.write(request)
            asked_at = self.port.monotonic()
            signal = self._await_key(asked_at, command.timeout_s, job)
        except (JobCancelled, DeviceError) as error:
            if asked_at is not None and not isinstance(error, DeviceLost):
                self._tell_end(self._protocol.cancel)
            yield Interrupted(
                session=job.request_id,
                reason="cancelled" if isinstance(error, JobCancelled) else "device-error",
                waited_ms=0 if asked_at is None else self._ms_since(asked_at),
            )
            raise
        if signal is None:
            self._tell_end(self._protocol.cancel)
            yield TimedOut(session=job.request_id, waited_ms=self._ms_since(asked_at))
            return
        yield self._event(signal, command, job.request_id, asked_at)
        # Only now is the event durable: only now may the pad say "thank you".
        self._tell_end(self._protocol.key_taken)
        self._acknowledged = (signal.raw, self.port.monotonic())

    def selftest(self, level: Level, job: Job) -> Iterator[Finding]:
        """Send a request and take it back; a person may press a key, which is no rating."""
        yield from Trial(self._line, self._protocol, self.port, self.settings.answer_s, level, job).findings()

    # --- the session ---

    def _settle(self, job: Job) -> None:
        """Let what belongs to the citizen before run out, then forget it."""
        repeat = self._protocol.profile.repeat
        latest = self.port.monotonic() + (repeat.every_s * repeat.at_most if repeat else 0)
        wait_s = 0.0
        while repeat:
            self.poll(wait_s)
            now = self.port.monotonic()
            quiet_at = self._acknowledged[1] + REPEAT_MARGIN * repeat.every_s if self._acknowledged else now
            wait_s = min(SLICE_S, max(quiet_at, self._line.quiet_at) - now)
            if wait_s <= 0 or now >= latest:
                break
            job.check()
        self._line.discard()

    def _await_key(self, asked_at: float, timeout_s: float, job: Job) -> Signal | None:
        """Return the key of this session, or ``None`` when the time is over."""
        accepted = not self._protocol.accepted
        deadline, accept_by = asked_at + timeout_s, asked_at + self.settings.answer_s
        while True:
            job.check()
            now = self.port.monotonic()
            if not accepted and now >= accept_by:
                raise DeviceTimeout(CODES["PAD-101"], code="PAD-101", action=REPLUG)
            if now >= deadline:
                return None
            self._line.listen(min(SLICE_S, deadline - now))
            while self._line.inbox:
                signal = self._line.inbox.popleft()
                if signal.what == "accepted":
                    accepted = True
                elif signal.what == "key" and accepted:
                    return signal
                else:
                    self._outside(signal)

    def _event(self, signal: Signal, command: Evaluate, session: str, asked_at: float) -> Payload:
        dwell_ms = max(0, round((self._line.heard_at - asked_at) * 1000))
        if signal.means == "declined":
            return Declined(session=session, dwell_ms=dwell_ms)
        if signal.means == "timed-out":
            return TimedOut(session=session, waited_ms=dwell_ms)
        level = int(signal.means or 0)
        reasons = signal.reasons if level in LEVELS_WITH_REASONS else ()
        if signal.bad_reasons or reasons != signal.reasons:
            self._note("PAD-105")
        return Rated(
            session=session,
            level=level,
            reasons=tuple(Reason(code) for code in reasons),
            form_id=command.form_id,
            form_version=command.form_version,
            dwell_ms=dwell_ms,
            flags=self._flags(dwell_ms),
        )

    def _flags(self, dwell_ms: int) -> tuple[RatingFlag, ...]:
        """Count a rating and return what is odd about it."""
        self._rated_at.append(self._line.heard_at)
        while self._rated_at[0] < self._line.heard_at - self.settings.burst_window_s:
            self._rated_at.popleft()
        flags: list[RatingFlag] = []
        if dwell_ms < self.settings.too_fast_s * 1000:
            flags.append("too-fast")
        if len(self._rated_at) >= self.settings.burst_count:
            flags.append("burst")
        return tuple(flags)

    def _outside(self, signal: Signal) -> None:
        """Deal with what is no answer to a request of ours; a pad that repeats has to be made to stop."""
        if signal.what == "unmapped":
            self._note("PAD-104")
        elif signal.what == "unknown":
            self._note("PAD-107")
        elif signal.what == "key":
            if self._is_repeat(signal.raw):
                self.counts["repeats"] += 1
            elif signal.means != "timed-out":
                self._note("PAD-103")
            if self._protocol.key_taken:
                self._line.write(self._line.frame(self._protocol.key_taken))
                self._acknowledged = (signal.raw, self.port.monotonic())

    def _is_repeat(self, raw: bytes) -> bool:
        repeat = self._protocol.profile.repeat
        if repeat is None or self._acknowledged is None:
            return False
        key, at = self._acknowledged
        return raw == key and self.port.monotonic() - at < REPEAT_MARGIN * repeat.every_s

    def _tell_end(self, body: tuple[Part, ...]) -> None:
        """Tell the pad that the session is over. Its event stands even if the pad does not hear it."""
        try:
            self._line.write(self._line.frame(body))
        except DeviceError:
            self._note("PAD-102")

    def _ms_since(self, moment: float) -> int:
        return max(0, round((self.port.monotonic() - moment) * 1000))

    def _note(self, code: str) -> None:
        """Count, and log at most one line every ``LOG_EVERY_S`` for each code."""
        text = CODES[code]
        self.counts[text] += 1
        now = self.port.monotonic()
        logged_at, logged = self._logged.get(code, (-LOG_EVERY_S, 0))
        if now - logged_at >= LOG_EVERY_S:
            self.port.log(text, code=code, count=self.counts[text] - logged)
            self._logged[code] = (now, self.counts[text])
